//! The API server of the example, as its clients see it.

use std::time::Duration;

use serde::{Deserialize, de::DeserializeOwned};
use ureq::{Agent, Body, http::Response};

use crate::error::Error;

const ANSWER_WITHIN: Duration = Duration::from_secs(20);
const BITRATE_KBPS: u32 = 400;

pub(super) struct Api {
    address: String,
    agent: Agent,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Uploaded {
    pub(super) tracking_id: String,
    pub(super) new: bool,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Job {
    pub(super) state: String,
    pub(super) progress: Option<Progress>,
    pub(super) attempts: u32,
    pub(super) stalls: u32,
    pub(super) worker: Option<String>,
    pub(super) result: Option<String>,
    pub(super) error: Option<String>,
    pub(super) started_at: Option<i64>,
    pub(super) finished_at: Option<i64>,
    timeline: Vec<Event>,
}

#[derive(Clone, Deserialize)]
struct Event {
    kind: String,
    reason: String,
}

#[derive(Clone, Deserialize)]
pub(super) struct Progress {
    pub(super) percent: u8,
    pub(super) label: String,
}

impl Api {
    pub(super) fn at(address: String) -> Self {
        // A refusal's body says why, so it must not be thrown away as an error of the client.
        let config = Agent::config_builder()
            .timeout_global(Some(ANSWER_WITHIN))
            .http_status_as_error(false);
        Self {
            address,
            agent: config.build().new_agent(),
        }
    }

    pub(super) fn upload(&self, clip: &[u8]) -> Result<Uploaded, Error> {
        let path = format!("/api/upload?codec=av1&bitrate={BITRATE_KBPS}");
        let request = self
            .agent
            .post(format!("{}{path}", self.address))
            .content_type("video/x-yuv4mpeg");
        self.read(&path, request.send(clip))
    }

    pub(super) fn job(&self, id: &str) -> Result<Job, Error> {
        let path = format!("/api/jobs/{id}");
        self.read(&path, self.agent.get(format!("{}{path}", self.address)).call())
    }

    fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<T, Error> {
        let failed = |what: String| Error::found(format!("{}{path}: {what}", self.address));
        let mut answer = answer.map_err(|error| failed(error.to_string()))?;
        let body = answer
            .body_mut()
            .read_to_string()
            .map_err(|error| failed(error.to_string()))?;
        if !answer.status().is_success() {
            return Err(failed(format!("{}: {body}", answer.status())));
        }
        serde_json::from_str(&body).map_err(|error| failed(format!("unexpected answer: {error}: {body}")))
    }
}

impl Job {
    pub(super) fn percent(&self) -> u8 {
        match (self.state.as_str(), &self.progress) {
            ("completed", _) => 100,
            (_, Some(progress)) => progress.percent,
            _ => 0,
        }
    }

    pub(super) fn is_active(&self) -> bool {
        self.state == "active"
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state.as_str(), "completed" | "failed" | "cancelled")
    }

    /// Why its last worker lost it, in the words of the record.
    pub(super) fn stalled_because(&self) -> Option<&str> {
        let stall = self.timeline.iter().rfind(|event| event.kind == "stalled")?;
        Some(&stall.reason)
    }

    /// How long its last attempt took.
    pub(super) fn seconds(&self) -> Option<f64> {
        let milliseconds = self.finished_at? - self.started_at?;
        Some(milliseconds as f64 / 1000.0)
    }
}
