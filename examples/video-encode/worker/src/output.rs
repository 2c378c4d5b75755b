//! The file that an attempt writes: under a name of its own until it is whole, so that nobody plays half a video.
//!
//! Two attempts of one job can overlap, when a frozen worker wakes up while the next is at work. So the fencing token
//! is part of the temporary name, and an attempt deletes what older ones have begun. An older one may go on writing
//! into its deleted file, but has nothing left to put over the newer result.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

/// An output file that is not whole yet. Dropping it deletes it.
#[derive(Debug)]
pub(crate) struct PartFile {
    file: File,
    part: PathBuf,
    whole: PathBuf,
}

impl PartFile {
    /// Begins `<folder>/<video_id>.ivf` for the attempt that holds this fencing token.
    pub(crate) fn begin(folder: &Path, video_id: &str, token: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let name = file_name(video_id)?;
        remove_older_parts(folder, &name, token)?;
        let part = folder.join(format!("{name}.{token}.part"));
        // A database that was started anew repeats its tokens, so a leftover of this name is no surprise.
        let file = File::create(&part)?;
        Ok(PartFile {
            file,
            part,
            whole: folder.join(name),
        })
    }

    pub(crate) fn writer(&self) -> BufWriter<&File> {
        BufWriter::new(&self.file)
    }

    /// Gives the file its name, once it is safe on the disk: a job that is recorded as done has its file.
    pub(crate) fn publish(self) -> io::Result<PathBuf> {
        self.file.sync_all()?;
        fs::rename(&self.part, &self.whole)?;
        Ok(self.whole.clone())
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        // After `publish`, or after a newer attempt, there is nothing of this name.
        let _ = fs::remove_file(&self.part);
    }
}

/// The id comes from whoever may add jobs, so it must not be able to name a file in another folder.
fn file_name(video_id: &str) -> io::Result<String> {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if video_id.is_empty()
        || video_id.len() > 128
        || video_id.starts_with('.')
        || !video_id.chars().all(harmless)
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "the video id {video_id:?} cannot name a file; use up to 128 of A-Z, a-z, 0-9, '-', '_' and '.', \
                 with no '.' in front"
            ),
        ));
    }
    Ok(format!("{video_id}.ivf"))
}

fn remove_older_parts(folder: &Path, name: &str, token: u64) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_older = entry
            .file_name()
            .to_str()
            .and_then(|other| {
                other
                    .strip_prefix(name)?
                    .strip_prefix('.')?
                    .strip_suffix(".part")?
                    .parse()
                    .ok()
            })
            .is_some_and(|other_token: u64| other_token < token);
        if is_older {
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names_in(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_has_its_name_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let part = PartFile::begin(folder.path(), "vid-1", 7).unwrap();
        part.writer().write_all(b"frames").unwrap();
        assert_eq!(names_in(folder.path()), ["vid-1.ivf.7.part"]);

        let whole = part.publish().unwrap();
        assert_eq!(names_in(folder.path()), ["vid-1.ivf"]);
        assert_eq!(fs::read(whole).unwrap(), b"frames");
    }

    #[test]
    fn an_abandoned_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(PartFile::begin(folder.path(), "vid-1", 7).unwrap());
        assert!(names_in(folder.path()).is_empty());
    }

    #[test]
    fn an_attempt_that_was_overtaken_cannot_replace_the_newer_result() {
        let folder = tempfile::tempdir().unwrap();
        let frozen = PartFile::begin(folder.path(), "vid-1", 7).unwrap();
        let next = PartFile::begin(folder.path(), "vid-1", 8).unwrap();
        next.writer().write_all(b"new").unwrap();
        let whole = next.publish().unwrap();

        frozen.writer().write_all(b"old").unwrap();
        frozen.publish().unwrap_err();
        assert_eq!(fs::read(whole).unwrap(), b"new");
        assert_eq!(names_in(folder.path()), ["vid-1.ivf"]);
    }

    #[test]
    fn another_video_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let _other = PartFile::begin(folder.path(), "vid-1.ivf.1", 1).unwrap();
        let _this = PartFile::begin(folder.path(), "vid-1", 9).unwrap();
        assert_eq!(
            names_in(folder.path()),
            ["vid-1.ivf.1.ivf.1.part", "vid-1.ivf.9.part"]
        );
    }

    #[test]
    fn an_id_cannot_lead_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        for id in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a\\b",
            "a\0",
            ".hidden",
            &"x".repeat(129),
        ] {
            let error = PartFile::begin(folder.path(), id, 1).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{id:?}");
        }
    }
}
