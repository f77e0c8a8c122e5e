//! Tells systemd, or whoever else has set `NOTIFY_SOCKET`, how far the process is (sd_notify).
//!
//! Nothing depends on whether anybody listens: what cannot be told is not.

use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Where to tell it: a path, or after an `@` a name that is none.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// Requests are answered.
pub(crate) fn tell_ready() {
    tell("READY=1");
}

/// No more requests are taken.
pub(crate) fn tell_stopping() {
    tell("STOPPING=1");
}

fn tell(state: &str) {
    let Some(name) = std::env::var(VARIABLE).ok().filter(|name| !name.is_empty()) else { return };
    let sent = address(&name)
        .and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop));
    if let Err(error) = sent {
        tracing::warn!(%error, "cannot tell the supervisor {state}");
    }
}

#[cfg(target_os = "linux")]
fn address(name: &str) -> std::io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;

    match name.strip_prefix('@') {
        Some(hidden) => SocketAddr::from_abstract_name(hidden),
        None => SocketAddr::from_pathname(name),
    }
}

#[cfg(not(target_os = "linux"))]
fn address(name: &str) -> std::io::Result<SocketAddr> {
    SocketAddr::from_pathname(name)
}
