//! The settings of a mounted hub's connections: made once, shared by all of them.

use std::sync::Arc;
use std::time::Duration;

use hubward_hub::HubOptions;
use hubward_proto::{Limits, SessionConfig, StatefulConfig};
use hubward_transport::{Absent, Transport, TransportOptions};

use super::handle::ConnectionHandle;

/// What the connections of one mounted path have in common.
pub(crate) struct ConnectionConfig {
    web_sockets: Arc<SessionConfig>,
    stateful: Arc<SessionConfig>,
    server_sent_events: Arc<SessionConfig>,
    long_polling: Arc<SessionConfig>,
    /// How long a client may take to read its Close message.
    pub(crate) close_timeout: Duration,
    pub(crate) close_on_authentication_expiration: bool,
    /// The stateful connections whose WebSocket is lost.
    pub(crate) lost: Absent<Lost>,
}

/// A stateful connection while its WebSocket is lost.
pub(crate) struct Lost(pub(crate) Arc<ConnectionHandle>);

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
                    minimum_drain_bytes_per_second: transports.minimum_drain_bytes_per_second,
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
            lost: Absent::new(transports),
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

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Transport; 3] = [Transport::WebSockets, Transport::ServerSentEvents, Transport::LongPolling];

    fn config(options: HubOptions) -> ConnectionConfig {
        ConnectionConfig::new(&options, &TransportOptions::default())
    }

    #[test]
    fn a_transport_that_keeps_itself_alive_gets_no_pings() {
        let interval = Duration::from_secs(5);
        let config = config(HubOptions { keep_alive_interval: interval, ..HubOptions::default() });
        let intervals = ALL.map(|transport| config.session(transport, false).keep_alive_interval);
        assert_eq!(intervals, [Some(interval), Some(interval), None]);
    }

    #[test]
    fn server_sent_events_carry_no_binary_protocol() {
        let config = config(HubOptions::default());
        assert_eq!(ALL.map(|transport| config.session(transport, false).binary), [true, false, true]);
    }

    #[test]
    fn only_a_websocket_can_be_resumed_and_only_where_that_was_negotiated() {
        let config = config(HubOptions::default());
        let stateful = |stateful| ALL.map(|transport| config.session(transport, stateful).stateful.is_some());
        assert_eq!(stateful(true), [true, false, false]);
        assert_eq!(stateful(false), [false, false, false]);
    }

    #[test]
    fn what_the_hub_and_the_path_set_reaches_every_session() {
        let seconds = Duration::from_secs;
        let options = HubOptions {
            handshake_timeout: seconds(1),
            client_timeout: seconds(2),
            maximum_receive_message_bytes: Some(3),
            detailed_errors: true,
            stateful_reconnect_buffer_bytes: 4,
            ..HubOptions::default()
        };
        let transports = TransportOptions {
            disconnect_timeout: seconds(5),
            minimum_drain_bytes_per_second: 6,
            ..TransportOptions::default()
        };
        let config = ConnectionConfig::new(&options, &transports);
        for (transport, stateful) in
            ALL.map(|transport| (transport, false)).into_iter().chain([(ALL[0], true)])
        {
            let session = config.session(transport, stateful);
            assert_eq!(session.handshake_timeout, seconds(1), "{transport}");
            assert_eq!(session.client_timeout, Some(seconds(2)), "{transport}");
            assert_eq!(session.limits.message_bytes, Some(3), "{transport}");
            assert!(session.detailed_errors, "{transport}");
        }
        let stateful = config.session(Transport::WebSockets, true).stateful.clone().unwrap();
        assert_eq!((stateful.buffer_bytes, stateful.reconnect_timeout), (4, seconds(5)));
        assert_eq!(stateful.minimum_drain_bytes_per_second, 6);
    }

    #[test]
    fn connections_of_one_kind_share_their_settings() {
        let config = config(HubOptions::default());
        for transport in ALL {
            assert!(Arc::ptr_eq(&config.session(transport, false), &config.session(transport, false)));
        }
    }
}
