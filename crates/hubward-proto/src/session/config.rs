//! The settings of sessions. Many sessions share one configuration; it holds nothing about a single one.

use std::time::Duration;

use crate::limits::Limits;
use crate::protocol::Protocols;

/// The settings of a session, with SignalR's defaults.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The protocols that a client may choose. Both by default.
    pub protocols: Protocols,
    /// Whether the transport carries binary data. `true` by default; server-sent events do not.
    pub binary: bool,
    /// How much one message may hold.
    pub limits: Limits,
    /// How long the handshake may take. 15 s by default.
    pub handshake_timeout: Duration,
    /// The time from one ping to the next; `None` where the transport keeps itself alive, as long polling does.
    /// 15 s by default.
    pub keep_alive_interval: Option<Duration>,
    /// How long the peer may be silent: for a server from the client's first ping on, for a client from the
    /// handshake on. `None` for no limit. 30 s by default.
    pub client_timeout: Option<Duration>,
    /// Whether the response to a malformed handshake says what was wrong. `false` by default.
    pub detailed_errors: bool,
    /// Stateful reconnect, if both sides have agreed on it in negotiation. `None` by default.
    pub stateful: Option<StatefulConfig>,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            protocols: Protocols::ALL,
            binary: true,
            limits: Limits::default(),
            handshake_timeout: Duration::from_secs(15),
            keep_alive_interval: Some(Duration::from_secs(15)),
            client_timeout: Some(Duration::from_secs(30)),
            detailed_errors: false,
            stateful: None,
        }
    }
}

/// The settings of stateful reconnect.
#[derive(Clone, Debug)]
pub struct StatefulConfig {
    /// How many bytes of sent messages may be kept until they are acknowledged. While the buffer is full, nothing more
    /// is sent. 100,000 by default, as in ASP.NET Core.
    pub buffer_bytes: usize,
    /// How long a received message may wait for its Ack. 1 s by default.
    pub ack_interval: Duration,
    /// How long a full buffer waits for an Ack that frees some of it; each one that does starts the time anew. 5 s by
    /// default: a peer that pings but no longer acknowledges would otherwise hold the buffer forever. A message that is
    /// larger than the buffer has proportionally longer.
    pub ack_timeout: Duration,
    /// How many bytes a second the peer has to acknowledge, past the first `ack_timeout`, while the buffer is full or
    /// nearly so; 0 is no limit. 1,024 by default: a few bytes in each `ack_timeout` would otherwise hold the buffer
    /// forever, too.
    pub minimum_drain_bytes_per_second: u32,
    /// How long the session waits to be resumed on another transport. 15 s by default.
    pub reconnect_timeout: Duration,
}

impl Default for StatefulConfig {
    fn default() -> Self {
        Self {
            buffer_bytes: 100_000,
            ack_interval: Duration::from_secs(1),
            ack_timeout: Duration::from_secs(5),
            minimum_drain_bytes_per_second: 1024,
            reconnect_timeout: Duration::from_secs(15),
        }
    }
}
