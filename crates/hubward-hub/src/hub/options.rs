//! The options of a hub, whatever carries its connections; those of the transports are `TransportOptions`, given where
//! the hub is mounted. Defaults are ASP.NET Core SignalR's where it has the option; a cap that it lacks is marked so.

use std::time::Duration;

use hubward_types::zero_duration;

/// The options of one hub. [`Duration::MAX`] is "never" in each of them; what could not work is refused when the hub is
/// built.
///
/// ```
/// use std::time::Duration;
/// use hubward_hub::{Hub, HubOptions};
///
/// let options = HubOptions { keep_alive_interval: Duration::from_secs(5), ..HubOptions::default() };
/// let hub: Hub = Hub::new("clinical").options(options);
/// ```
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// Time from the start of a connection to a complete handshake request. Default 15 s.
    pub handshake_timeout: Duration,
    /// Time between the server's pings. Default 15 s; clients expect to receive something within 30 s. It is independent of
    /// [`client_timeout`](Self::client_timeout): clients send pings at an interval of their own.
    pub keep_alive_interval: Duration,
    /// Time without a message or ping from the client after which its connection is closed; it counts from the client's
    /// first ping on. A message that takes longer prolongs it while it comes at 1,024 bytes a second. Default 30 s.
    pub client_timeout: Duration,
    /// The largest message from a client, in bytes. Default 32 KiB; `None` is no limit.
    pub maximum_receive_message_bytes: Option<usize>,
    /// Items that one upload stream holds unread before its sender has to wait (backpressure). Default 10.
    pub stream_buffer_capacity: usize,
    /// Invocations of one client that run at the same time. Default 1.
    pub maximum_parallel_invocations: usize,
    /// Cap: calls of one client that have begun and not ended, those included that wait for a client result and have no
    /// permit meanwhile; those with streams have a cap of their own. Default 100: far above what clients use. While any of
    /// them runs, the client's next call waits; where all of them wait for client results, it fails. A hub that lets
    /// more run at the same time
    /// ([`maximum_parallel_invocations`](HubOptions::maximum_parallel_invocations)) has as many.
    pub calls_per_connection: usize,
    /// Cap: client results that the hub waits for of one client, and, counted apart, those that the calls of one client
    /// wait for, of whichever client. Default 100. Beyond it an invocation fails.
    pub client_results_per_connection: usize,
    /// Time that a client has to return a result. Default 30 s.
    pub client_result_timeout: Duration,
    /// Whether clients are sent the messages of hidden errors. Default no; for development only.
    pub detailed_errors: bool,
    /// Unacknowledged bytes that are kept, so that a client can resume. Default 100,000.
    pub stateful_reconnect_buffer_bytes: usize,
    /// Cap: streams of one connection, both directions together. Default 100: far above what clients use, far
    /// below what would hurt.
    pub streams_per_connection: usize,
    /// Cap: groups of one connection. Default 1,000: far above what clients need. Joining more fails.
    pub groups_per_connection: usize,
    /// Cap: the longest name of a group, in bytes. Default 256: room for any sensible name. Joining a longer one fails.
    pub group_name_bytes: usize,
    /// Cap: messages that wait for one client, answers to its calls included, before it is closed as a slow consumer.
    /// From a quarter on, whoever can wait does: streams, awaited sends to it alone, and the reading of its calls. While
    /// the client goes on reading, or its connection has not had its turn on a processor, up to four times as many are
    /// accepted. Default 10,000.
    pub mailbox_messages: usize,
    /// Cap: bytes that wait for one client, as [`mailbox_messages`](Self::mailbox_messages) bounds their number; one
    /// message may exceed it. Default 4 MiB.
    pub mailbox_bytes: usize,
    /// Time that another node has to confirm a change of groups, or that it has disconnected a user; and that this node has to announce itself
    /// anew, after the others took it for dead, for the changes that are made meanwhile. Default 5 s.
    pub confirmation_timeout: Duration,
    /// Whether connections are accepted while the group store or the backplane cannot be reached. They are served by this
    /// node then, and known to the other nodes, with the groups of their users, when both are back. Otherwise they are
    /// closed, with leave to reconnect. Default yes.
    pub accept_during_outage: bool,
    /// What becomes of messages for other nodes while the link to them is interrupted. Default
    /// [`Hold`](Outage::Hold): at most 8 MiB, for at most 10 s.
    pub on_outage: Outage,
}

/// What becomes of a hub's messages for other nodes while the link to them is interrupted. The recipients of this node
/// have each message at once in any case.
///
/// ```
/// use std::time::Duration;
/// use hubward_hub::{Hub, HubOptions, Outage};
///
/// let on_outage = Outage::Hold { max_bytes: 32 << 20, max_wait: Duration::from_secs(30) };
/// let hub: Hub = Hub::new("clinical").options(HubOptions { on_outage, ..HubOptions::default() });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Outage {
    /// They are held, and go out in the order in which they were sent when the link is whole again. Awaiting a
    /// [`Sending`](crate::Sending) that is held delays nobody: it yields at once, but where half of the bytes are used up
    /// it waits. Beyond either bound a send fails.
    Hold {
        /// Cap: bytes that are held: what travels between nodes, and some 256 for each message.
        max_bytes: usize,
        /// Cap: time since the interruption. What is held then is discarded, and what is sent after it fails at once.
        max_wait: Duration,
    },
    /// Their sends fail at once.
    Fail,
}

