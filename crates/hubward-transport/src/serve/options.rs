//! The options of a served listener: what bounds a connection below its requests.

use std::io;
use std::time::Duration;

use hubward_types::zero_duration;
use tokio_util::sync::CancellationToken;

use super::hosts;

/// The smallest head limit: hyper refuses a smaller buffer.
const LEAST_HEAD_BYTES: usize = 8 << 10;

/// How many files are left for everything but connections: listeners, the backplane, logs.
const FILES_FOR_OTHERS: u64 = 64;

/// How many connections are served where the system sets no limit of files.
const CONNECTIONS_WITHOUT_FILE_LIMIT: usize = 100_000;

/// The options of [`serve`](crate::serve()). [`Duration::MAX`] is no limit.
///
/// ```
/// use std::time::Duration;
/// use hubward_transport::ServeOptions;
///
/// let options = ServeOptions { idle_timeout: Duration::from_secs(30), ..ServeOptions::default() };
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// How long the head of a request may take: from the moment a connection is accepted, and from the first byte of
    /// each later request. The connection is closed then. Default: 10 s.
    pub head_timeout: Duration,
    /// The largest head of a request, in bytes; a larger one is refused with 431. At least 8 KiB. It is also how much
    /// of a response is buffered. Default: 32 KiB.
    pub head_bytes: usize,
    /// How long the server may wait for a request's body in all; the time in which nobody reads it does not count.
    /// Default: 30 s.
    pub body_timeout: Duration,
    /// How long a connection may be kept alive between two requests. Default: 75 s, above the 60 s after which a proxy
    /// in front commonly closes: whoever sends the requests should be first.
    pub idle_timeout: Duration,
    /// How long a response may make no progress because the client does not read; past the first time, the client has to
    /// take 256 bytes a second as well. The connection is reset then. A WebSocket has its own:
    /// `TransportOptions::send_timeout`. Default: 10 s.
    pub write_timeout: Duration,
    /// How long sent data may be unacknowledged before the system gives the connection up (`TCP_USER_TIMEOUT`; Linux
    /// only). The same time runs while a client that reads slowly, such as a proxy with a slow line behind it, has less
    /// room than the system would send at once: give it longer than such a client may take for what waits for it. A
    /// client that has gone is noticed earlier by its hub, since it pings no more. Default: 5 min.
    pub unacknowledged_timeout: Duration,
    /// How many connections there may be at once, WebSockets included. One more is answered 503 and closed, so that a
    /// load balancer can try another node at once, which a connection that waits in the system's queue cannot.
    /// Default: 64 below the limit of open files as it is when the options are made.
    pub max_connections: usize,
    /// The names that requests may have in `Host`, without a port; another is refused with 400, before any handler.
    /// Set them where the server can be reached from a browser but not from everywhere. Default: none, which allows all.
    pub hosts: Vec<String>,
    /// Stops serving when it is cancelled: nothing is accepted any more, and requests that run are answered. WebSockets
    /// are not touched: the hubs close them.
    pub shutdown: CancellationToken,
    /// How long requests may run after that; they are cut off then. Default: 10 s.
    pub shutdown_timeout: Duration,
}

impl ServeOptions {
    /// Checks that the options can be served with.
    pub(super) fn check(&self) -> io::Result<()> {
        let zero = zero_duration!(self, head_timeout, body_timeout, idle_timeout, write_timeout);
        let mistake = if self.head_bytes < LEAST_HEAD_BYTES {
            "ServeOptions::head_bytes is below 8 KiB: raise it"
        } else if self.max_connections == 0 {
            "ServeOptions::max_connections is 0, so that nobody could connect: raise it"
        } else if let Some(mistake) = zero {
            mistake
        } else if !self.hosts.iter().all(|host| hosts::is_name(host)) {
            "ServeOptions::hosts has more than a name, or an IPv6 address without brackets: leave port, scheme and wildcard out"
        } else {
            return Ok(());
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, mistake))
    }
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(10),
            head_bytes: 32 << 10,
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(10),
            unacknowledged_timeout: Duration::from_secs(5 * 60),
            max_connections: connections_below_file_limit(),
            hosts: Vec::new(),
            shutdown: CancellationToken::new(),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

#[cfg(unix)]
pub(crate) fn connections_below_file_limit() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit
        .map(|files| files.saturating_sub(FILES_FOR_OTHERS).max(1))
        .and_then(|files| usize::try_from(files).ok())
        .unwrap_or(CONNECTIONS_WITHOUT_FILE_LIMIT)
}

#[cfg(not(unix))]
pub(crate) fn connections_below_file_limit() -> usize {
    CONNECTIONS_WITHOUT_FILE_LIMIT.saturating_sub(FILES_FOR_OTHERS as usize)
}
