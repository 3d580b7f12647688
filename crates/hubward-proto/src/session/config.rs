//! How a session is set up. One configuration is shared by all sessions of a kind; it holds nothing of a single one.

use std::time::Duration;

use crate::{Limits, Protocols};

/// The settings of a session, with SignalR's defaults.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The protocols that a client may choose. Both by default.
    pub protocols: Protocols,
    /// Whether the transport carries binary; `true` by default. Server-sent events do not.
    pub binary: bool,
    /// What one message may hold.
    pub limits: Limits,
    /// How long the handshake may take. 15 s by default.
    pub handshake_timeout: Duration,
    /// The time from one ping to the next; `None` where the transport keeps itself alive, as long polling does.
    /// 15 s by default.
    pub keep_alive_interval: Option<Duration>,
    /// How long the peer may be silent: for a server from the client's first ping on, for a client from the
    /// handshake on. `None` sets no bound. 30 s by default.
    pub client_timeout: Option<Duration>,
    /// Whether the answer to a handshake that fails says why. `false` by default.
    pub detailed_errors: bool,
    /// Stateful reconnect, where both sides agreed on it in negotiation. `None` by default.
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
    /// Bytes of sent messages that may be kept until they are acknowledged; with so many kept, nothing more is
    /// sent. 100,000 by default, as in ASP.NET Core.
    pub buffer_bytes: usize,
    /// How long what is received may wait for its acknowledgement. 1 s by default.
    pub ack_interval: Duration,
    /// How long a full buffer is borne. 5 s by default: a peer that answers pings but no longer acknowledges would
    /// otherwise hold the buffer for good.
    pub ack_timeout: Duration,
    /// How long the session waits for another transport. 15 s by default.
    pub reconnect_timeout: Duration,
}

impl Default for StatefulConfig {
    fn default() -> Self {
        Self {
            buffer_bytes: 100_000,
            ack_interval: Duration::from_secs(1),
            ack_timeout: Duration::from_secs(5),
            reconnect_timeout: Duration::from_secs(15),
        }
    }
}
