//! The settings of a mounted hub's connections: made once, shared by all of them.

use std::sync::Arc;
use std::time::Duration;

use hubward_hub::HubOptions;
use hubward_proto::{Limits, SessionConfig, StatefulConfig};
use hubward_transport::{Transport, TransportOptions};

/// What the connections of one mounted path have in common.
pub(crate) struct ConnectionConfig {
    web_sockets: Arc<SessionConfig>,
    stateful: Arc<SessionConfig>,
    server_sent_events: Arc<SessionConfig>,
    long_polling: Arc<SessionConfig>,
    /// How long a client may take to read its Close message.
    pub(crate) close_timeout: Duration,
    pub(crate) close_on_authentication_expiration: bool,
}

impl ConnectionConfig {
    pub(crate) fn new(options: &HubOptions, transports: &TransportOptions) -> Self {
        let over = |transport: Transport, stateful: bool| {
            let pings = !transport.keeps_itself_alive();
            Arc::new(SessionConfig {
                binary: transport.carries_binary(),
                limits: Limits { message_bytes: options.maximum_receive_message_bytes, ..Limits::default() },
                handshake_timeout: options.handshake_timeout,
                keep_alive_interval: pings.then_some(options.keep_alive_interval),
                // Counts from the client's first ping on: a client that polls sends none.
                client_timeout: Some(options.client_timeout),
                detailed_errors: options.detailed_errors,
                stateful: stateful.then(|| StatefulConfig {
                    buffer_bytes: options.stateful_reconnect_buffer_bytes,
                    reconnect_timeout: transports.disconnect_timeout,
                    ..StatefulConfig::default()
                }),
                ..SessionConfig::default()
            })
        };
        Self {
            web_sockets: over(Transport::WebSockets, false),
            stateful: over(Transport::WebSockets, true),
            server_sent_events: over(Transport::ServerSentEvents, false),
            long_polling: over(Transport::LongPolling, false),
            close_timeout: transports.close_timeout,
            close_on_authentication_expiration: transports.close_on_authentication_expiration,
        }
    }

    /// Returns the session settings of a connection; only a WebSocket can be resumed.
    pub(crate) fn session(&self, transport: Transport, stateful: bool) -> Arc<SessionConfig> {
        match transport {
            Transport::WebSockets if stateful => self.stateful.clone(),
            Transport::WebSockets => self.web_sockets.clone(),
            Transport::ServerSentEvents => self.server_sent_events.clone(),
            Transport::LongPolling => self.long_polling.clone(),
        }
    }
}
