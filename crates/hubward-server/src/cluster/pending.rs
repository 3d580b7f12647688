//! Replies of other nodes that this node waits for, by number. Bounded by the calls that wait: a reply that is no
//! longer awaited removes its own entry.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use hubward_backplane::{Body, ClientResultOutcome, RequestFailure};
use hubward_types::NodeId;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// All replies that this node waits for. Their numbers begin anywhere: a reply to what an earlier process with the node's
/// id asked may still be on its way, and belongs to nobody.
pub(crate) struct PendingReplies {
    /// Results of clients that are connected to another node.
    pub(crate) client_results: Replies<ClientResultOutcome>,
    /// Confirmations of requests: `None` for success, or why it failed on the other node.
    pub(crate) confirmations: Replies<Option<RequestFailure>>,
}

/// What was waited for at one time: what is asked later may be asked of a node's next life.
#[derive(Clone, Copy)]
pub(crate) struct AskedBefore {
    client_results: u64,
    confirmations: u64,
}

/// How waiting for a reply ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Settled<T> {
    /// The reply came.
    Reply(T),
    /// The link to the node was interrupted: the request or its reply may be lost.
    Interrupted,
    /// The node has left or died.
    Gone,
}

impl Default for PendingReplies {
    fn default() -> Self {
        // Half of the numbers, so that none comes round to one that has a meaning of its own.
        let first = RandomState::new().hash_one(()) / 2;
        Self { client_results: Replies::from(first), confirmations: Replies::from(first) }
    }
}

impl PendingReplies {
    /// Hands the body of an envelope for this node to the call that waits for it. If none does any more, it is dropped:
    /// the call has timed out or was cancelled.
    pub(crate) fn resolve(&self, body: Body) {
        match body {
            Body::ClientResult { id, outcome } => self.client_results.resolve(id, outcome),
            Body::Confirmed { id, failure } => self.confirmations.resolve(id, failure),
            _ => tracing::debug!("An envelope to this node is not a reply and was dropped."),
        }
    }

    /// Returns what is waited for now, to be taken before it is found out which nodes are gone.
    pub(crate) fn asked(&self) -> AskedBefore {
        AskedBefore { client_results: self.client_results.next(), confirmations: self.confirmations.next() }
    }

    /// Notifies whoever waits for nodes that have left or died, since before that was found out.
    pub(crate) fn nodes_gone(&self, asked: AskedBefore, gone: impl Fn(&NodeId) -> bool) {
        self.client_results.settle(|id, node| id < asked.client_results && gone(node), || Settled::Gone);
        self.confirmations.settle(|id, node| id < asked.confirmations && gone(node), || Settled::Gone);
    }

    /// Returns the nodes that somebody waits for.
    pub(crate) fn nodes(&self) -> HashSet<NodeId> {
        let mut nodes = self.client_results.nodes();
        nodes.extend(self.confirmations.nodes());
        nodes
    }

    /// Notifies whoever waits for a node that its link was interrupted.
    pub(crate) fn node_interrupted(&self, node: &NodeId) {
        self.client_results.settle(|_, waiting| waiting == node, || Settled::Interrupted);
        self.confirmations.settle(|_, waiting| waiting == node, || Settled::Interrupted);
    }

    /// Notifies all who wait that this node's own link was interrupted.
    pub(crate) fn link_interrupted(&self) {
        self.client_results.settle(|_, _| true, || Settled::Interrupted);
        self.confirmations.settle(|_, _| true, || Settled::Interrupted);
    }
}

/// Replies of one kind.
pub(crate) struct Replies<T> {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, Waiting<T>>>,
}

struct Waiting<T> {
    node: NodeId,
    reply: oneshot::Sender<Settled<T>>,
}

impl<T> Replies<T> {
    fn from(first: u64) -> Self {
        Self { next: AtomicU64::new(first), waiting: Mutex::default() }
    }

    /// Registers a reply of a node to wait for.
    pub(crate) fn expect(&self, node: &NodeId) -> PendingReply<'_, T> {
        let (id, (reply, receiver)) = (self.next.fetch_add(1, Ordering::Relaxed), oneshot::channel());
        self.waiting.lock().insert(id, Waiting { node: node.clone(), reply });
        PendingReply { replies: self, id, receiver }
    }

    fn resolve(&self, id: u64, reply: T) {
        let waiting = self.waiting.lock().remove(&id);
        let _ = waiting.map(|waiting| waiting.reply.send(Settled::Reply(reply)));
    }

    /// How many are waited for.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.waiting.lock().len()
    }

    fn nodes(&self) -> HashSet<NodeId> {
        self.waiting.lock().values().map(|waiting| waiting.node.clone()).collect()
    }

    fn next(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    fn settle(&self, concerns: impl Fn(u64, &NodeId) -> bool, settled: impl Fn() -> Settled<T>) {
        let concerned: Vec<_> =
            self.waiting.lock().extract_if(|id, waiting| concerns(*id, &waiting.node)).collect();
        for (_, waiting) in concerned {
            let _ = waiting.reply.send(settled());
        }
    }
}

