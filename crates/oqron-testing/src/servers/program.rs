//! Finding the programs of the servers, and refusing versions that are too old.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use super::ServerError;

/// A program that somebody else has to install.
#[derive(Debug)]
pub struct Program {
    /// Its name in a `PATH`.
    pub name: &'static str,
    /// Debian's package that holds it.
    pub package: &'static str,
    /// The variable that names it, or the folder that holds it, when it is in an unusual place.
    pub variable: &'static str,
    /// The oldest major version that works; 0 for any, without asking.
    pub oldest: u32,
    /// Folders outside of the usual `PATH`; one `*` stands for a version.
    folders: &'static [&'static str],
}

static REDIS: Program = Program {
    name: "redis-server",
    package: "redis-server",
    variable: "OQRON_REDIS_SERVER",
    oldest: 7,
    folders: &["/usr/local/bin", "/opt/homebrew/bin"],
};

/// `initdb` stands for all of PostgreSQL: a machine with `psql` alone has only the client.
static POSTGRES: Program = Program {
    name: "initdb",
    package: "postgresql",
    variable: "OQRON_POSTGRES_BIN",
    oldest: 13,
    folders: &[
        "/usr/lib/postgresql/*/bin",
        "/usr/pgsql-*/bin",
        "/usr/local/pgsql/bin",
        "/opt/homebrew/opt/postgresql@*/bin",
        "/usr/local/opt/postgresql@*/bin",
    ],
};

/// Debian has it outside of the `PATH` of people.
static PGBOUNCER: Program = Program {
    name: "pgbouncer",
    package: "pgbouncer",
    variable: "OQRON_PGBOUNCER",
    oldest: 1,
    folders: &["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"],
};

/// Its library gives processes of tests a wrong wall clock.
static FAKETIME: Program = Program {
    name: "faketime",
    package: "faketime",
    variable: "OQRON_FAKETIME",
    oldest: 0,
    folders: &["/usr/local/bin", "/opt/homebrew/bin"],
};

/// It signs the certificates of tests.
static OPENSSL: Program = Program {
    name: "openssl",
    package: "openssl",
    variable: "OQRON_OPENSSL",
    oldest: 0,
    folders: &["/usr/local/bin", "/opt/homebrew/bin"],
};

/// Where `faketime` is.
///
/// # Errors
/// [`ServerError::Missing`] with the places that were looked at and the package to install.
pub fn find_faketime() -> Result<PathBuf, ServerError> {
    FAKETIME.find()
}

/// Where `openssl` is.
///
/// # Errors
/// [`ServerError::Missing`] with the places that were looked at and the package to install.
pub fn find_openssl() -> Result<PathBuf, ServerError> {
    OPENSSL.find()
}

/// Where `pgbouncer` is.
///
/// # Errors
/// [`ServerError::Missing`] with the places that were looked at and the package to install.
pub fn find_pgbouncer() -> Result<PathBuf, ServerError> {
    PGBOUNCER.find()
}

/// Where `redis-server` is.
///
/// # Errors
/// [`ServerError::Missing`] with the places that were looked at and the package to install; [`ServerError::TooOld`].
pub fn find_redis() -> Result<PathBuf, ServerError> {
    REDIS.find()
}

/// The folder of PostgreSQL's server programs, `initdb` and `postgres` among them.
///
/// # Errors
/// [`ServerError::Missing`] with the places that were looked at and the package to install; [`ServerError::TooOld`].
pub fn find_postgres() -> Result<PathBuf, ServerError> {
    let initdb = POSTGRES.find()?;
    // A link in a PATH may stand alone: only beside the real `initdb` is the rest of the installation certain.
    let initdb = initdb
        .canonicalize()
        .map_err(ServerError::io(format!("resolve {}", initdb.display())))?;
    Ok(initdb.parent().map(Path::to_path_buf).unwrap_or_default())
}

impl Program {
    fn find(&'static self) -> Result<PathBuf, ServerError> {
        let candidates = match env::var_os(self.variable) {
            // Who names a place means it: no other one is taken instead.
            Some(named) => vec![PathBuf::from(&named), Path::new(&named).join(self.name)],
            None => self.usual_places(),
        };
        let Some(path) = candidates.iter().find(|path| path.is_file()) else {
            return Err(ServerError::Missing {
                program: self,
                looked_in: candidates,
            });
        };
        if self.oldest == 0 {
            return Ok(path.clone());
        }
        let found = major_version(path)?;
        if found < self.oldest {
            return Err(ServerError::TooOld {
                program: self,
                path: path.clone(),
                found,
            });
        }
        Ok(path.clone())
    }

    fn usual_places(&self) -> Vec<PathBuf> {
        let in_path = env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = env::split_paths(&in_path).collect();
        folders.extend(self.folders.iter().flat_map(|pattern| matching_folders(pattern)));
        let mut places = Vec::with_capacity(folders.len());
        for folder in folders {
            let place = folder.join(self.name);
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }
}

/// The folders that `pattern` stands for, the newest version first; the pattern itself where there is none, so that an
/// error can show what was looked for.
fn matching_folders(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![PathBuf::from(pattern)];
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(parent)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?.parse().ok()?;
            Some((version, PathBuf::from(format!("{before}{version}{after}"))))
        })
        .collect();
    if versions.is_empty() {
        return vec![PathBuf::from(pattern)];
    }
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, path)| path).collect()
}

fn major_version(program: &Path) -> Result<u32, ServerError> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .map_err(ServerError::io(format!("run `{} --version`", program.display())))?;
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    first_number(&answer).ok_or_else(|| ServerError::StrangeVersion {
        path: program.to_path_buf(),
        answer,
    })
}

/// The major version in a line such as `Redis server v=7.0.15 sha=0` or `initdb (PostgreSQL) 17rc1`.
fn first_number(line: &str) -> Option<u32> {
    let digits: String = line
        .chars()
        .skip_while(|character| !character.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_each_program_prints() {
        for (line, version) in [
            (
                "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64",
                Some(7),
            ),
            ("initdb (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some(15)),
            ("initdb (PostgreSQL) 18beta1", Some(18)),
            ("no such option", None),
        ] {
            assert_eq!(first_number(line), version, "{line}");
        }
    }

    #[test]
    fn the_newest_of_several_installed_versions_comes_first() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9", "15", "14", "common"] {
            std::fs::create_dir_all(root.path().join(version).join("bin")).unwrap();
        }
        let pattern = format!("{}/*/bin", root.path().display());
        let found = matching_folders(&pattern);
        let expected: Vec<PathBuf> = ["15", "14", "9"]
            .map(|v| root.path().join(v).join("bin"))
            .to_vec();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_missing_program_is_reported_with_the_places_and_the_package() {
        static NOWHERE: Program = Program {
            name: "no-such-server",
            package: "some-package",
            variable: "OQRON_NO_SUCH_SERVER",
            oldest: 1,
            folders: &["/usr/lib/nowhere/*/bin"],
        };
        let error = NOWHERE.find().unwrap_err().to_string();
        assert!(error.contains("`no-such-server` was not found"), "{error}");
        assert!(error.contains("/usr/lib/nowhere/*/bin/no-such-server"), "{error}");
        assert!(error.contains("apt-get install some-package"), "{error}");
        assert!(error.contains("OQRON_NO_SUCH_SERVER"), "{error}");
    }
}
