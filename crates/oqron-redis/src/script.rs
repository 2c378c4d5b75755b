//! Scripts and the calls of them. A script is put together at compile time out of its shared parts and its body, and is
//! sent once a server: later calls name it by its hash.

use std::sync::LazyLock;

use deadpool_redis::redis::{self, Cmd};

/// One Lua script.
pub(crate) struct Script {
    pub(crate) source: &'static str,
    pub(crate) hash: String,
}

impl Script {
    pub(crate) fn new(source: &'static str) -> Self {
        let hash = redis::Script::new(source).get_hash().to_owned();
        Self { source, hash }
    }
}

pub(crate) type LazyScript = LazyLock<Script>;

/// Puts a script together: `flags` of its first line, then files of `lua/`. A script without `allow-oom` is refused by
/// the server before its start when the server is out of memory, and so never stops half way.
macro_rules! script {
    ($flags:literal, $($file:literal),+) => {
        std::sync::LazyLock::new(|| {
            $crate::script::Script::new(concat!(
                "#!lua", $flags, "\n",
                $(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lua/", $file, ".lua"))),+
            ))
        })
    };
}
pub(crate) use script;

/// One call of a script: its keys, and then its arguments.
pub(crate) struct Call {
    pub(crate) script: &'static Script,
    pub(crate) command: Cmd,
}

impl Call {
    pub(crate) fn new(script: &'static LazyScript, keys: &[&str]) -> Self {
        let script: &'static Script = script;
        let mut command = redis::cmd("EVALSHA");
        command.arg(&script.hash).arg(keys.len()).arg(keys);
        Self { script, command }
    }

    pub(crate) fn arg(mut self, argument: impl redis::ToRedisArgs) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn push(&mut self, argument: impl redis::ToRedisArgs) {
        self.command.arg(argument);
    }
}
