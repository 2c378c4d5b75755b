//! For tests: the in-memory backend, the conformance suite, private servers.
