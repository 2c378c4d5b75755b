//! Which file a URL names, and with which options it is opened.

use std::path::{Path, PathBuf};

use oqron_core::{BackendKind, BackendUrl, Error};

use crate::file_system;

/// How commits reach the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) enum Synchronous {
    /// Every commit is on the disk before it is answered. The default, and what the promise of an `add` rests on.
    #[default]
    Full,
    /// A power loss may take the last commits, though never the file; the death of processes takes nothing.
    Normal,
}

/// How a worker learns of new jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) enum Wakeups {
    /// A datagram from the process that committed. The default; where a socket cannot be made, it looks by itself.
    #[default]
    Sockets,
    /// It looks every 50 ms whether the file has changed.
    Poll,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Options {
    pub(crate) synchronous: Synchronous,
    pub(crate) wakeups: Wakeups,
}

/// The path as it stands in the URL, and the options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) path: PathBuf,
    pub(crate) options: Options,
}

impl Location {
    /// `sqlite:jobs.db`, `sqlite:/abs/jobs.db` or `sqlite:///abs/jobs.db`, each with `?option=value&…`.
    pub(crate) fn parse(url: &BackendUrl) -> Result<Self, Error> {
        if url.kind() != BackendKind::Sqlite {
            return Err(invalid(format!(
                "{url} names another backend; write sqlite:jobs.db"
            )));
        }
        let text = url.expose();
        let (_, rest) = text
            .split_once(':')
            .ok_or_else(|| invalid("it has no scheme".into()))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = match path.strip_prefix("//") {
            None => path,
            Some(absolute) if absolute.starts_with('/') => absolute,
            Some(relative) => {
                return Err(invalid(format!(
                    "sqlite://{relative} names a host; write sqlite:{relative} for a file in the current folder, \
                     or sqlite:///folder/{relative}"
                )));
            }
        };
        if path.is_empty() {
            return Err(invalid("it names no file; write sqlite:jobs.db".into()));
        }
        if path.starts_with(':') {
            return Err(invalid(format!(
                "sqlite:{path} is no file that processes can share; memory: is the backend for tests"
            )));
        }
        Ok(Self {
            path: path.into(),
            options: parse_options(query)?,
        })
    }

    /// The path with its folder resolved, so that one file has one name. The folder must exist, be on this machine,
    /// and the file must not be a folder itself.
    pub(crate) fn resolve(&self) -> Result<PathBuf, Error> {
        let name = self
            .path
            .file_name()
            .ok_or_else(|| invalid(format!("{} is no file name", self.path.display())))?;
        let folder = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let folder = folder.canonicalize().map_err(|error| {
            invalid(format!(
                "the folder {} of {} cannot be used ({error}); create it, or name another",
                folder.display(),
                self.path.display()
            ))
        })?;
        let path = folder.join(name);
        // A link to the file elsewhere is the same file: SQLite's own companion files stand beside the target.
        let path = path.canonicalize().unwrap_or(path);
        if path.is_dir() {
            return Err(invalid(format!(
                "{} is a folder; name a file in it",
                path.display()
            )));
        }
        file_system::refuse_network(path.parent().unwrap_or(&folder))?;
        Ok(path)
    }
}

fn parse_options(query: &str) -> Result<Options, Error> {
    let mut options = Options::default();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match (name, value.to_ascii_lowercase().as_str()) {
            ("synchronous", "full") => options.synchronous = Synchronous::Full,
            ("synchronous", "normal") => options.synchronous = Synchronous::Normal,
            ("synchronous", _) => return Err(bad_value(name, value, "full (the default) or normal")),
            ("wakeups", "sockets") => options.wakeups = Wakeups::Sockets,
            ("wakeups", "poll") => options.wakeups = Wakeups::Poll,
            ("wakeups", _) => return Err(bad_value(name, value, "sockets (the default) or poll")),
            _ => {
                return Err(invalid(format!(
                    "the option {name:?} is unknown; SQLite's are synchronous and wakeups"
                )));
            }
        }
    }
    Ok(options)
}

fn bad_value(name: &str, value: &str, allowed: &str) -> Error {
    invalid(format!("{name}={value}: the value is {allowed}"))
}

pub(crate) fn invalid(problem: String) -> Error {
    Error::Invalid { what: "url", problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Location, Error> {
        Location::parse(&BackendUrl::new(text).unwrap())
    }

    #[test]
    fn the_forms_of_a_path() {
        for (text, path) in [
            ("sqlite:jobs.db", "jobs.db"),
            ("sqlite:a/b c.db", "a/b c.db"),
            ("sqlite:/abs/jobs.db", "/abs/jobs.db"),
            ("sqlite:///abs/jobs.db?synchronous=normal", "/abs/jobs.db"),
        ] {
            assert_eq!(parse(text).unwrap().path, Path::new(path), "{text}");
        }
        let options = parse("sqlite:x?synchronous=NORMAL&wakeups=poll").unwrap().options;
        assert_eq!(options.synchronous, Synchronous::Normal);
        assert_eq!(options.wakeups, Wakeups::Poll);
        assert_eq!(parse("sqlite:x").unwrap().options.synchronous, Synchronous::Full);
    }

    #[test]
    fn what_does_not_do_is_named() {
        for (text, part) in [
            ("sqlite:", "names no file"),
            ("sqlite://jobs.db", "sqlite:jobs.db"),
            ("sqlite::memory:", "memory:"),
            ("sqlite:jobs.db?sync=full", "\"sync\""),
            ("sqlite:jobs.db?synchronous=off", "synchronous=off"),
            ("sqlite:jobs.db?wakeups=never", "wakeups=never"),
            ("redis://h", "another backend"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = parse("sqlite:/no/such/folder/jobs.db")
            .unwrap()
            .resolve()
            .unwrap_err()
            .to_string();
        assert!(error.contains("/no/such/folder"), "{error}");
        let error = parse("sqlite:/tmp").unwrap().resolve().unwrap_err().to_string();
        assert!(error.contains("is a folder"), "{error}");
    }
}
