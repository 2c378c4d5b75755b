//! The job model, retry policy, codecs, errors and backend traits of Oqron; no I/O, no timers.
