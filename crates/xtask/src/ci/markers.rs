//! Every Lua script and SQL statement carries the name of its side in a comment that travels with it into the binary. So
//! the binary tells what a program can do, whatever the dependency graph says.

use std::{fs, path::Path};

use memchr::memmem;

use crate::error::Error;

pub(super) const CONSUME: &str = "oqron:consume:";
pub(super) const PUBLISH: &str = "oqron:publish:";

pub(super) fn holds(program: &Path, marker: &str) -> Result<bool, Error> {
    let content = fs::read(program).map_err(Error::io(format!("read {}", program.display())))?;
    Ok(memmem::find(&content, marker.as_bytes()).is_some())
}

pub(super) fn must_hold(program: &Path, marker: &str) -> Result<(), Error> {
    if holds(program, marker)? {
        return Ok(());
    }
    // Without this control, a renamed marker or a stripped comment would make every other search pass.
    Err(Error::found(format!(
        "{} does not hold `{marker}`, so searching for markers proves nothing: \
         do the .lua and .sql files still carry it in a comment, and do the comments reach the binary?",
        program.display()
    )))
}

pub(super) fn must_not_hold(program: &Path, marker: &str) -> Result<(), Error> {
    if !holds(program, marker)? {
        return Ok(());
    }
    Err(Error::found(format!(
        "{} holds `{marker}`: code that consumes is linked into a program that only publishes. \
         Something that the publishing type refers to leads there (a shared vtable, a shared table of statements)",
        program.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_found_in_a_program_and_a_missing_one_is_an_error() {
        // This test's own program holds both markers, because it names them.
        let this = std::env::current_exe().unwrap();
        must_hold(&this, CONSUME).unwrap();
        let error = must_not_hold(&this, CONSUME).unwrap_err().to_string();
        assert!(error.contains("holds `oqron:consume:`"), "{error}");
        let unknown = ["oqron", "no-such-side", ""].join(":");
        must_not_hold(&this, &unknown).unwrap();
        let error = must_hold(&this, &unknown).unwrap_err().to_string();
        assert!(error.contains("proves nothing"), "{error}");
    }
}
