//! `cargo xtask demo`: the video example for real. An API server and two workers on a new database, six clips of which one
//! is uploaded twice, a worker killed in the middle of an encode, and nothing lost.

mod api;
mod backend;
mod clips;
mod follow;
mod ivf;
mod kill;
mod programs;
mod verdict;
mod view;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use self::{
    api::Api,
    backend::{Backend, Started},
    clips::Clip,
    follow::Followed,
    kill::Killed,
    programs::Program,
    view::View,
};
use crate::{
    cargo::{Workspace, cargo},
    error::Error,
    interrupt::Interrupt,
    run::run as run_program,
};

const ENCODED_WITHIN: Duration = Duration::from_secs(600);
const ASK_EVERY: Duration = Duration::from_millis(100);
const WORKERS: [&str; 2] = ["worker-1", "worker-2"];
/// Jobs that a worker runs at the same time.
const CONCURRENCY: usize = 2;
/// Workers miss nobody on a server that is younger than a lease: a restart drops every connection, and those who live need
/// time to come back. In production servers are older than that. Here one has just been started, so leases are made short,
/// though far longer than a death takes to be noticed, and the demo lets the server get that old.
const LOCK_TTL: Duration = Duration::from_secs(6);
const HEARTBEAT: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// What stands between the API and the workers; the demo starts it itself
    #[arg(long, value_enum, default_value_t = Backend::Sqlite)]
    backend: Backend,
    /// Use this server instead: sqlite:…, redis://…, rediss://… or postgres://…
    #[arg(long, conflicts_with = "backend")]
    url: Option<String>,
}

pub(crate) fn run(options: &Options, workspace: &Workspace, interrupt: &Interrupt) -> Result<(), Error> {
    eprintln!("Building the API server and the worker");
    let mut build = cargo();
    build.args([
        "build",
        "--package",
        "video-encode-api",
        "--package",
        "video-encode-worker",
    ]);
    run_program(build.current_dir(&workspace.root), interrupt)?;

    let run = Run::begin(options, workspace, interrupt)?;
    run.show(workspace, interrupt).map_err(|error| match error {
        Error::Interrupted(_) => error,
        other => Error::found(format!(
            "{other}\n       logs and files of this run: {}",
            run.folder.display()
        )),
    })
}

/// One run of the demo, with a folder and a namespace of its own: on a server that is used again, its jobs are new.
struct Run {
    folder: PathBuf,
    backend: Started,
    started: Instant,
    environment: String,
}

impl Run {
    fn begin(options: &Options, workspace: &Workspace, interrupt: &Interrupt) -> Result<Self, Error> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let environment = format!("run-{now}");
        let folder = workspace.scratch("demo").join(&environment);
        for part in ["uploads", "encoded"] {
            let part = folder.join(part);
            fs::create_dir_all(&part).map_err(Error::io(format!("make the folder {}", part.display())))?;
        }
        let backend = match &options.url {
            Some(url) => Started::elsewhere(url)?,
            None => options.backend.start(&folder, interrupt)?,
        };
        let started = Instant::now();
        Ok(Self {
            folder,
            backend,
            started,
            environment,
        })
    }

    fn show(&self, workspace: &Workspace, interrupt: &Interrupt) -> Result<(), Error> {
        let mut server = self.start_api(&workspace.built("video-encode-api"))?;
        let address = server.address(interrupt)?;
        let mut programs = Programs {
            server,
            workers: Vec::new(),
        };
        for name in WORKERS {
            programs
                .workers
                .push(self.start_worker(name, &workspace.built("video-encode-worker"))?);
        }
        eprintln!(
            "{}; the API at {address}; {} workers",
            self.backend.name(),
            WORKERS.len()
        );

        if self.backend.is_a_new_server() {
            // Its age is told in whole seconds.
            let trusted_after = LOCK_TTL + Duration::from_secs(2);
            interrupt.pause(trusted_after.saturating_sub(self.started.elapsed()))?;
        }
        let api = Api::at(address);
        let mut jobs = upload(&api, &clips::all())?;
        let killed = encode_all(&mut jobs, &api, &mut programs, interrupt)?;
        verdict::give(&jobs, &killed, &self.backend, &self.folder)?;
        for program in programs.workers.into_iter().chain([programs.server]) {
            program.stop(interrupt)?;
        }
        self.tidy()
    }

    fn start_api(&self, program: &Path) -> Result<Program, Error> {
        let mut variables = self.variables();
        variables.push(("VIDEO_API_ADDR", "127.0.0.1:0".into()));
        variables.push(("VIDEO_API_DIR", self.folder.join("uploads").display().to_string()));
        Program::start("api", program, &variables, &self.folder)
    }

    fn start_worker(&self, name: &str, program: &Path) -> Result<Program, Error> {
        let mut variables = self.variables();
        variables.push((
            "VIDEO_WORKER_OUT",
            self.folder.join("encoded").display().to_string(),
        ));
        variables.push(("OQRON_WORKER_NAME", name.into()));
        variables.push(("OQRON_WORKER_CONCURRENCY", CONCURRENCY.to_string()));
        variables.push(("OQRON_WORKER_LOCK_TTL", format!("{}s", LOCK_TTL.as_secs())));
        variables.push(("OQRON_WORKER_HEARTBEAT", format!("{}s", HEARTBEAT.as_secs())));
        Program::start(name, program, &variables, &self.folder)
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("OQRON_URL", self.backend.url()),
            ("OQRON_PROJECT", "demo".into()),
            ("OQRON_ENVIRONMENT", self.environment.clone()),
        ]
    }

    /// Keeps what can be played and the logs; the uploads are large.
    fn tidy(&self) -> Result<(), Error> {
        let uploads = self.folder.join("uploads");
        fs::remove_dir_all(&uploads).map_err(Error::io(format!("remove {}", uploads.display())))
    }
}

