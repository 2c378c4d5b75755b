//! The handler: what one attempt at a job does.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use oqron::{Context, Handler, JobError};
use tokio_util::sync::CancellationToken;
use video_encode_contract::{BITRATE_KBPS_RANGE, Codec, VideoMetadata};

use crate::encode::{EncodeError, encode};
use crate::output::PartFile;
use crate::source;
use crate::y4m::{Clip, ClipError};

/// Encodes the clips of jobs into one folder.
#[derive(Clone, Debug)]
pub(crate) struct EncodeVideo {
    pub(crate) folder: PathBuf,
}

impl Handler<VideoMetadata, String> for EncodeVideo {
    async fn run(&self, ctx: Context<VideoMetadata>) -> Result<String, JobError> {
        // What cannot succeed tomorrow either is not tried again.
        check(ctx.data()).map_err(JobError::no_retry)?;

        let (encoding, folder) = (ctx.clone(), self.folder.clone());
        // Encoding keeps a thread busy and looks at the signal before every frame, so it needs no async runtime.
        let file = ctx
            .spawn_blocking(move |signal| encode_to_file(&encoding, &folder, &signal))
            .await??;
        Ok(file.display().to_string())
    }
}

fn check(video: &VideoMetadata) -> Result<(), JobError> {
    if video.codec != Codec::Av1 {
        return Err(JobError::new(format!(
            "this worker does not encode {}; upload the clip with codec=av1",
            video.codec
        )));
    }
    if !BITRATE_KBPS_RANGE.contains(&video.bitrate) {
        return Err(JobError::new(format!(
            "the bitrate {} does not do; use {} to {} (kbit/s)",
            video.bitrate,
            BITRATE_KBPS_RANGE.start(),
            BITRATE_KBPS_RANGE.end()
        )));
    }
    Ok(())
}

