//! The three things that a client can ask for.

use std::fmt::Display;
use std::str::FromStr;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use oqron::{CancelOutcome, EnqueueOutcome, Queue};
use serde::Deserialize;
use serde_json::json;
use video_encode_contract::{BITRATE_KBPS_RANGE, Codec, VideoMetadata};

use crate::answer::{JobView, Refusal};
use crate::clips::Clips;

const BITRATE_KBPS: u32 = 500;

#[derive(Clone)]
struct Service {
    videos: Queue<VideoMetadata, String>,
    clips: Clips,
}

pub(crate) fn router(videos: Queue<VideoMetadata, String>, clips: Clips) -> Router {
    Router::new()
        .route("/api/upload", post(upload))
        .route("/api/jobs/{id}", get(job).delete(cancel))
        .with_state(Service { videos, clips })
}

/// As text, so that a value that does not do can be named in the answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UploadQuery {
    codec: Option<String>,
    bitrate: Option<String>,
}

async fn upload(
    State(service): State<Service>,
    query: Result<Query<UploadQuery>, QueryRejection>,
    body: Body,
) -> Result<Response, Refusal> {
    let Query(query) = query.map_err(|error| Refusal::new(error.status(), error.body_text()))?;
    let codec = value_or(query.codec.as_deref(), Codec::Av1)?;
    let bitrate = parse_bitrate(query.bitrate.as_deref())?;

    let clip = service.clips.store(body).await?;
    let video_id = format!("vid-{}", clip.hash);
    let video = VideoMetadata {
        video_id: video_id.clone(),
        s3_resource_uri: clip.uri(),
        codec,
        bitrate,
    };
    // The id is made of the content: whoever uploads a clip again, in whatever hurry, gets the job that is there.
    let job = service.videos.add(&video).job_id(&video_id).await?;

    let is_new = job.outcome() == EnqueueOutcome::Created;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((
        status,
        Json(json!({ "trackingId": job.id().to_string(), "new": is_new })),
    )
        .into_response())
}

async fn job(State(service): State<Service>, Path(id): Path<String>) -> Result<Json<JobView>, Refusal> {
    match service.videos.job(&id)?.status().await? {
        Some(record) => Ok(Json(JobView::of(record).map_err(oqron::PublishError::from)?)),
        None => Err(unknown(&id)),
    }
}

async fn cancel(State(service): State<Service>, Path(id): Path<String>) -> Result<Response, Refusal> {
    match service.videos.job(&id)?.cancel().await? {
        CancelOutcome::Cancelled => Ok(Json(json!({ "id": id, "outcome": "cancelled" })).into_response()),
        // Its worker stops within a frame; the job's state tells when.
        CancelOutcome::Requested => {
            let told = Json(json!({ "id": id, "outcome": "requested" }));
            Ok((StatusCode::ACCEPTED, told).into_response())
        }
        CancelOutcome::AlreadyFinished(state) => Err(Refusal::new(
            StatusCode::CONFLICT,
            format!("the job {id:?} has ended already: it is {state}"),
        )),
        CancelOutcome::NotFound => Err(unknown(&id)),
    }
}

fn unknown(id: &str) -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        format!("there is no job {id:?}; use a trackingId that an upload answered, in the day after its end"),
    )
}

fn value_or<V>(text: Option<&str>, default: V) -> Result<V, Refusal>
where
    V: FromStr<Err: Display>,
{
    match text {
        None => Ok(default),
        Some(text) => text
            .parse()
            .map_err(|error: V::Err| Refusal::new(StatusCode::BAD_REQUEST, error.to_string())),
    }
}

