//! The options of a mounted path: its transports, whatever is served there. Those of a hub are `HubOptions`.

use std::time::Duration;

use hubward_types::zero_duration;

use crate::pipe::deadline::Pace;
use crate::transport::Transport;

/// The newest version of negotiate, in which the connection token is not the public id.
pub(crate) const VERSION: i32 = 1;

/// The options of one mounted path. Defaults are ASP.NET Core SignalR's where it has the option, unless said otherwise;
/// a cap that it lacks is marked so. [`Duration::MAX`] is "never" in each of them, but for
/// `connect_timeout`, which is an hour at most.
///
/// ```
/// use std::time::Duration;
/// use hubward_transport::TransportOptions;
///
/// let options = TransportOptions { send_timeout: Duration::from_secs(5), ..TransportOptions::default() };
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// Whether WebSockets are offered. Default: yes.
    pub web_sockets: bool,
    /// Whether server-sent events are offered. Default: yes.
    pub server_sent_events: bool,
    /// Whether long polling is offered. Default: yes.
    pub long_polling: bool,
    /// Whether clients may resume a connection after a network cut (stateful reconnect). Default: no.
    pub allow_stateful_reconnects: bool,
    /// The oldest negotiate version that is accepted. Default: 0.
    pub minimum_protocol_version: i32,
    /// How long a negotiated connection token may stay unused, and a POST without its GET; at most an hour, since used
    /// tokens are remembered until then. Default: 15 s.
    pub connect_timeout: Duration,
    /// How long a connection lives without a transport: a stateful one that was lost, or a long-polling one between
    /// two polls. Default: 15 s.
    pub disconnect_timeout: Duration,
    /// How long a poll waits for a message. Default: 90 s, below the 100 s after which the official clients give up.
    pub poll_timeout: Duration,
    /// How long a graceful close may take: until the Close message is delivered and a WebSocket's peer has closed too.
    /// Default: 5 s.
    pub close_timeout: Duration,
    /// How long a write may make no progress before the client counts as a slow consumer and the connection is closed.
    /// Default: 10 s.
    pub send_timeout: Duration,
    /// Cap: how many bytes a second a client has to take of what waits for it, past the first `send_timeout`; a client
    /// that takes less counts as a slow consumer and is closed, although it makes progress. What waits is so written
    /// within `send_timeout` and the time that it takes at this rate. 0 is no limit. Default: 1,024, far below any line
    /// that a client can be used on (ASP.NET Core's server, Kestrel: 240).
    pub minimum_drain_bytes_per_second: u32,
    /// Cap: how many connections of the path may be without a transport at the same time: of long-polling ones between two
    /// polls, and of stateful ones that were lost. They have no socket, and one client could leave any number of them. Of
    /// more, those that have been absent for longest are closed before their `disconnect_timeout`. Only those count that had
    /// a poll or a WebSocket for less than that before. Default: 4,096.
    pub absent_connections: usize,
    /// Cap: the largest body of one POST, in bytes; a larger one is refused with 413. Default: 1 MiB, because the
    /// official clients put all that was queued during a POST into the next one: 32 messages of the default limit.
    pub post_body_bytes: usize,
    /// How many bytes of earlier POSTs may be unread before the next POST has to wait (backpressure); 0 is no limit.
    /// Default: 64 KiB.
    pub application_buffer_bytes: usize,
    /// Whether a connection is closed when its bearer token expires. Default: yes (ASP.NET Core: no).
    pub close_on_authentication_expiration: bool,
}

impl TransportOptions {
    /// Returns what no connection could be served with, and what to do about it; `None` where there is nothing.
    pub fn mistake(&self) -> Option<&'static str> {
        let zero = zero_duration!(self, disconnect_timeout, poll_timeout, send_timeout);
        let posts = self.server_sent_events || self.long_polling;
        if !self.web_sockets && !posts {
            Some("no transport is offered: set web_sockets, server_sent_events or long_polling")
        } else if self.allow_stateful_reconnects && !self.web_sockets {
            Some("allow_stateful_reconnects needs web_sockets: no other transport can be resumed")
        } else if self.connect_timeout.is_zero() {
            // Not without limit either: what was used is remembered for as long.
            Some("connect_timeout is zero, so that no negotiated connection could be opened: raise it")
        } else if zero.is_some() {
            zero
        } else if posts && self.post_body_bytes == 0 {
            Some("post_body_bytes is 0, so that a client without WebSockets could send nothing: raise it")
        } else if self.absent_connections == 0 {
            Some("absent_connections is 0, so that nobody could poll twice, or resume: raise it")
        } else if self.minimum_protocol_version > VERSION {
            Some(
                "minimum_protocol_version is above 1, the newest version of negotiate that there is: lower it",
            )
        } else {
            None
        }
    }

    /// Returns how fast a client has to take what is written.
    pub(crate) fn pace(&self) -> Pace {
        Pace { timeout: self.send_timeout, minimum_rate: self.minimum_drain_bytes_per_second }
    }

    /// Returns whether a transport is offered.
    pub(crate) fn offers(&self, transport: Transport) -> bool {
        match transport {
            Transport::WebSockets => self.web_sockets,
            Transport::ServerSentEvents => self.server_sent_events,
            Transport::LongPolling => self.long_polling,
        }
    }
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            web_sockets: true,
            server_sent_events: true,
            long_polling: true,
            allow_stateful_reconnects: false,
            minimum_protocol_version: 0,
            connect_timeout: Duration::from_secs(15),
            disconnect_timeout: Duration::from_secs(15),
            poll_timeout: Duration::from_secs(90),
            close_timeout: Duration::from_secs(5),
            send_timeout: Duration::from_secs(10),
            minimum_drain_bytes_per_second: 1024,
            absent_connections: 4096,
            post_body_bytes: 1 << 20,
            application_buffer_bytes: 64 << 10,
            close_on_authentication_expiration: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_no_connection_could_be_served_with_are_refused() {
        let refused = |change: fn(&mut TransportOptions)| {
            let mut options = TransportOptions::default();
            change(&mut options);
            options.mistake().unwrap_or_default()
        };
        let without_web_sockets = |options: &mut TransportOptions| options.web_sockets = false;
        assert_eq!(TransportOptions::default().mistake(), None);
        assert_eq!(refused(without_web_sockets), "");
        assert!(
            refused(|options| {
                (options.web_sockets, options.server_sent_events, options.long_polling) =
                    (false, false, false);
            })
            .starts_with("no transport")
        );
        assert!(
            refused(|options| (options.web_sockets, options.allow_stateful_reconnects) = (false, true))
                .starts_with("allow_stateful_reconnects")
        );
        assert!(
            refused(|options| options.connect_timeout = Duration::ZERO)
                .ends_with("could be opened: raise it"),
            "there is no advice to have no limit, which it cannot have"
        );
        assert!(
            refused(|options| options.disconnect_timeout = Duration::ZERO)
                .starts_with("disconnect_timeout is")
        );
        assert!(refused(|options| options.poll_timeout = Duration::ZERO).starts_with("poll_timeout is"));
        assert!(refused(|options| options.send_timeout = Duration::ZERO).starts_with("send_timeout is"));
        assert_eq!(refused(|options| options.close_timeout = Duration::ZERO), "", "it closes at once then");
        assert!(refused(|options| options.post_body_bytes = 0).starts_with("post_body_bytes"));
        assert!(refused(|options| options.absent_connections = 0).starts_with("absent_conn"));
        assert!(refused(|options| options.minimum_protocol_version = 2).starts_with("minimum_protocol"));
    }
}
