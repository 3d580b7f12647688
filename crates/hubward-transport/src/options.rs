//! What can be set for an endpoint. The values are valid as they are; where they come from is the node's business.

use std::time::Duration;

/// Bounds and switches of one endpoint. The defaults are those of ASP.NET Core SignalR where it has them.
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// Whether WebSockets are offered. Default: yes.
    pub web_sockets: bool,
    /// Whether server-sent events are offered. Default: yes.
    pub server_sent_events: bool,
    /// Whether long polling is offered. Default: yes.
    pub long_polling: bool,
    /// Whether a client that asks for stateful reconnect at negotiate is granted it. Default: no.
    pub allow_stateful_reconnects: bool,
    /// The least negotiate version that is answered. Default: 0.
    pub minimum_protocol_version: i32,
    /// How long a negotiated token may stay unused, and a POST without its GET. Default: 15 s.
    pub connect_timeout: Duration,
    /// How long a long-polling client may stay away between two polls. Default: 15 s.
    pub disconnect_timeout: Duration,
    /// How long a poll waits for something to answer. Default: 90 s, below the 100 s of the official clients.
    pub poll_timeout: Duration,
    /// How long the peer may take to say goodbye after it was told. Default: 5 s.
    pub close_timeout: Duration,
    /// How long a write may make no progress before the connection is given up. Default: 10 s.
    pub send_timeout: Duration,
    /// The largest body of one POST, in bytes; a larger one is answered 413. Default: 1 MiB, because the official
    /// clients put all that was queued during a POST into the next one: 32 messages of the default limit.
    pub post_body_bytes: usize,
    /// How much a POST may find unread before it has to wait, in bytes; 0 means that none waits. Default: 64 KiB.
    pub application_buffer_bytes: usize,
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
            post_body_bytes: 1 << 20,
            application_buffer_bytes: 64 << 10,
        }
    }
}
