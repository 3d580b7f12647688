//! What a sender that awaits its send waits for on this node, besides the other nodes.

use std::cell::OnceCell;
use std::sync::Arc;

use hubward_hub::Sending;
use hubward_types::Target;

use crate::connection::handle::ConnectionHandle;
use crate::connection::mailbox::Fill;

/// A send to one connection waits until its mailbox has room. A send to many waits for no client, but where a mailbox is
/// full whose task has had no turn since, it waits for that turn: otherwise the sender, which may have a processor for
/// itself, would go on until the recipient is closed for what is not its fault.
pub(crate) struct Backpressure {
    /// From when on there is something to wait for.
    from: Fill,
    recipient: OnceCell<Arc<ConnectionHandle>>,
}

impl Backpressure {
    pub(crate) fn of(target: &Target) -> Self {
        let from = match target {
            Target::Connections(ids) if ids.len() == 1 => Fill::Crowded,
            _ => Fill::Full,
        };
        Self { from, recipient: OnceCell::new() }
    }

    /// Notes how full a recipient's mailbox is. The first that is to be waited for counts: of several, another one is
    /// found by the next send.
    #[inline]
    pub(crate) fn note(&self, connection: &Arc<ConnectionHandle>, fill: Fill) {
        if fill >= self.from {
            self.recipient.get_or_init(|| connection.clone());
        }
    }

    /// Lets the send wait, where there is something to wait for.
    pub(crate) fn apply(self, sending: Sending) -> Sending {
        let Some(recipient) = self.recipient.into_inner() else { return sending };
        if self.from == Fill::Full {
            return sending.and_wait(async move { recipient.mailbox.turn().await });
        }
        sending.and_wait(async move {
            // Where it closes there is nothing to wait for any more: a recipient that has gone is no error.
            recipient.mailbox.room().await;
        })
    }
}
