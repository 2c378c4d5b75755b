//! What the person in front of the demo sees: a bar for each job, or plain lines where there is no terminal.

use std::io::{IsTerminal, stderr};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{api::Job, follow::Followed};

pub(super) struct View {
    bars: MultiProgress,
    lines: Vec<Line>,
    is_terminal: bool,
}

struct Line {
    bar: ProgressBar,
    shown: String,
}

impl View {
    pub(super) fn of(jobs: &[Followed]) -> Self {
        let bars = MultiProgress::new();
        let style = ProgressStyle::with_template("  {prefix:9} {bar:32.cyan/blue} {pos:>3}%  {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let lines = jobs.iter().map(|job| {
            let bar = bars
                .add(ProgressBar::new(100))
                .with_style(style.clone())
                .with_prefix(job.clip);
            Line {
                bar,
                shown: String::new(),
            }
        });
        let lines = lines.collect();
        Self {
            bars,
            lines,
            is_terminal: stderr().is_terminal(),
        }
    }

    /// Says something above the bars.
    pub(super) fn say(&self, text: &str) {
        if self.is_terminal {
            // Fails only if the terminal is gone, and then nobody reads.
            let _ = self.bars.println(text);
        } else {
            eprintln!("{text}");
        }
    }

    pub(super) fn show(&mut self, jobs: &[Followed]) {
        for (line, followed) in self.lines.iter_mut().zip(jobs) {
            let Some(job) = &followed.job else { continue };
            line.bar.set_position(u64::from(job.percent()));
            line.bar.set_message(message(job));
            // Without a terminal every quarter is enough.
            let shown = format!("{} {}% {}", followed.clip, job.percent() / 25 * 25, summary(job));
            if !self.is_terminal && line.shown != shown {
                eprintln!("  {shown}");
            }
            line.shown = shown;
            if job.has_ended() && !line.bar.is_finished() {
                line.bar.abandon();
            }
        }
    }
}

fn message(job: &Job) -> String {
    match &job.progress {
        Some(progress) if job.is_active() => format!("{}, {}", summary(job), progress.label),
        _ => summary(job),
    }
}

fn summary(job: &Job) -> String {
    let worker = job
        .worker
        .as_deref()
        .filter(|_| job.is_active())
        .map(|worker| format!(" on {worker}"));
    let stalls = (job.stalls > 0).then(|| format!(", stalls {}", job.stalls));
    format!(
        "{}{}{}",
        job.state,
        worker.unwrap_or_default(),
        stalls.unwrap_or_default()
    )
}
