//! The settings of a hub's sessions: one for each way to connect, shared by all of its connections.

use std::sync::Arc;

use hubward_hub::HubOptions;
use hubward_proto::{Limits, SessionConfig, StatefulConfig};
use hubward_transport::Transport;

/// A hub's session settings.
pub(crate) struct Sessions {
    web_sockets: Arc<SessionConfig>,
    stateful: Arc<SessionConfig>,
    server_sent_events: Arc<SessionConfig>,
    long_polling: Arc<SessionConfig>,
}

impl Sessions {
    pub(crate) fn new(options: &HubOptions) -> Self {
        let over = |transport: Transport, stateful: bool| {
            let pings = !transport.keeps_itself_alive();
            Arc::new(SessionConfig {
                binary: transport.carries_binary(),
                limits: Limits { message_bytes: options.maximum_receive_message_bytes, ..Limits::default() },
                handshake_timeout: options.handshake_timeout,
                keep_alive_interval: pings.then_some(options.keep_alive_interval),
                // Counts from a client's first ping; who polls need send none.
                client_timeout: Some(options.client_timeout),
                detailed_errors: options.detailed_errors,
                stateful: stateful.then(|| StatefulConfig {
                    buffer_bytes: options.stateful_reconnect_buffer_bytes,
                    reconnect_timeout: options.disconnect_timeout,
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
        }
    }

    /// The settings for a connection; only WebSockets can be taken up again.
    pub(crate) fn get(&self, transport: Transport, stateful: bool) -> Arc<SessionConfig> {
        match transport {
            Transport::WebSockets if stateful => self.stateful.clone(),
            Transport::WebSockets => self.web_sockets.clone(),
            Transport::ServerSentEvents => self.server_sent_events.clone(),
            Transport::LongPolling => self.long_polling.clone(),
        }
    }
}