fn encode_to_file(
    ctx: &Context<VideoMetadata>,
    folder: &Path,
    signal: &CancellationToken,
) -> Result<PathBuf, JobError> {
    let video = ctx.data();
    ctx.progress(0, "Reading the clip");
    let path = source::path_of(&video.s3_resource_uri).map_err(|error| JobError::from(error).no_retry())?;
    let source = File::open(&path)
        .map_err(|error| JobError::from(error).context(format!("cannot open the clip {}", path.display())))?;
    let mut clip = Clip::open(source).map_err(|error| failure(error.into()))?;
    let part = PartFile::begin(folder, &video.video_id, ctx.fencing_token().0).map_err(output_failure)?;

    let mut frames_shown = None;
    encode(&mut clip, video.bitrate, part.writer(), |done, total| {
        if frames_shown.replace(done) != Some(done) {
            ctx.progress(
                (done * 100 / total) as u8,
                format!("Encoded {done} of {total} frames"),
            );
        }
        if signal.is_cancelled() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .map_err(failure)?;

    part.publish().map_err(output_failure)
}

fn failure(error: EncodeError) -> JobError {
    match error {
        EncodeError::Stopped { .. } => JobError::cancelled(error.to_string()),
        // A disk may be full or away for a while; nothing else about a clip gets better by itself.
        EncodeError::Clip(ClipError::Io(_)) | EncodeError::Output(_) | EncodeError::Encoder(_) => {
            error.into()
        }
        EncodeError::Clip(_) | EncodeError::Settings(_) => JobError::from(error).no_retry(),
    }
}

fn output_failure(error: io::Error) -> JobError {
    let is_for_good = error.kind() == io::ErrorKind::InvalidInput;
    let failure = JobError::from(EncodeError::Output(error));
    if is_for_good { failure.no_retry() } else { failure }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use oqron::{
        Config, JobHandle, JobRecord, JobState, PublishError, Publisher, Retries, RuntimeHandle, Worker,
    };
    use tokio::task::JoinHandle;
    use video_encode_contract::VIDEO_ENCODE;

    use super::*;
    use crate::testclip;

    const LONG: Duration = Duration::from_secs(60);

    /// A worker with retries, on a queue of its own, and the folders that it reads and writes.
    struct Node {
        publisher: Publisher,
        runtime: RuntimeHandle,
        running: JoinHandle<Result<(), String>>,
        clips: tempfile::TempDir,
        encoded: tempfile::TempDir,
    }

    impl Node {
        async fn start() -> Self {
            let (clips, encoded) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let config = Config::new(format!("memory:{}", clips.path().display())).unwrap();
            let publisher = oqron::publisher(config.clone()).await.unwrap();
            let handler = EncodeVideo {
                folder: encoded.path().to_owned(),
            };
            let worker =
                Worker::new(VIDEO_ENCODE, handler).retries(Retries::fixed(3, Duration::from_secs(3600)));
            let runtime = oqron::runtime(config).await.unwrap().worker(worker).unwrap();
            let handle = runtime.handle();
            let running = tokio::spawn(async move {
                runtime
                    .run(std::future::pending())
                    .await
                    .map_err(|error| error.to_string())
            });
            Node {
                publisher,
                runtime: handle,
                running,
                clips,
                encoded,
            }
        }

        fn clip(&self, name: &str, bytes: &[u8]) -> VideoMetadata {
            let path = self.clips.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            VideoMetadata {
                video_id: name.to_owned(),
                s3_resource_uri: format!("file://{}", path.display()),
                codec: Codec::Av1,
                bitrate: 500,
            }
        }

        async fn add(&self, video: &VideoMetadata) -> JobHandle<String> {
            self.publisher
                .queue(VIDEO_ENCODE)
                .add(video)
                .job_id(&video.video_id)
                .await
                .unwrap()
        }

        /// What becomes of a job that must fail: the whole of its error, and its record.
        async fn failed(&self, video: &VideoMetadata) -> (String, JobRecord) {
            let job = self.add(video).await;
            match job.result(LONG).await {
                Err(PublishError::JobFailed { failure, .. }) => {
                    (failure.to_string(), job.status().await.unwrap().unwrap())
                }
                other => panic!("{other:?}"),
            }
        }

        fn files(&self) -> Vec<PathBuf> {
            let entries = std::fs::read_dir(self.encoded.path()).unwrap();
            entries.map(|entry| entry.unwrap().path()).collect()
        }

        async fn stop(self) {
            self.runtime.shutdown();
            self.running.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_job_ends_with_the_path_of_its_file() {
        let node = Node::start().await;
        let video = node.clip("vid-1", &testclip::clip(32, 32, 4));

        let job = node.add(&video).await;
        let file = PathBuf::from(job.result(LONG).await.unwrap());
        assert_eq!(file, node.encoded.path().join("vid-1.ivf"));
        assert!(std::fs::read(&file).unwrap().starts_with(b"DKIF"));
        assert_eq!(node.files(), [file]);
        let progress = job.status().await.unwrap().unwrap().progress.unwrap();
        assert_eq!(
            (progress.percent, progress.label.as_str()),
            (100, "Encoded 4 of 4 frames")
        );
        node.stop().await;
    }

    #[tokio::test]
    async fn what_will_never_succeed_fails_at_once_with_its_reason() {
        let node = Node::start().await;
        let good = node.clip("good", &testclip::clip(32, 32, 2));
        let cut = testclip::clip(32, 32, 2);
        for (video, expected) in [
            (
                VideoMetadata {
                    codec: Codec::H264,
                    video_id: "h264".into(),
                    ..good.clone()
                },
                "not encode h264",
            ),
            (
                VideoMetadata {
                    codec: Codec::Hevc,
                    video_id: "hevc".into(),
                    ..good.clone()
                },
                "not encode hevc",
            ),
            (
                VideoMetadata {
                    bitrate: 0,
                    video_id: "slow".into(),
                    ..good.clone()
                },
                "the bitrate 0",
            ),
            (
                VideoMetadata {
                    video_id: "../up".into(),
                    ..good.clone()
                },
                "\"../up\" cannot name a file",
            ),
            (
                VideoMetadata {
                    s3_resource_uri: "s3://b/c".into(),
                    video_id: "s3".into(),
                    ..good.clone()
                },
                "the scheme \"s3\"",
            ),
            (
                node.clip("cut", &cut[..cut.len() - 1]),
                "frame 2 needs 1536 bytes, 1535 are left",
            ),
            (node.clip("png", b"\x89PNG"), "no Y4M clip"),
        ] {
            let (error, record) = node.failed(&video).await;
            assert!(error.contains(expected), "{error}");
            assert_eq!((record.state, record.attempts), (JobState::Failed, 1), "{error}");
        }
        assert!(node.files().is_empty());
        node.stop().await;
    }

    #[tokio::test]
    async fn a_cancelled_job_stops_in_the_middle_and_leaves_no_file() {
        let node = Node::start().await;
        let video = node.clip("vid-long", &testclip::clip(64, 64, 2000));
        let job = node.add(&video).await;
        let deadline = tokio::time::Instant::now() + LONG;
        while node.files().is_empty() {
            assert!(tokio::time::Instant::now() < deadline, "it does not begin");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(node.files(), [node.encoded.path().join("vid-long.ivf.1.part")]);

        job.cancel().await.unwrap();
        let error = job.result(LONG).await.unwrap_err();
        assert!(matches!(error, PublishError::JobCancelled { .. }), "{error}");
        assert!(node.files().is_empty());
        node.stop().await;
    }
}