struct Programs {
    server: Program,
    workers: Vec<Program>,
}

impl Programs {
    /// Fails if one of them has ended by itself.
    fn must_run(&mut self) -> Result<(), Error> {
        self.server.must_run()?;
        self.workers.iter_mut().try_for_each(Program::must_run)
    }
}

/// Follows the jobs until all have ended, and kills one worker on the way.
fn encode_all(
    jobs: &mut [Followed],
    api: &Api,
    programs: &mut Programs,
    interrupt: &Interrupt,
) -> Result<Killed, Error> {
    let mut view = View::of(jobs);
    let mut killed: Option<Killed> = None;
    let started = Instant::now();
    while !jobs.iter().all(Followed::has_ended) {
        for job in jobs.iter_mut().filter(|job| !job.has_ended()) {
            if let Err(error) = job.ask(api) {
                // If the server is gone, its log says more than the failed request.
                programs.must_run()?;
                return Err(error);
            }
        }
        view.show(jobs);
        programs.must_run()?;
        match &mut killed {
            None => {
                killed = kill::in_the_middle(&mut programs.workers, jobs, api)?;
                if let Some(killed) = &killed {
                    let clip = jobs[killed.job].clip;
                    view.say(&format!(
                        "SIGKILL for {}, at {}% of {clip}",
                        killed.worker, killed.percent
                    ));
                }
            }
            Some(killed) => {
                if let Some(time) = killed.watch(jobs) {
                    let clip = jobs[killed.job].clip;
                    view.say(&format!("{clip} is taken over after {:.1} s", time.as_secs_f64()));
                }
            }
        }
        if started.elapsed() > ENCODED_WITHIN {
            let limit = ENCODED_WITHIN.as_secs();
            return Err(Error::found(format!(
                "not every clip was encoded within {limit} s"
            )));
        }
        interrupt.pause(ASK_EVERY)?;
    }
    killed.ok_or_else(|| Error::found("no worker was seen in the middle of an encode, so none was killed"))
}

/// Uploads every clip, and the first one a second time, which must not make another job.
fn upload(api: &Api, clips: &[Clip]) -> Result<Vec<Followed>, Error> {
    let mut jobs: Vec<Followed> = Vec::new();
    for clip in clips {
        let uploaded = api.upload(&clip.y4m)?;
        if !uploaded.new || jobs.iter().any(|job| job.id == uploaded.tracking_id) {
            return Err(Error::found(format!(
                "{} was taken for a clip that is there already",
                clip.name
            )));
        }
        jobs.push(Followed::new(clip.name, uploaded.tracking_id));
    }
    let (Some(clip), Some(job)) = (clips.first(), jobs.first()) else {
        return Ok(jobs);
    };
    let again = api.upload(&clip.y4m)?;
    if again.new || again.tracking_id != job.id {
        return Err(Error::found(format!(
            "{} was uploaded twice as the job {} and made another one, {}",
            clip.name, job.id, again.tracking_id
        )));
    }
    eprintln!(
        "{} clips uploaded, {} twice: {} jobs",
        jobs.len(),
        clip.name,
        jobs.len()
    );
    Ok(jobs)
}
