//! Pausing a topic, for all workers and across restarts.

use oqron_core::{Error, TopicName};
use rusqlite::params;

use crate::file::Handle;

pub(super) async fn pause(handle: &Handle, topic: &TopicName) -> Result<(), Error> {
    let (namespace, topic) = (handle.namespace.clone(), topic.clone());
    handle
        .write("pause a topic", move |step| {
            let topic = step.topic(&namespace, &topic)?;
            step.connection
                .prepare_cached("UPDATE topics SET paused = 1 WHERE id = ?1 /* oqron:operate:pause */")?
                .execute(params![topic.number])?;
            Ok(())
        })
        .await
}

pub(super) async fn resume(handle: &Handle, topic: &TopicName) -> Result<(), Error> {
    let (namespace, topic) = (handle.namespace.clone(), topic.clone());
    handle
        .write("resume a topic", move |step| {
            let topic = step.topic(&namespace, &topic)?;
            let resumed = step
                .connection
                .prepare_cached(
                    "UPDATE topics SET paused = 0 WHERE id = ?1 AND paused = 1 /* oqron:operate:resume */",
                )?
                .execute(params![topic.number])?;
            if resumed == 1 {
                step.wake(&topic, usize::MAX)?;
            }
            Ok(())
        })
        .await
}
