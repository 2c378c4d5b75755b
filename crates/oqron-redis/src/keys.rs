//! The names of keys and channels. All keys of a topic share its hash tag, so that a cluster keeps them together.

use oqron_core::{JobId, LockName, Namespace, TopicName, WorkerId};

#[derive(Clone, Debug)]
pub(crate) struct Keys {
    namespace: Namespace,
}

#[cfg_attr(
    not(all(feature = "publish", feature = "consume", feature = "operate")),
    allow(dead_code, reason = "each feature uses its part of them")
)]
impl Keys {
    pub(crate) fn new(namespace: Namespace) -> Self {
        Self { namespace }
    }

    pub(crate) fn topic(&self, topic: &TopicName) -> String {
        format!("oqron:{{{}:{topic}}}", self.namespace)
    }

    pub(crate) fn schema(&self) -> String {
        format!("oqron:{{{}}}:schema", self.namespace)
    }

    pub(crate) fn topics(&self) -> String {
        format!("oqron:{{{}}}:topics", self.namespace)
    }

    pub(crate) fn workers(&self) -> String {
        format!("oqron:{{{}}}:workers", self.namespace)
    }

    pub(crate) fn seen(&self) -> String {
        format!("oqron:{{{}}}:seen", self.namespace)
    }

    pub(crate) fn lock(&self, name: &LockName) -> String {
        format!("oqron:{{{}}}:lock:{name}", self.namespace)
    }

    /// A worker's id after it is the name of the worker's own channel.
    pub(crate) fn worker_channels(&self) -> String {
        format!("oqron:{{{}}}:worker:", self.namespace)
    }

    pub(crate) fn worker_channel(&self, worker: &WorkerId) -> String {
        self.worker_channels() + worker.as_str()
    }

    pub(crate) fn ended_channel(&self, topic: &TopicName, id: &JobId) -> String {
        format!("{}:ended:{id}", self.topic(topic))
    }
}
