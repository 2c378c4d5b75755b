//! Finds the file that a job's `s3_resource_uri` means. This example has no S3: the API writes `file://`.

use std::path::PathBuf;

use thiserror::Error;
use url::Url;

/// Why a URI leads to no file.
#[derive(Debug, Error)]
pub(crate) enum SourceError {
    #[error("the source {uri:?} is no URI: {reason}; this worker reads file:///path/to/clip.y4m")]
    NoUri { uri: String, reason: url::ParseError },
    #[error("the source {uri:?} has the scheme {scheme:?}; this worker reads file:// only")]
    Scheme { uri: String, scheme: String },
    #[error("the source {uri:?} names no file of this machine; write it as file:///path/to/clip.y4m")]
    NoPath { uri: String },
}

pub(crate) fn path_of(uri: &str) -> Result<PathBuf, SourceError> {
    let url = Url::parse(uri).map_err(|reason| SourceError::NoUri {
        uri: uri.to_owned(),
        reason,
    })?;
    if url.scheme() != "file" {
        return Err(SourceError::Scheme {
            uri: uri.to_owned(),
            scheme: url.scheme().to_owned(),
        });
    }
    url.to_file_path()
        .map_err(|()| SourceError::NoPath { uri: uri.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_uri_is_read_with_its_escapes() {
        assert_eq!(
            path_of("file:///clips/a%20b.y4m").unwrap(),
            PathBuf::from("/clips/a b.y4m")
        );
    }

    #[test]
    fn anything_else_is_refused_and_named() {
        for (uri, expected) in [
            ("s3://bucket/clip.y4m", "has the scheme \"s3\""),
            ("https://cdn.example.com/clip.y4m", "has the scheme \"https\""),
            ("clip.y4m", "is no URI"),
            ("file://elsewhere/clip.y4m", "names no file of this machine"),
        ] {
            let error = path_of(uri).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(uri), "{error}");
        }
    }
}
