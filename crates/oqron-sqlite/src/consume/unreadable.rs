//! Jobs in the file that are not what Oqron writes: somebody edited them.

use oqron_core::{FailureKind, JobFailure, JobState, TimelineEvent, TimelineKind};
use rusqlite::params;

use super::settle::Effects;
use crate::column::{job_id, stand_in_id};
use crate::end::{End, end};
use crate::error::Failed;
use crate::slot::read_slots;
use crate::step::{Step, Topic};

/// Makes a dead letter of a waiting job. All that is wrong with it is left as it is, for a person to see and to mend; only an
/// id that is none is replaced by one that can be named.
pub(super) fn fail_unreadable(
    step: &Step<'_>,
    topic: &Topic,
    seq: i64,
    fault: &str,
    effects: &mut Effects,
) -> Result<(), Failed> {
    let slots = read_slots(step, include_str!("../sql/consume/slot_by_seq.sql"), params![seq])?;
    for slot in slots {
        let failure = JobFailure::new(FailureKind::Codec, fault);
        let event = TimelineEvent::new(step.now.wall, TimelineKind::Failed, None, &failure.message);
        tracing::warn!(topic = %topic.name, id = slot.id, fault, "a job cannot be read and is now a dead letter");
        let failed = End {
            events: vec![event],
            error: Some(failure),
            ..End::of(&slot, JobState::Failed)
        };
        end(step, topic, &slot, failed)?;
        if job_id(slot.id.clone()).is_err() {
            step.connection
                .prepare_cached(include_str!("../sql/consume/rename.sql"))?
                .execute(params![seq, stand_in_id(seq)])?;
        }
        effects.ended.push(slot.id);
    }
    Ok(())
}
