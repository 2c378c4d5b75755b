use std::net::{Ipv4Addr, TcpListener};

use super::ServerError;

/// A loopback port that was free a moment ago. Somebody may take it before the server does, so starting a server is tried
/// again with another port when it finds its own in use.
pub(super) fn free_loopback_port() -> Result<u16, ServerError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(ServerError::io("find a free port on 127.0.0.1"))
}

/// How often to try when the port was taken in between.
pub(super) const PORTS_TRIED: usize = 5;