impl Outage {
    fn mistake(self) -> Option<&'static str> {
        match self {
            Self::Hold { max_bytes: 0, .. } => {
                Some("on_outage holds 0 bytes, so that nothing could be held: use Outage::Fail")
            }
            Self::Hold { max_wait: Duration::ZERO, .. } => {
                Some("on_outage holds for no time, so that nothing could be held: use Outage::Fail")
            }
            Self::Hold { .. } | Self::Fail => None,
        }
    }
}

impl Default for Outage {
    /// A broker that fails over is back within seconds; what is held beyond that is out of date. A hub that sends much
    /// fills the bytes first.
    fn default() -> Self {
        Self::Hold { max_bytes: 8 * 1024 * 1024, max_wait: Duration::from_secs(10) }
    }
}

impl HubOptions {
    /// Returns what no hub could work with, and what to do about it.
    pub(crate) fn mistake(&self) -> Option<&'static str> {
        let zero = zero_duration!(
            self,
            handshake_timeout,
            keep_alive_interval,
            client_timeout,
            client_result_timeout,
            confirmation_timeout,
        );
        if zero.is_some() {
            return zero;
        }
        let mistakes = [
            (
                self.maximum_parallel_invocations,
                "maximum_parallel_invocations is 0, so that no call could run",
            ),
            (self.calls_per_connection, "calls_per_connection is 0, so that no call could begin"),
            (self.stream_buffer_capacity, "stream_buffer_capacity is 0, so that no upload could move"),
            (self.mailbox_messages, "mailbox_messages is 0, so that nothing could be sent"),
            (self.mailbox_bytes, "mailbox_bytes is 0, so that nothing could be sent"),
            (
                self.maximum_receive_message_bytes.unwrap_or(usize::MAX),
                "maximum_receive_message_bytes is 0, so that no message could be received: use None for no limit",
            ),
        ];
        let mistake = mistakes.into_iter().find(|(limit, _)| *limit == 0).map(|(_, mistake)| mistake);
        mistake.or_else(|| self.on_outage.mistake())
    }
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(15),
            keep_alive_interval: Duration::from_secs(15),
            client_timeout: Duration::from_secs(30),
            maximum_receive_message_bytes: Some(32 * 1024),
            stream_buffer_capacity: 10,
            maximum_parallel_invocations: 1,
            calls_per_connection: 100,
            client_results_per_connection: 100,
            client_result_timeout: Duration::from_secs(30),
            detailed_errors: false,
            stateful_reconnect_buffer_bytes: 100_000,
            streams_per_connection: 100,
            groups_per_connection: 1000,
            group_name_bytes: 256,
            mailbox_messages: 10_000,
            mailbox_bytes: 4 * 1024 * 1024,
            confirmation_timeout: Duration::from_secs(5),
            accept_during_outage: true,
            on_outage: Outage::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_nothing_could_work_with_are_refused() {
        let refused = |change: fn(&mut HubOptions)| {
            let mut options = HubOptions::default();
            change(&mut options);
            options.mistake().unwrap_or_default()
        };
        assert_eq!(HubOptions::default().mistake(), None);
        assert!(
            refused(|options| options.handshake_timeout = Duration::ZERO).starts_with("handshake_timeout is")
        );
        assert!(
            refused(|options| options.keep_alive_interval = Duration::ZERO)
                .starts_with("keep_alive_interval is")
        );
        assert!(refused(|options| options.client_timeout = Duration::ZERO).starts_with("client_timeout is"));
        assert!(
            refused(|options| options.client_result_timeout = Duration::ZERO)
                .starts_with("client_result_timeout is")
        );
        assert!(
            refused(|options| options.confirmation_timeout = Duration::ZERO)
                .starts_with("confirmation_timeout is")
        );
        assert!(refused(|options| options.maximum_parallel_invocations = 0).starts_with("maximum_parallel"));
        assert!(refused(|options| options.calls_per_connection = 0).starts_with("calls_per_connection"));
        assert!(refused(|options| options.stream_buffer_capacity = 0).starts_with("stream_buffer_capacity"));
        assert!(refused(|options| options.mailbox_messages = 0).starts_with("mailbox_messages"));
        assert!(refused(|options| options.mailbox_bytes = 0).starts_with("mailbox_bytes"));
        assert!(refused(|options| options.maximum_receive_message_bytes = Some(0)).contains("None"));
        for (max_bytes, max_wait) in [(0, Duration::MAX), (1, Duration::ZERO)] {
            let on_outage = Outage::Hold { max_bytes, max_wait };
            let options = HubOptions { on_outage, ..HubOptions::default() };
            assert!(options.mistake().unwrap_or_default().ends_with("use Outage::Fail"));
        }
    }
}
