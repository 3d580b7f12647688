//! Replies of other nodes that this node waits for, by number. Bounded by the calls that wait: a reply that is no
//! longer awaited removes its own entry.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use hubward_backplane::{Body, ClientResultOutcome};
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// All replies that this node waits for.
#[derive(Default)]
pub(crate) struct PendingReplies {
    /// Results of clients that are connected to another node.
    pub(crate) client_results: Replies<ClientResultOutcome>,
    /// Confirmations of changed memberships: `None` for success, or the owner's error.
    pub(crate) confirmations: Replies<Option<String>>,
}

impl PendingReplies {
    /// Hands the body of an envelope for this node to the call that waits for it. If none does any more, it is dropped:
    /// the call has timed out or was cancelled.
    pub(crate) fn resolve(&self, body: Body) {
        match body {
            Body::ClientResult { id, outcome } => self.client_results.resolve(id, outcome),
            Body::MembershipConfirmed { id, error } => self.confirmations.resolve(id, error),
            _ => tracing::debug!("An envelope to this node is not a reply and was dropped."),
        }
    }
}

/// Replies of one kind.
pub(crate) struct Replies<T> {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<T>>>,
}

impl<T> Default for Replies<T> {
    fn default() -> Self {
        Self { next: AtomicU64::new(0), waiting: Mutex::default() }
    }
}

impl<T> Replies<T> {
    /// Registers a reply to wait for.
    pub(crate) fn expect(&self) -> PendingReply<'_, T> {
        let (id, (tx, receiver)) = (self.next.fetch_add(1, Ordering::Relaxed), oneshot::channel());
        self.waiting.lock().insert(id, tx);
        PendingReply { replies: self, id, receiver }
    }

    fn resolve(&self, id: u64, reply: T) {
        let waiting = self.waiting.lock().remove(&id);
        let _ = waiting.map(|waiting| waiting.send(reply));
    }
}

/// A reply that is awaited. Dropping it stops waiting.
pub(crate) struct PendingReply<'a, T> {
    replies: &'a Replies<T>,
    pub(crate) id: u64,
    receiver: oneshot::Receiver<T>,
}

impl<T> PendingReply<'_, T> {
    /// Waits for the reply, without a bound of its own.
    pub(crate) async fn wait(&mut self) -> Option<T> {
        (&mut self.receiver).await.ok()
    }
}

impl<T> Drop for PendingReply<'_, T> {
    fn drop(&mut self) {
        self.replies.waiting.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reply_reaches_the_one_that_waits_for_its_number() {
        let pending = PendingReplies::default();
        let (mut first, mut second) = (pending.confirmations.expect(), pending.confirmations.expect());
        pending.resolve(Body::MembershipConfirmed { id: second.id, error: Some("full".into()) });
        pending.resolve(Body::MembershipConfirmed { id: first.id, error: None });
        assert_eq!(second.wait().await, Some(Some("full".into())));
        assert_eq!(first.wait().await, Some(None));
    }

    #[tokio::test]
    async fn a_reply_that_nobody_waits_for_any_more_leaves_nothing_behind() {
        let pending = PendingReplies::default();
        let id = pending.client_results.expect().id;
        assert!(pending.client_results.waiting.lock().is_empty());
        pending.resolve(Body::ClientResult { id, outcome: ClientResultOutcome::Void });
        pending.resolve(Body::ClientResult { id: 99, outcome: ClientResultOutcome::Void });
        assert!(pending.client_results.waiting.lock().is_empty());
    }

    #[tokio::test]
    async fn replies_of_different_kinds_do_not_meet() {
        let pending = PendingReplies::default();
        let (mut result, confirmation) = (pending.client_results.expect(), pending.confirmations.expect());
        assert_eq!(result.id, confirmation.id);
        pending.resolve(Body::ClientResult { id: result.id, outcome: ClientResultOutcome::Void });
        assert!(matches!(result.wait().await, Some(ClientResultOutcome::Void)));
        assert_eq!(pending.confirmations.waiting.lock().len(), 1);
    }
}