/// A reply that is awaited. Dropping it stops waiting.
pub(crate) struct PendingReply<'a, T> {
    replies: &'a Replies<T>,
    pub(crate) id: u64,
    receiver: oneshot::Receiver<Settled<T>>,
}

impl<T> PendingReply<'_, T> {
    /// Waits for the reply, without a bound of its own.
    pub(crate) async fn wait(&mut self) -> Settled<T> {
        (&mut self.receiver).await.unwrap_or(Settled::Gone)
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
        let (pending, node) = (PendingReplies::default(), "n2".into());
        let (mut first, mut second) =
            (pending.confirmations.expect(&node), pending.confirmations.expect(&node));
        pending.resolve(Body::Confirmed { id: second.id, failure: Some(RequestFailure::Banned) });
        pending.resolve(Body::Confirmed { id: first.id, failure: None });
        assert_eq!(second.wait().await, Settled::Reply(Some(RequestFailure::Banned)));
        assert_eq!(first.wait().await, Settled::Reply(None));
    }

    #[tokio::test]
    async fn a_late_reply_to_an_earlier_process_with_the_nodes_id_reaches_nobody() {
        let (before, after) = (PendingReplies::default(), PendingReplies::default());
        let asked_before = before.confirmations.expect(&"n2".into()).id;
        let _asked = after.confirmations.expect(&"n2".into());
        after.resolve(Body::Confirmed { id: asked_before, failure: None });
        assert_eq!(after.confirmations.waiting.lock().len(), 1);
    }

    #[tokio::test]
    async fn a_reply_that_nobody_waits_for_any_more_leaves_nothing_behind() {
        let pending = PendingReplies::default();
        let id = pending.client_results.expect(&"n2".into()).id;
        assert!(pending.client_results.waiting.lock().is_empty());
        pending.resolve(Body::ClientResult { id, outcome: ClientResultOutcome::Void });
        pending.resolve(Body::ClientResult { id: 99, outcome: ClientResultOutcome::Void });
        assert!(pending.client_results.waiting.lock().is_empty());
    }

    #[tokio::test]
    async fn replies_of_different_kinds_do_not_meet() {
        let (pending, node) = (PendingReplies::default(), "n2".into());
        let (mut result, confirmation) =
            (pending.client_results.expect(&node), pending.confirmations.expect(&node));
        assert_eq!(result.id, confirmation.id);
        pending.resolve(Body::ClientResult { id: result.id, outcome: ClientResultOutcome::Void });
        assert!(matches!(result.wait().await, Settled::Reply(ClientResultOutcome::Void)));
        assert_eq!(pending.confirmations.waiting.lock().len(), 1);
    }

    #[tokio::test]
    async fn who_waits_for_a_node_learns_at_once_that_it_is_gone_or_was_interrupted() {
        let pending = PendingReplies::default();
        let (mut second, mut third) =
            (pending.client_results.expect(&"n2".into()), pending.client_results.expect(&"n3".into()));
        let (mut fourth, mut fifth) =
            (pending.confirmations.expect(&"n4".into()), pending.confirmations.expect(&"n5".into()));
        pending.nodes_gone(pending.asked(), |node| node.as_str() == "n2");
        pending.node_interrupted(&"n4".into());
        assert_eq!(second.wait().await, Settled::Gone);
        assert_eq!(fourth.wait().await, Settled::Interrupted);
        pending.link_interrupted();
        assert_eq!(third.wait().await, Settled::Interrupted);
        assert_eq!(fifth.wait().await, Settled::Interrupted);
    }

    #[tokio::test]
    async fn what_is_asked_after_a_node_was_found_gone_is_asked_of_its_next_life() {
        let (pending, node) = (PendingReplies::default(), NodeId::from("n2"));
        let mut before = pending.confirmations.expect(&node);
        let asked = pending.asked();
        let _after = (pending.confirmations.expect(&node), pending.client_results.expect(&node));
        pending.nodes_gone(asked, |gone| *gone == node);
        assert_eq!(before.wait().await, Settled::Gone);
        assert_eq!((pending.confirmations.len(), pending.client_results.len()), (1, 1));
    }
}
