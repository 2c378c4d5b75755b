//! Settings of the server that would lose jobs: said once, when somebody who works connects.

use deadpool_redis::redis;

use crate::reply;
use crate::server::Server;

const ACTION: &str = "read the server's settings";

/// What is known of the settings; a managed server may tell none of them, or some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Settings {
    /// Bytes; 0 is no limit.
    maxmemory: Option<u64>,
    maxmemory_policy: Option<String>,
    appendonly: Option<bool>,
    /// Whether there are times at which a snapshot is taken.
    snapshots: Option<bool>,
}

/// Warns. What cannot be read is passed over: it is no reason not to start.
pub(super) async fn warn_of_losses(server: &Server) {
    let settings = match from_config(server).await {
        Some(settings) => settings,
        None => from_info(server).await,
    };
    for warning in settings.warnings() {
        tracing::warn!(backend = %server.name, "{warning}");
    }
}

async fn from_config(server: &Server) -> Option<Settings> {
    let mut command = redis::cmd("CONFIG");
    command
        .arg("GET")
        .arg(&["maxmemory", "maxmemory-policy", "appendonly", "save"]);
    let answer = server.command(ACTION, command).await.ok()?;
    let pairs: Vec<(String, String)> = redis::from_redis_value(answer).ok()?;
    let mut settings = Settings::default();
    for (name, value) in pairs {
        match name.as_str() {
            "maxmemory" => settings.maxmemory = value.parse().ok(),
            "maxmemory-policy" => settings.maxmemory_policy = Some(value),
            "appendonly" => settings.appendonly = Some(value == "yes"),
            "save" => settings.snapshots = Some(!value.is_empty()),
            _ => {}
        }
    }
    Some(settings)
}

/// It tells less: whether snapshots are taken is not in it.
async fn from_info(server: &Server) -> Settings {
    let mut texts = String::new();
    for section in ["memory", "persistence"] {
        let nodes = server.info(ACTION, section).await.unwrap_or_default();
        texts += &nodes.into_iter().next().unwrap_or_default();
    }
    Settings {
        maxmemory: reply::info_field(&texts, "maxmemory").and_then(|value| value.parse().ok()),
        maxmemory_policy: reply::info_field(&texts, "maxmemory_policy").map(str::to_owned),
        appendonly: reply::info_field(&texts, "aof_enabled").map(|value| value == "1"),
        snapshots: None,
    }
}

impl Settings {
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let (Some(maxmemory), Some(policy)) = (self.maxmemory, &self.maxmemory_policy)
            && maxmemory > 0
            && policy != "noeviction"
        {
            warnings.push(format!(
                "maxmemory-policy is {policy}: the server throws jobs away when its {maxmemory} bytes are full; set it to \
                 noeviction, then adds are refused instead and workers go on"
            ));
        }
        if (self.appendonly, self.snapshots) == (Some(false), Some(false)) {
            warnings.push(
                "the server keeps nothing on disk (appendonly is no, save is empty): its restart loses all jobs; set \
                 appendonly to yes"
                    .to_owned(),
            );
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(maxmemory: u64, policy: &str, appendonly: bool, snapshots: bool) -> Settings {
        Settings {
            maxmemory: Some(maxmemory),
            maxmemory_policy: Some(policy.to_owned()),
            appendonly: Some(appendonly),
            snapshots: Some(snapshots),
        }
    }

    #[test]
    fn what_loses_jobs_is_named_with_what_to_set() {
        for (settings, named) in [
            (settings(0, "allkeys-lru", true, false), vec![]),
            (settings(1000, "noeviction", false, true), vec![]),
            (settings(1000, "volatile-ttl", true, true), vec!["noeviction"]),
            (settings(0, "noeviction", false, false), vec!["appendonly to yes"]),
            (
                settings(1, "allkeys-lfu", false, false),
                vec!["allkeys-lfu", "appendonly to yes"],
            ),
            (Settings::default(), vec![]),
        ] {
            let warnings = settings.warnings();
            assert_eq!(warnings.len(), named.len(), "{settings:?}: {warnings:?}");
            for (warning, named) in warnings.iter().zip(named) {
                assert!(warning.contains(named), "{warning}");
            }
        }
    }

    #[test]
    fn what_the_server_does_not_tell_is_not_complained_of() {
        let unknown = Settings {
            appendonly: Some(false),
            ..Settings::default()
        };
        assert!(unknown.warnings().is_empty());
    }
}
