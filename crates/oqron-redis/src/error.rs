//! What the driver and the server say, in the words of `oqron_core::Error`.

use deadpool_redis::redis::{ErrorKind, RedisError, ServerErrorKind};
use oqron_core::Error;

/// `backend` is the address without credentials; the driver's and the server's texts hold none.
pub(crate) fn from_redis(backend: &str, action: &'static str, error: &RedisError) -> Error {
    let backend = backend.to_owned();
    let text = error.to_string();
    let denied = |problem: &str| Error::AccessDenied {
        backend: backend.clone(),
        problem: problem.to_owned(),
    };
    let unavailable = |problem: String| Error::Unavailable {
        backend: backend.clone(),
        action,
        problem,
    };
    let detail = error.detail().unwrap_or(&text).to_owned();
    match error.code() {
        Some("WRONGPASS" | "NOAUTH" | "DENIED") => return denied(&hint_for_password(&detail)),
        Some("NOPERM") => {
            return denied(&format!(
                "{detail}; give the user the commands of Oqron, see docs/, or all with +@all ~oqron:* &oqron:*"
            ));
        }
        Some("OOM") => {
            return Error::Backend {
                backend,
                action,
                problem: "Redis is out of memory (maxmemory is reached and nothing may be evicted); nothing was written. \
                          Workers go on and free memory; or raise maxmemory"
                    .into(),
            };
        }
        Some("WRONGTYPE" | "OQRONCORRUPT") => {
            return Error::Corrupt {
                what: "a key",
                problem: detail,
            };
        }
        Some("LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "BUSY" | "READONLY") => {
            return unavailable(format!("the server answers: {text}"));
        }
        _ => {}
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => denied(&hint_for_password(&text)),
        _ if text.contains("certificate") => denied(&format!(
            "{text}; name the authority that signed it: rediss://…?ca=/path/to/ca.pem"
        )),
        ErrorKind::MasterNameNotFoundBySentinel => unavailable(format!(
            "no sentinel names a master that answers ({text}); is the name behind ?master= right, and is a fail-over under way?"
        )),
        ErrorKind::Io => unavailable(format!(
            "{text}; is Redis running there, and is the address right?"
        )),
        ErrorKind::Server(ServerErrorKind::BusyLoading) => unavailable(text),
        // The driver's word for a connection that is closed in the middle of an answer.
        ErrorKind::Parse if text.contains("end of input") => {
            unavailable("the connection ended in the middle of an answer".into())
        }
        ErrorKind::UnexpectedReturnType | ErrorKind::Parse => Error::Corrupt {
            what: "an answer",
            problem: text,
        },
        _ => Error::Backend {
            backend,
            action,
            problem: text,
        },
    }
}

fn hint_for_password(text: &str) -> String {
    format!("{text}; check user and password in the URL: redis://user:password@host")
}

/// Whether the server or the rights of its user leave out what was asked for, today and tomorrow.
#[cfg(feature = "consume")]
pub(crate) fn forbids(error: &Error) -> bool {
    let (Error::AccessDenied { problem, .. } | Error::Backend { problem, .. }) = error else {
        return false;
    };
    let problem = problem.to_lowercase();
    [
        "no permissions",
        "can't run this command",
        "unknown command",
        "unknown redis command",
        "not allowed from script",
    ]
    .iter()
    .any(|sign| problem.contains(sign))
}

pub(crate) fn corrupt(what: &'static str, problem: impl Into<String>) -> Error {
    Error::Corrupt {
        what,
        problem: problem.into(),
    }
}
