//! Leases as `lua/turn.lua` answers them, one after another, big-endian:
//!
//! ```text
//! id length 1 · record length 4 · id · record (see job.rs) · token 6 · attempts 4 · stalls 4
//! ```
//!
//! Payloads are slices of the one answer: a turn allocates no bytes a job.

use bytes::Bytes;
use oqron_core::{Error, Lease, Token};

use crate::job::{Job, job_id};
use crate::reply::Reader;

/// Reads them all. One that cannot be read is left out, with a word in the log: its lease runs out, and after
/// `max_stalls` it is a dead letter; the others must not wait for that.
pub(super) fn read_leases(packed: Bytes) -> Result<Vec<Lease>, Error> {
    let mut reader = Reader::new("a lease", packed);
    let mut leases = Vec::new();
    while !reader.is_empty() {
        let id_length = reader.number(1)? as usize;
        let record_length = reader.number(4)? as usize;
        let id = reader.take(id_length)?;
        let record = reader.take(record_length)?;
        let token = Token(reader.number(6)?);
        let (attempt, stalls) = (reader.number_u32()?, reader.number_u32()?);
        match read_lease(&id, record, token) {
            Ok(lease) => leases.push(with_counts(lease, attempt, stalls)),
            Err(error) => {
                tracing::error!(id = %String::from_utf8_lossy(&id), %error, "a job cannot be read and is left alone");
            }
        }
    }
    Ok(leases)
}

fn read_lease(id: &[u8], record: Bytes, token: Token) -> Result<Lease, Error> {
    let job = Job::read(record)?;
    let mut lease = Lease::new(job_id(id)?, token, job.payload, job.created_at);
    lease.options = job.options;
    Ok(lease)
}

fn with_counts(mut lease: Lease, attempt: u32, stalls: u32) -> Lease {
    lease.attempt = attempt;
    lease.stalls = stalls;
    lease
}
