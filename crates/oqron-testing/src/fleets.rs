//! Several servers of Redis at once: a master with a replica that sentinels watch, and a cluster. What does not come about
//! fails the test that asked for it.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::{Cmd, FromRedisValue, cmd};
use tokio::time::{Instant, sleep};

use crate::servers::{RedisOptions, RedisServer, find_redis, tied_to_this_thread};

/// For everything that servers agree about among themselves.
const AGREED_WITHIN: Duration = Duration::from_secs(60);
const MASTER: &str = "mymaster";

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

async fn within<T>(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        sleep(LOOK_EVERY).await;
    }
}

fn durable() -> RedisOptions {
    RedisOptions::new()
        .setting("appendonly", "yes")
        .setting("repl-diskless-sync-delay", "0")
        .setting("repl-ping-replica-period", "1")
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// One command to the server on this port, which may be down.
pub async fn ask<T: FromRedisValue>(port: u16, command: &Cmd) -> Option<T> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.ok()?;
    command.query_async(&mut connection).await.ok()
}

async fn info(port: u16, section: &str, line: &str) -> Option<()> {
    let text: String = ask(port, cmd("INFO").arg(section)).await?;
    text.lines().any(|found| found == line).then_some(())
}

/// Another server, as soon as it follows this one.
pub async fn replica_of(master: &RedisServer) -> RedisServer {
    let of = format!("127.0.0.1 {}", master.port());
    let replica = RedisServer::start(durable().setting("replicaof", of)).unwrap();
    within(AGREED_WITHIN, "the replica follows", async || {
        info(replica.port(), "replication", "master_link_status:up").await
    })
    .await;
    replica
}

/// A master, its replica, and three sentinels of whom two must agree.
pub struct Watched {
    /// The first master.
    pub master: RedisServer,
    /// Its copy, which takes over.
    pub replica: RedisServer,
    sentinels: Vec<Sentinel>,
}

struct Sentinel {
    port: u16,
    folder: PathBuf,
    process: Child,
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Sentinel {
    fn start(master: u16) -> Self {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("oqron-sentinel-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let config = folder.join("sentinel.conf");
        let lines = format!(
            "bind 127.0.0.1\nport {port}\ndir {}\nsentinel monitor {MASTER} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {MASTER} 500\nsentinel failover-timeout {MASTER} 5000\n",
            folder.display()
        );
        std::fs::write(&config, lines).unwrap();
        let mut command: Command = tied_to_this_thread(find_redis().unwrap(), "KILL");
        let process = command
            .arg(&config)
            .arg("--sentinel")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            port,
            folder,
            process,
        }
    }

    /// Whether it knows the replica and the two others.
    async fn knows_all(&self) -> Option<()> {
        let known: Vec<(String, String)> = ask(self.port, cmd("SENTINEL").arg(&["MASTER", MASTER])).await?;
        let has = |name: &str, value: &str| known.iter().any(|(n, v)| n == name && v == value);
        (has("num-slaves", "1") && has("num-other-sentinels", "2") && has("flags", "master")).then_some(())
    }
}

impl Watched {
    /// All know each other, and the replica has what the master has.
    pub async fn start() -> Self {
        let master = RedisServer::start(durable()).unwrap();
        let replica = replica_of(&master).await;
        let sentinels: Vec<Sentinel> = (0..3).map(|_| Sentinel::start(master.port())).collect();
        for sentinel in &sentinels {
            within(AGREED_WITHIN, "the sentinels know each other", async || {
                sentinel.knows_all().await
            })
            .await;
        }
        Self {
            master,
            replica,
            sentinels,
        }
    }

    /// Names the sentinels.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self
            .sentinels
            .iter()
            .map(|sentinel| format!("127.0.0.1:{}", sentinel.port))
            .collect();
        format!("redis+sentinel://{}/0?master={MASTER}", hosts.join(","))
    }

    /// Stops the first of the sentinels in the URL.
    pub fn kill_first_sentinel(&mut self) {
        drop(self.sentinels.remove(0));
    }

    /// Asks for a fail-over in order: the old master lives on as a replica.
    pub async fn fail_over(&self) {
        let command = cmd("SENTINEL").arg(&["FAILOVER", MASTER]).clone();
        within(AGREED_WITHIN, "the sentinel begins", async || {
            ask::<redis::Value>(self.sentinels[0].port, &command)
                .await
                .map(|_| ())
        })
        .await;
        within(AGREED_WITHIN, "the master is a replica now", async || {
            info(self.master.port(), "replication", "role:slave").await
        })
        .await;
    }