fn parse_bitrate(text: Option<&str>) -> Result<u32, Refusal> {
    let Some(text) = text else { return Ok(BITRATE_KBPS) };
    match text.parse() {
        Ok(bitrate) if BITRATE_KBPS_RANGE.contains(&bitrate) => Ok(bitrate),
        _ => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            format!(
                "the bitrate {text:?} does not do; use {} to {} (kbit/s)",
                BITRATE_KBPS_RANGE.start(),
                BITRATE_KBPS_RANGE.end()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use async_trait::async_trait;
    use axum::body::to_bytes;
    use axum::http::{Method, Request};
    use oqron::core::{Enqueued, Finished, Publish, Records};
    use oqron::{Config, Error, JobRecord, JobRef, NewJob, Publisher, TopicName};
    use serde_json::Value;
    use tower::ServiceExt;
    use video_encode_contract::VIDEO_ENCODE;

    use super::*;

    const CLIP: &str = "YUV4MPEG2 W16 H16\nFRAME\n";

    struct Api {
        router: Router,
        videos: Queue<VideoMetadata, String>,
        folder: tempfile::TempDir,
    }

    async fn api() -> Api {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::new(format!("memory:{}", folder.path().display())).unwrap();
        api_on(oqron::publisher(config).await.unwrap(), folder)
    }

    fn api_on(publisher: Publisher, folder: tempfile::TempDir) -> Api {
        let videos = publisher.queue(VIDEO_ENCODE);
        let clips = Clips::in_folder(folder.path(), 1000).unwrap();
        Api {
            router: router(videos.clone(), clips),
            videos,
            folder,
        }
    }

    impl Api {
        async fn send(&self, method: Method, uri: &str, body: &'static str) -> (StatusCode, String) {
            let request = Request::builder()
                .method(method)
                .uri(uri)
                .body(Body::from(body))
                .unwrap();
            let response = self.router.clone().oneshot(request).await.unwrap();
            let status = response.status();
            let body = to_bytes(response.into_body(), 10_000).await.unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        }

        async fn upload(&self, query: &str, body: &'static str) -> (StatusCode, String) {
            self.send(Method::POST, &format!("/api/upload{query}"), body)
                .await
        }

        async fn job(&self, id: &str) -> (StatusCode, String) {
            self.send(Method::GET, &format!("/api/jobs/{id}"), "").await
        }
    }

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    fn tracking_id(answer: &str) -> String {
        json(answer)["trackingId"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn the_same_clip_gets_the_same_tracking_id_and_one_job() {
        let api = api().await;
        let (first_status, first) = api.upload("", CLIP).await;
        let (again_status, again) = api.upload("?bitrate=900", CLIP).await;
        let (_, other) = api.upload("", "YUV4MPEG2 W16 H16\nFRAME\nx").await;

        assert_eq!(
            (first_status, again_status),
            (StatusCode::CREATED, StatusCode::OK)
        );
        assert_eq!(tracking_id(&first), tracking_id(&again));
        assert_ne!(tracking_id(&first), tracking_id(&other));
        assert_eq!(
            (&json(&first)["new"], &json(&again)["new"]),
            (&json("true"), &json("false"))
        );
    }

    #[tokio::test]
    async fn a_job_tells_the_worker_where_the_clip_is_and_what_to_do() {
        let api = api().await;
        let (_, answer) = api.upload("?codec=hevc&bitrate=900", CLIP).await;

        let id = tracking_id(&answer);
        let record = api.videos.job(&id).unwrap().status().await.unwrap().unwrap();
        let video: VideoMetadata = VIDEO_ENCODE.codec_in_use().decode(&record.payload).unwrap();
        assert_eq!(
            (video.codec, video.bitrate, video.video_id),
            (Codec::Hevc, 900, id)
        );
        let path = PathBuf::from(video.s3_resource_uri.strip_prefix("file://").unwrap());
        assert!(path.starts_with(api.folder.path().canonicalize().unwrap()));
        assert_eq!(std::fs::read_to_string(path).unwrap(), CLIP);
    }

    #[tokio::test]
    async fn a_new_job_waits_and_says_so() {
        let api = api().await;
        let (_, answer) = api.upload("", CLIP).await;

        let (status, job) = api.job(&tracking_id(&answer)).await;
        assert_eq!(status, StatusCode::OK);
        let mut job = json(&job);
        assert!(job["createdAt"].take().as_i64().unwrap() > 1_700_000_000_000);
        let expected = json!({
            "id": tracking_id(&answer), "state": "waiting", "progress": null, "attempts": 0, "stalls": 0,
            "worker": null, "result": null, "error": null, "createdAt": null, "startedAt": null, "finishedAt": null,
            "timeline": [],
        });
        assert_eq!(job, expected);
    }

    #[tokio::test]
    async fn a_job_is_cancelled_once() {
        let api = api().await;
        let (_, answer) = api.upload("", CLIP).await;
        let uri = format!("/api/jobs/{}", tracking_id(&answer));

        assert_eq!(api.send(Method::DELETE, &uri, "").await.0, StatusCode::OK);
        let (status, sentence) = api.send(Method::DELETE, &uri, "").await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert!(sentence.contains("it is cancelled"), "{sentence}");
    }

    #[tokio::test]
    async fn an_unknown_job_is_not_found() {
        let api = api().await;
        for method in [Method::GET, Method::DELETE] {
            let (status, sentence) = api.send(method, "/api/jobs/vid-0", "").await;
            assert_eq!(status, StatusCode::NOT_FOUND);
            assert!(sentence.contains("no job \"vid-0\""), "{sentence}");
        }
    }

    #[tokio::test]
    async fn what_does_not_do_is_refused_with_the_value_and_no_job() {
        let api = api().await;
        for (query, body, expected) in [
            ("", "MPEG", "no Y4M clip"),
            ("?codec=vp9", CLIP, "\"vp9\""),
            ("?codec=", CLIP, "use av1, h264 or hevc"),
            ("?bitrate=0", CLIP, "\"0\""),
            ("?bitrate=-1", CLIP, "\"-1\""),
            ("?bitrate=fast", CLIP, "use 10 to 100000 (kbit/s)"),
            ("?quality=9", CLIP, "quality"),
        ] {
            let (status, sentence) = api.upload(query, body).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
            assert!(sentence.contains(expected), "{query}: {sentence}");
        }
        assert_eq!(std::fs::read_dir(api.folder.path()).unwrap().count(), 0);
    }

    /// A backend that is not there.
    struct Away;

    impl Away {
        fn error<A>() -> Result<A, Error> {
            let problem = "connection refused".to_owned();
            Err(Error::Unavailable {
                backend: "Redis at 10.0.0.7".to_owned(),
                action: "reach it",
                problem,
            })
        }
    }

    #[async_trait]
    impl Records for Away {
        async fn find(&self, _: &JobRef) -> Result<Option<JobRecord>, Error> {
            Away::error()
        }

        async fn cancel(&self, _: &JobRef) -> Result<CancelOutcome, Error> {
            Away::error()
        }
    }

    #[async_trait]
    impl Publish for Away {
        async fn enqueue(&self, _: &TopicName, _: &[NewJob]) -> Result<Vec<Enqueued>, Error> {
            Away::error()
        }

        async fn finished(&self, _: &JobRef) -> Result<Finished, Error> {
            Away::error()
        }
    }

    #[tokio::test]
    async fn a_backend_that_is_away_is_said_so_without_its_address() {
        let publisher = Publisher::new(Arc::new(Away), Config::new("memory:").unwrap());
        let api = api_on(publisher, tempfile::tempdir().unwrap());
        for (status, sentence) in [
            api.upload("", CLIP).await,
            api.job("vid-1").await,
            api.send(Method::DELETE, "/api/jobs/vid-1", "").await,
        ] {
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(
                sentence.contains("again in a few seconds") && !sentence.contains("10.0.0.7"),
                "{sentence}"
            );
        }
    }
}
