//! A TCP connection to another node: made in time, and given up where the other end is silent.

use std::io;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};

/// How many of a host's addresses are tried.
const MAX_ADDRESSES: usize = 4;

/// How long a node may be silent on the level of TCP, where something was sent to it or it is asked whether it is there: long
/// enough for a few lost packets, and shorter than an official client waits for the server (30 s).
pub(crate) const SILENCE: Duration = Duration::from_secs(15);

/// Connects to an address such as `10.0.0.7:9000`.
pub(super) async fn connect(address: &str) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in lookup_host(address).await?.take(MAX_ADDRESSES) {
        match TcpStream::connect(address).await {
            Ok(socket) => {
                let _ = socket.set_nodelay(true);
                notice_silence(&socket);
                return Ok(socket);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Has the system give a connection up where the other end is silent, also where nothing is sent. Streams and WebSockets wait
/// for a node that is gone without a word otherwise.
#[cfg(target_os = "linux")]
pub(crate) fn notice_silence(socket: &TcpStream) {
    let asked =
        socket2::TcpKeepalive::new().with_time(SILENCE / 3).with_interval(SILENCE / 3).with_retries(2);
    let _ = socket2::SockRef::from(socket).set_tcp_keepalive(&asked);
    if let Ok(milliseconds) = u32::try_from(SILENCE.as_millis()) {
        let _ = rustix::net::sockopt::set_tcp_user_timeout(socket, milliseconds);
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn notice_silence(_socket: &TcpStream) {}
