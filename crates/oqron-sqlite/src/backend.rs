//! The file as errors and logs name it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Backend(Arc<Path>);

impl Backend {
    pub(crate) fn of(path: &Path) -> Self {
        Self(path.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SQLite file {}", self.0.display())
    }
}
