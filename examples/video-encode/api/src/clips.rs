//! Keeps uploaded clips: each in a folder named by the hash of its content, so the same clip is kept once.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use futures::StreamExt;
use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;
use url::Url;
use uuid::Uuid;

/// What every Y4M clip begins with. The rest of it is the worker's to judge.
const Y4M_MAGIC: &[u8] = b"YUV4MPEG2 ";

/// An upload that sends nothing for this long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Why an upload was not kept.
#[derive(Debug, Error)]
pub(crate) enum UploadError {
    #[error(
        "this is no Y4M clip: it does not begin with \"YUV4MPEG2\"; \
         make one with `ffmpeg -i CLIP -pix_fmt yuv420p out.y4m` and send it with `curl --data-binary @out.y4m`"
    )]
    NotY4m,
    #[error("the clip is larger than {bytes_max} bytes, which is the limit here; send a shorter one")]
    TooLarge { bytes_max: u64 },
    #[error("nothing came for {} s in the middle of the upload; send the clip again", SILENCE_MAX.as_secs())]
    Silence,
    #[error("the upload broke off: {0}; send the clip again")]
    BrokenOff(#[source] axum::Error),
    #[error("the clip could not be stored: {0}")]
    Storage(#[from] io::Error),
}

/// The SHA-256 of a clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContentHash(String);

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A clip that is safe on the disk.
#[derive(Debug)]
pub(crate) struct StoredClip {
    pub(crate) hash: ContentHash,
    pub(crate) path: PathBuf,
}

impl StoredClip {
    /// The `file://` URI by which a worker on this machine finds the clip.
    pub(crate) fn uri(&self) -> String {
        Url::from_file_path(&self.path)
            .expect("the folder was made absolute when it was opened")
            .into()
    }
}

/// The folder of all clips.
#[derive(Clone, Debug)]
pub(crate) struct Clips {
    folder: PathBuf,
    bytes_max: u64,
}

impl Clips {
    pub(crate) fn in_folder(folder: &Path, bytes_max: u64) -> Result<Self, String> {
        let absolute = std::fs::create_dir_all(folder).and_then(|()| folder.canonicalize());
        match absolute {
            Ok(folder) => Ok(Clips { folder, bytes_max }),
            Err(error) => Err(format!(
                "cannot keep clips in {} (VIDEO_API_DIR): {error}; name a folder that can be written",
                folder.display()
            )),
        }
    }

    /// Streams an upload to the disk. It has a name of its own until it is whole, so uploads of the same content at
    /// the same time do not touch each other, and whichever ends last puts the same bytes in the same place.
    ///
    /// # Cancel safety
    /// When the client goes away and this is dropped, what was written is deleted.
    pub(crate) async fn store(&self, body: Body) -> Result<StoredClip, UploadError> {
        let part = PartFile(self.folder.join(format!("upload-{}.part", Uuid::now_v7())));
        let mut file = File::create_new(&part.0).await?;
        let hash = self.write(body, &mut file).await?;
        file.sync_all().await?;

        let folder = self.folder.join(hash.to_string());
        fs::create_dir_all(&folder).await?;
        let path = folder.join("clip.y4m");
        fs::rename(&part.0, &path).await?;
        Ok(StoredClip { hash, path })
    }

    async fn write(&self, body: Body, file: &mut File) -> Result<ContentHash, UploadError> {
        let mut chunks = body.into_data_stream();
        let mut start = Vec::with_capacity(Y4M_MAGIC.len());
        let mut hasher = Sha256::new();
        let mut bytes_total = 0;
        while let Some(chunk) = tokio::time::timeout(SILENCE_MAX, chunks.next())
            .await
            .map_err(|_| UploadError::Silence)?
        {
            let chunk = chunk.map_err(UploadError::BrokenOff)?;
            bytes_total += chunk.len() as u64;
            if bytes_total > self.bytes_max {
                return Err(UploadError::TooLarge {
                    bytes_max: self.bytes_max,
                });
            }
            start.extend(chunk.iter().take(Y4M_MAGIC.len() - start.len()));
            if !Y4M_MAGIC.starts_with(&start) {
                return Err(UploadError::NotY4m);
            }
            hasher.update(&chunk);
            file.write_all(&chunk).await?;
        }
        if start != Y4M_MAGIC {
            return Err(UploadError::NotY4m);
        }
        file.flush().await?;
        let hash = hasher
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(ContentHash(hash))
    }
}

/// Deletes the file when it is dropped; after the rename there is none of this name.
struct PartFile(PathBuf);

impl Drop for PartFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    const CLIP: &[u8] = b"YUV4MPEG2 W16 H16\nFRAME\n";

    fn clips() -> (tempfile::TempDir, Clips) {
        let folder = tempfile::tempdir().unwrap();
        let clips = Clips::in_folder(folder.path(), 1000).unwrap();
        (folder, clips)
    }

    fn in_chunks_of(bytes_per_chunk: usize, bytes: &'static [u8]) -> Body {
        Body::from_stream(stream::iter(
            bytes.chunks(bytes_per_chunk).map(Ok::<_, io::Error>),
        ))
    }

    fn names_in(folder: &Path) -> Vec<String> {
        let names = std::fs::read_dir(folder).unwrap();
        names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[tokio::test]
    async fn the_content_decides_the_place_however_it_arrives() {
        let (folder, clips) = clips();
        let whole = clips.store(Body::from(CLIP)).await.unwrap();
        let dripping = clips.store(in_chunks_of(1, CLIP)).await.unwrap();

        assert_eq!(whole.hash, dripping.hash);
        assert_eq!(std::fs::read(&whole.path).unwrap(), CLIP);
        assert_eq!(names_in(folder.path()), [whole.hash.to_string()]);
        assert_eq!(whole.uri(), format!("file://{}", whole.path.display()));
    }

    #[tokio::test]
    async fn uploads_of_the_same_clip_at_the_same_time_leave_one_whole_file() {
        let (folder, clips) = clips();
        let uploads = (1..20).map(|bytes| clips.store(in_chunks_of(bytes, CLIP)));
        let stored = futures::future::try_join_all(uploads).await.unwrap();

        assert_eq!(names_in(folder.path()), [stored[0].hash.to_string()]);
        assert_eq!(std::fs::read(&stored[0].path).unwrap(), CLIP);
    }

    #[tokio::test]
    async fn what_is_refused_leaves_nothing_behind() {
        let (folder, clips) = clips();
        let broken_off = stream::iter([Ok(CLIP), Err(io::Error::other("gone"))]);
        for (body, expected) in [
            (Body::empty(), "no Y4M clip"),
            (Body::from("YUV4MPEG"), "no Y4M clip"),
            (in_chunks_of(1, b"YUV4MPEGxxx"), "no Y4M clip"),
            (Body::from([CLIP, &[0; 1000]].concat()), "larger than 1000 bytes"),
            (Body::from_stream(broken_off), "broke off"),
        ] {
            let error = clips.store(body).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(names_in(folder.path()).is_empty());
    }

    #[tokio::test]
    async fn a_client_that_goes_away_leaves_nothing_behind() {
        let (folder, clips) = clips();
        let silent = stream::iter([Ok::<_, io::Error>(CLIP)]).chain(stream::pending());
        let upload = clips.store(Body::from_stream(silent));
        tokio::time::timeout(Duration::from_millis(50), upload)
            .await
            .unwrap_err();
        assert!(names_in(folder.path()).is_empty());
    }
}
