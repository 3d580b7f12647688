//! The three transports and what each can do. Each has its own file in `pipe/`.

use std::fmt;

/// How a connection's bytes travel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transport {
    /// One socket for both directions.
    WebSockets,
    /// A response that does not end for what is sent, POSTs for what is received. Text only.
    ServerSentEvents,
    /// A response for each batch of what is sent, POSTs for what is received.
    LongPolling,
}

impl Transport {
    /// All transports, in the order in which negotiate lists them.
    pub(crate) const ALL: [Self; 3] = [Self::WebSockets, Self::ServerSentEvents, Self::LongPolling];

    /// Returns the name that a negotiate response has for it: `WebSockets`, `ServerSentEvents` or `LongPolling`.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebSockets => "WebSockets",
            Self::ServerSentEvents => "ServerSentEvents",
            Self::LongPolling => "LongPolling",
        }
    }

    /// Returns whether bytes that are not text can be sent.
    pub fn carries_binary(self) -> bool {
        !matches!(self, Self::ServerSentEvents)
    }

    /// Returns whether the transport notices a dead peer by itself, so that keep-alive pings are not needed.
    pub fn keeps_itself_alive(self) -> bool {
        matches!(self, Self::LongPolling)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