    /// Until the replica has everything that the master has written.
    pub async fn replicated(&self) {
        replicated(self.master.port(), self.replica.port()).await;
    }
}

async fn replicated(master: u16, replica: u16) {
    let offset = async |port, name| {
        let text: String = ask(port, cmd("INFO").arg("replication")).await?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.parse::<u64>().ok()
    };
    let written = offset(master, "master_repl_offset:").await.unwrap();
    within(AGREED_WITHIN, "the replica has it", async || {
        offset(replica, "slave_repl_offset:")
            .await
            .filter(|read| *read >= written)
    })
    .await;
}

/// Three masters, each with a replica.
pub struct Cluster {
    /// The masters first, then their replicas in the same order.
    pub nodes: Vec<RedisServer>,
}

impl Cluster {
    /// The nodes agree who is who, and the replicas have a copy.
    pub async fn start() -> Self {
        let nodes: Vec<RedisServer> = (0..6).map(|_| Self::node()).collect();
        let first = nodes[0].port();
        for node in &nodes[1..] {
            let bus: String = ask(node.port(), cmd("CONFIG").arg(&["GET", "cluster-port"]))
                .await
                .map(|pair: Vec<String>| pair[1].clone())
                .unwrap();
            let meet = cmd("CLUSTER")
                .arg(&["MEET", "127.0.0.1", &node.port().to_string(), &bus])
                .clone();
            let _: () = ask(first, &meet).await.unwrap();
        }
        for (node, (from, to)) in nodes.iter().zip([(0, 5460), (5461, 10922), (10923, 16383)]) {
            let add = cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(from).arg(to).clone();
            let _: () = ask(node.port(), &add).await.unwrap();
        }
        for (replica, master) in nodes[3..].iter().zip(&nodes) {
            let id: String = ask(master.port(), cmd("CLUSTER").arg("MYID")).await.unwrap();
            let replicate = cmd("CLUSTER").arg(&["REPLICATE", &id]).clone();
            within(AGREED_WITHIN, "the replica follows", async || {
                ask::<()>(replica.port(), &replicate).await
            })
            .await;
        }
        for node in &nodes {
            within(AGREED_WITHIN, "the nodes agree", async || {
                let state: String = ask(node.port(), cmd("CLUSTER").arg("INFO")).await?;
                let known: String = ask(node.port(), cmd("CLUSTER").arg("NODES")).await?;
                let replicas = known.matches("slave").count();
                (state.contains("cluster_state:ok") && replicas == 3 && !known.contains("handshake"))
                    .then_some(())
            })
            .await;
        }
        for replica in &nodes[3..] {
            within(AGREED_WITHIN, "the replica has a copy", async || {
                info(replica.port(), "replication", "master_link_status:up").await
            })
            .await;
        }
        Self { nodes }
    }

    /// A port of the bus of its own: by default it is the port plus 10,000, which may be none.
    fn node() -> RedisServer {
        let mut refused = None;
        for _ in 0..10 {
            let options = durable()
                .setting("cluster-enabled", "yes")
                .setting("cluster-node-timeout", "1000")
                .setting("cluster-require-full-coverage", "no")
                .setting("cluster-replica-validity-factor", "0")
                .setting("cluster-port", free_port().to_string());
            match RedisServer::start(options) {
                Ok(server) => return server,
                Err(error) => refused = Some(error),
            }
        }
        panic!("no node of a cluster starts: {refused:?}");
    }

    /// Names the masters.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.nodes[..3]
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port()))
            .collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// Until the replica of the master at this place has everything.
    pub async fn replicated(&self, place: usize) {
        replicated(self.nodes[place].port(), self.nodes[place + 3].port()).await;
    }

    /// The place in `nodes` of the master that holds this key.
    pub async fn master_of(&self, key: &str) -> usize {
        let slot: u16 = ask(self.nodes[0].port(), cmd("CLUSTER").arg("KEYSLOT").arg(key))
            .await
            .unwrap();
        match slot {
            0..=5460 => 0,
            5461..=10922 => 1,
            _ => 2,
        }
    }
}
