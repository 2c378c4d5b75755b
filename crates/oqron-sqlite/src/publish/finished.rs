//! Waiting for the end of a job.

use std::sync::Arc;
use std::time::Duration;

use oqron_core::{Error, Finished, JobRef};
use rusqlite::params;

use super::watch::{Watch, Watching};
use crate::file::Handle;

/// The record is read again after this long: a notification may be lost.
const READ_AGAIN: Duration = Duration::from_secs(5);
/// The same where nobody can notify.
const READ_AGAIN_WITHOUT_NEWS: Duration = Duration::from_secs(1);

pub(super) async fn finished(handle: &Handle, job: &JobRef) -> Result<Finished, Error> {
    if let Some(finished) = Finished::of(handle.find(job).await?.as_ref()) {
        return Ok(finished);
    }
    let watch = handle
        .file
        .watch
        .get_or_init(|| Watch::start(&handle.file.post, handle.file.wakeups));
    let mut watching: Option<Watching> = None;
    loop {
        if let (Some(watch), None) = (watch, &watching) {
            watching = register(handle, watch, job).await?;
        }
        // From here on no notification is missed; so the record is read after it.
        let news = watching.as_ref().map(Watching::news);
        if let Some(finished) = Finished::of(handle.find(job).await?.as_ref()) {
            return Ok(finished);
        }
        match news {
            None => tokio::time::sleep(READ_AGAIN_WITHOUT_NEWS).await,
            Some(news) => {
                if tokio::time::timeout(READ_AGAIN, news).await.is_ok() {
                    // The notification took the registration with it.
                    watching = None;
                }
            }
        }
    }
}

/// `None` where the topic is unknown.
async fn register(handle: &Handle, watch: &Arc<Watch>, job: &JobRef) -> Result<Option<Watching>, Error> {
    let (namespace, topic_name) = (handle.namespace.clone(), job.topic.clone());
    let topic = handle
        .read("find a topic", move |step| {
            step.known_topic(&namespace, &topic_name)
        })
        .await?;
    let Some(topic) = topic else {
        return Ok(None);
    };
    let watching = watch.for_job(topic.number, job.id.clone());
    let (number, id, mailbox) = (topic.number, job.id.clone(), watch.mailbox_name().to_owned());
    handle
        .write("wait for the end of a job", move |step| {
            step.connection
                .prepare_cached(include_str!("../sql/publish/watch.sql"))?
                .execute(params![number, id.as_str(), mailbox])?;
            Ok(())
        })
        .await?;
    Ok(Some(watching))
}
