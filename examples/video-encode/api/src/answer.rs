//! What the service says: a job as JSON, and errors as one plain sentence.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use oqron::{JobRecord, PublishError, TimelineEvent};
use serde::Serialize;
use video_encode_contract::VIDEO_ENCODE;

use crate::clips::UploadError;

/// A job as the client sees it. Times are milliseconds since 1970.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobView {
    id: String,
    state: &'static str,
    progress: Option<ProgressView>,
    attempts: u32,
    stalls: u32,
    worker: Option<String>,
    result: Option<String>,
    error: Option<String>,
    created_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    timeline: Vec<EventView>,
}

#[derive(Debug, Serialize)]
struct ProgressView {
    percent: u8,
    label: String,
}

/// What was not as usual: a failed attempt, a worker that was gone.
#[derive(Debug, Serialize)]
struct EventView {
    at: i64,
    kind: &'static str,
    reason: String,
}

impl JobView {
    /// # Errors
    /// The stored result is not what this topic's workers write.
    pub(crate) fn of(record: JobRecord) -> Result<Self, oqron::Error> {
        let codec = VIDEO_ENCODE.codec_in_use();
        Ok(JobView {
            id: record.id.to_string(),
            state: record.state.as_str(),
            progress: record.progress.map(|progress| ProgressView {
                percent: progress.percent,
                label: progress.label,
            }),
            attempts: record.attempts,
            stalls: record.stalls,
            worker: record.worker.map(|worker| worker.to_string()),
            result: record.result.map(|result| codec.decode(&result)).transpose()?,
            error: record.error.map(|failure| failure.to_string()),
            created_at: record.created_at.as_millis(),
            started_at: record.started_at.map(|time| time.as_millis()),
            finished_at: record.finished_at.map(|time| time.as_millis()),
            timeline: record.timeline.into_iter().map(EventView::of).collect(),
        })
    }
}

impl EventView {
    fn of(event: TimelineEvent) -> Self {
        EventView {
            at: event.at.as_millis(),
            kind: event.kind.as_str(),
            reason: event.reason,
        }
    }
}

/// A refusal: a status, and a sentence that says what would do.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    sentence: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Refusal {
            status,
            sentence: sentence.into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, format!("{}\n", self.sentence)).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
        }
        response
    }
}

impl From<UploadError> for Refusal {
    fn from(error: UploadError) -> Self {
        let status = match &error {
            UploadError::NotY4m | UploadError::BrokenOff(_) => StatusCode::BAD_REQUEST,
            UploadError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            UploadError::Silence => StatusCode::REQUEST_TIMEOUT,
            UploadError::Storage(cause) => {
                tracing::error!(error = %cause, "a clip could not be stored");
                return Refusal::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the clip could not be stored here; whoever runs this service finds the reason in its log",
                );
            }
        };
        Refusal::new(status, error.to_string())
    }
}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        match &error {
            PublishError::Core(oqron::Error::InvalidName { .. }) => {
                Refusal::new(StatusCode::BAD_REQUEST, error.to_string())
            }
            // Where the backend is and what it says is nothing for strangers.
            PublishError::Core(oqron::Error::AccessDenied { .. }) => Refusal::backend_is_away(&error),
            _ if error.is_transient() => Refusal::backend_is_away(&error),
            _ => {
                tracing::error!(%error, "the job backend gave an answer that this service cannot use");
                Refusal::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "this service cannot read the job; whoever runs it finds the reason in its log",
                )
            }
        }
    }
}

impl Refusal {
    fn backend_is_away(error: &PublishError) -> Self {
        tracing::error!(%error, "the job backend cannot be used");
        Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the job backend cannot be reached at the moment; send the same request again in a few seconds",
        )
    }
}

#[cfg(test)]
mod tests {
    use oqron::{FailureKind, JobFailure, JobId, JobState, NewJob, Progress, TimelineKind, Timestamp};
    use serde_json::json;

    use super::*;

    fn record() -> JobRecord {
        let codec = VIDEO_ENCODE.codec_in_use();
        let job = NewJob::new(codec.encode(&"payload").unwrap());
        let topic = VIDEO_ENCODE.name().unwrap();
        JobRecord::new(
            topic,
            JobId::new("vid-1").unwrap(),
            job.payload,
            job.options,
            Timestamp::from_millis(1),
        )
    }

    fn shown(record: JobRecord) -> serde_json::Value {
        serde_json::to_value(JobView::of(record).unwrap()).unwrap()
    }

    #[test]
    fn a_job_under_way_shows_how_far_it_is_and_who_does_it() {
        let mut record = record();
        record.state = JobState::Active;
        record.progress = Some(Progress::new(40, "Encoding frame 4 of 10"));
        (record.attempts, record.stalls) = (2, 1);
        record.started_at = Some(Timestamp::from_millis(2));
        record.timeline = vec![TimelineEvent::new(
            Timestamp::from_millis(1),
            TimelineKind::Stalled,
            None,
            "its worker is gone",
        )];

        let job = shown(record);
        assert_eq!(job["state"], "active");
        assert_eq!(
            job["progress"],
            json!({ "percent": 40, "label": "Encoding frame 4 of 10" })
        );
        assert_eq!((&job["attempts"], &job["stalls"]), (&json!(2), &json!(1)));
        assert_eq!((&job["startedAt"], &job["finishedAt"]), (&json!(2), &json!(null)));
        assert_eq!(
            job["timeline"],
            json!([{ "at": 1, "kind": "stalled", "reason": "its worker is gone" }])
        );
    }

    #[test]
    fn a_job_that_ended_shows_its_result_or_its_error() {
        let mut done = record();
        done.state = JobState::Completed;
        done.result = Some(VIDEO_ENCODE.codec_in_use().encode(&"encoded/vid-1.ivf").unwrap());
        done.finished_at = Some(Timestamp::from_millis(3));
        assert_eq!(shown(done)["result"], "encoded/vid-1.ivf");

        let mut failed = record();
        failed.state = JobState::Failed;
        failed.error = Some(JobFailure::new(FailureKind::Error, "no frames"));
        let job = shown(failed);
        assert_eq!(
            (&job["state"], &job["error"], &job["result"]),
            (&json!("failed"), &json!("no frames"), &json!(null))
        );
    }
}
