//! The program `oqron-bench-process`, which some sections start: built for each backend by itself, as a user would build it, and
//! kept beside what is measured, since the build for the next backend replaces it.

use std::fs;

use super::{Backend, ours::Section, stage::Stage};
use crate::{
    cargo::{Workspace, cargo},
    error::Error,
    interrupt::Interrupt,
    run::run as run_program,
};

pub(super) const PACKAGE: &str = "oqron-bench-process";

/// Before anything is measured, so that no build runs beside a measurement.
pub(super) fn build(
    sections: &[Section],
    backends: &[Backend],
    stage: &Stage,
    workspace: &Workspace,
    interrupt: &Interrupt,
) -> Result<(), Error> {
    for backend in wanted_for(sections, backends) {
        let mut build = cargo();
        build.args(["build", "--release", "--package", PACKAGE]);
        build.args(["--features", feature(backend)]);
        run_program(build.current_dir(&workspace.root), interrupt)?;
        let (built, kept) = (workspace.built_for_release(PACKAGE), stage.process(backend));
        fs::copy(&built, &kept).map_err(Error::io(format!(
            "copy {} to {}",
            built.display(),
            kept.display()
        )))?;
    }
    Ok(())
}

fn wanted_for(sections: &[Section], backends: &[Backend]) -> Vec<Backend> {
    let wanted = |backend: &Backend| {
        let here = |section: &&Section| section.belongs_to(*backend);
        sections
            .iter()
            .filter(here)
            .any(|section| section.starts_processes())
    };
    backends.iter().copied().filter(wanted).collect()
}

pub(super) fn feature(backend: Backend) -> &'static str {
    match backend {
        Backend::Redis | Backend::RedisEverysec => "redis",
        Backend::Postgres => "postgres",
        Backend::Sqlite => "sqlite",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_built_for_each_backend_on_which_a_section_starts_it() {
        let measured = Backend::ALL;
        let once = [Backend::Redis, Backend::Postgres, Backend::Sqlite];
        assert_eq!(wanted_for(&[Section::Adds, Section::Memory], &measured), once);
        assert_eq!(wanted_for(&[Section::Processes], &measured), once);
        assert_eq!(
            wanted_for(&[Section::Memory], &[Backend::Sqlite]),
            [Backend::Sqlite]
        );
        assert_eq!(wanted_for(&[Section::Adds, Section::Idle], &measured), []);
    }
}
