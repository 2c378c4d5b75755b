//! A record in Redis: fields of hashes, and members of sorted sets.

use std::sync::Arc;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{Client, Cmd, cmd};
use oqron::core::WorkerId;
use oqron::{Config, JobId, TopicName};
use oqron_redis::{RedisConsume, RedisOperate, RedisPublish};
use oqron_testing::servers::redis_url;

use crate::edit::{Change, Edit};
use crate::town::{Hand, Town};

const HASHES: [&str; 7] = [
    ":job",
    ":run",
    ":result",
    ":error",
    ":timeline",
    ":log",
    ":progress",
];
const SETS: [&str; 9] = [
    ":wait", ":due", ":done", ":ended:3", ":ended:4", ":ended:5", ":expire", ":seen", ":leases",
];

pub(crate) struct RedisHand {
    connection: MultiplexedConnection,
    namespace: String,
}

pub(crate) async fn town() -> Town<RedisHand> {
    let environment = JobId::generate().to_string();
    let config = Config::new(redis_url()).unwrap();
    let config = config.namespace("damage", &environment).unwrap();
    let client = Client::open(redis_url()).unwrap();
    Town {
        publish: Arc::new(RedisPublish::connect(&config).await.unwrap()),
        consume: Arc::new(RedisConsume::connect(&config).await.unwrap()),
        operate: Arc::new(RedisOperate::connect(&config).await.unwrap()),
        hand: RedisHand {
            connection: client.get_multiplexed_async_connection().await.unwrap(),
            namespace: format!("damage:{environment}"),
        },
        topics: Default::default(),
    }
}

impl Hand for RedisHand {
    async fn edit(&self, topic: &TopicName, id: &str, worker: &WorkerId, edits: &[Edit]) {
        let topic = format!("oqron:{{{}:{topic}}}", self.namespace);
        let mut connection = self.connection.clone();
        for edit in edits {
            // A hash three times as often as a set.
            let place = edit.field % (HASHES.len() * 3 + SETS.len() + 1);
            if place < HASHES.len() * 3 {
                let key = format!("{topic}{}", HASHES[place % HASHES.len()]);
                let old: Option<Vec<u8>> = ask(cmd("HGET").arg(&key).arg(id), &mut connection).await;
                match edit.change.of_bytes(old.unwrap_or_default()) {
                    Some(new) => {
                        let _: i64 = ask(cmd("HSET").arg(&key).arg(id).arg(new), &mut connection).await;
                    }
                    None => {
                        let _: i64 = ask(cmd("HDEL").arg(&key).arg(id), &mut connection).await;
                    }
                }
            } else if let Some(set) = SETS.get(place - HASHES.len() * 3) {
                edit_set(&format!("{topic}{set}"), &edit.change, &mut connection).await;
            } else {
                let key = format!("{topic}:lease:{worker}");
                let member = edit.change.of_bytes(id.into()).unwrap_or_default();
                let _: i64 = ask(cmd("SADD").arg(key).arg(member), &mut connection).await;
            }
        }
    }
}

/// Adds a member that nobody else would, or moves all to other scores.
async fn edit_set(key: &str, change: &Change, connection: &mut MultiplexedConnection) {
    let members: Vec<Vec<u8>> = ask(cmd("ZRANGE").arg(key).arg(0).arg(0), connection).await;
    let old = members.into_iter().next();
    match change {
        // A member that is gone takes an unedited job out of the queue: that is another job than the edited one.
        Change::Nothing => {}
        Change::Number(score) => {
            if let Some(member) = old {
                let _: i64 = ask(cmd("ZADD").arg(key).arg(*score).arg(member), connection).await;
            }
        }
        other => {
            let member = other.of_bytes(old.unwrap_or_default()).unwrap_or_default();
            let _: i64 = ask(cmd("ZADD").arg(key).arg(0).arg(member), connection).await;
        }
    }
}

async fn ask<T: deadpool_redis::redis::FromRedisValue>(
    command: &Cmd,
    connection: &mut MultiplexedConnection,
) -> T {
    command.query_async(connection).await.unwrap()
}
