//! The three ways to carry a connection. What each can do is said here; how it does it, in its own file.

use std::fmt;

/// How a connection's bytes travel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transport {
    /// One socket, both ways.
    WebSockets,
    /// A response that never ends one way, POST the other. Text only.
    ServerSentEvents,
    /// A response for each batch one way, POST the other.
    LongPolling,
}

impl Transport {
    /// Returns the name as it stands in a negotiate answer: `WebSockets`, `ServerSentEvents` or `LongPolling`.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebSockets => "WebSockets",
            Self::ServerSentEvents => "ServerSentEvents",
            Self::LongPolling => "LongPolling",
        }
    }

    /// Tells whether bytes that are not text can be sent.
    pub fn carries_binary(self) -> bool {
        !matches!(self, Self::ServerSentEvents)
    }

    /// Tells whether the transport notices a dead peer by itself, so that pings would be waste.
    pub fn keeps_itself_alive(self) -> bool {
        matches!(self, Self::LongPolling)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
