//! A network of nodes within one process. An envelope is delivered to the other nodes' subscribers on the
//! thread that publishes it, or one that delivers to them already; there are no tasks, timers or copies. For tests, a node's link can be interrupted or held
//! back.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use dashmap::mapref::entry::Entry;
use dashmap::{DashMap, DashSet};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use hubward_types::NodeId;
use parking_lot::Mutex;

use super::peer::Peer;
use crate::backplane::{Backplane, BackplaneError, Order, ReceivedEnvelope, Subscriber};
use crate::envelope::MAX_ENVELOPE_BYTES;
use crate::topic::Topic;

/// What the nodes of one process share. Clones are the same network.
#[derive(Clone, Default)]
pub struct InMemoryNetwork {
    state: Arc<NetworkState>,
}

/// The backplane of one node of an [`InMemoryNetwork`].
///
/// Every call has had its effect when it returns, except that a node to which another thread delivers receives an envelope after
/// what that thread has begun with. Its future is ready at once, but for that of a subscription while the
/// node is [held](InMemoryNetwork::hold).
pub struct InMemoryBackplane {
    network: Arc<NetworkState>,
    peer: Arc<Peer>,
}

#[derive(Default)]
struct NetworkState {
    /// Who is subscribed to a topic. A list is replaced, never changed, so that publishing holds no lock.
    topics: DashMap<Topic, Arc<[Arc<Peer>]>>,
    /// All peers whose backplane still exists, to find those to interrupt or hold by name.
    peers: Mutex<Vec<Weak<Peer>>>,
    /// What nobody may subscribe to.
    refused: DashSet<Topic>,
    /// Locked while an envelope is put into the queues of its recipients, so that all of them receive it in the same place among
    /// the others.
    order: Mutex<()>,
    /// How many peers have been started and not stopped.
    started: AtomicUsize,
}

impl InMemoryNetwork {
    /// Makes a network without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the backplane of a node.
    pub fn backplane(&self, node: NodeId) -> InMemoryBackplane {
        let peer = Arc::new(Peer::new(node));
        let mut peers = self.state.peers.lock();
        peers.retain(|peer| peer.strong_count() > 0);
        peers.push(Arc::downgrade(&peer));
        InMemoryBackplane { network: Arc::clone(&self.state), peer }
    }

    /// Interrupts a node's link, as a network failure would: it misses what others publish, its own calls fail with
    /// [`BackplaneError::Unavailable`], and its subscriber is notified. Its subscriptions are kept.
    pub fn interrupt(&self, node: &NodeId) {
        self.for_each_peer(node, Peer::interrupt);
    }

    /// Resumes a link that was [interrupted](Self::interrupt), and notifies the subscriber. What was published meanwhile
    /// is lost.
    pub fn resume(&self, node: &NodeId) {
        self.for_each_peer(node, Peer::resume);
    }

    /// Holds back what is published to a node and the confirmations of its subscriptions, as a slow network would, until
    /// the node is [released](Self::release).
    pub fn hold(&self, node: &NodeId) {
        self.for_each_peer(node, Peer::hold);
    }

    /// Delivers what was held back from a node, in order, and ends the [`hold`](Self::hold). An
    /// [interruption](Self::interrupt) meanwhile has lost it.
    pub fn release(&self, node: &NodeId) {
        self.for_each_peer(node, Peer::release);
    }

    /// Returns how many nodes are subscribed to a topic.
    pub fn subscribers(&self, topic: &Topic) -> usize {
        self.state.topics.get(topic).map_or(0, |peers| peers.len())
    }

    /// Lets subscriptions to a topic fail, as a message broker does that forbids it.
    pub fn refuse(&self, topic: Topic) {
        self.state.refused.insert(topic);
    }

    fn for_each_peer(&self, node: &NodeId, act: impl Fn(&Peer)) {
        let peers: Vec<_> = self.state.peers.lock().iter().filter_map(Weak::upgrade).collect();
        for peer in peers.iter().filter(|peer| peer.node == *node) {
            act(peer);
        }
    }
}

impl fmt::Debug for InMemoryNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryNetwork")
            .field("started", &self.state.started.load(Ordering::Relaxed))
            .field("topics", &self.state.topics.len())
            .finish()
    }
}

impl Backplane for InMemoryBackplane {
    fn start(&self, subscriber: Arc<dyn Subscriber>) -> BoxFuture<'_, Result<(), BackplaneError>> {
        let started = self.peer.start(subscriber);
        if started.is_ok() {
            self.network.started.fetch_add(1, Ordering::AcqRel);
        }
        ready(started).boxed()
    }

    fn subscribe(&self, topics: Vec<Topic>) -> BoxFuture<'static, Vec<Result<(), BackplaneError>>> {
        // The lock on the subscriptions is held throughout, so that a stop finds either all of it or nothing.
        let mut subscriptions = self.peer.subscriptions.lock();
        let subscribe = |topic: Topic| {
            self.peer.check_usable()?;
            if self.network.refused.contains(&topic) {
                return Err(BackplaneError::Unavailable(None));
            }
            if subscriptions.insert(topic.clone()) {
                self.network.add(topic, &self.peer);
            }
            Ok(())
        };
        let results = topics.into_iter().map(subscribe).collect();
        match self.peer.confirmation() {
            None => ready(results).boxed(),
            // It is confirmed when the other end is dropped, and so is always an error.
            Some(confirmation) => confirmation.map(|_| results).boxed(),
        }
    }

    fn unsubscribe(&self, topics: Vec<Topic>) -> BoxFuture<'static, ()> {
        let mut subscriptions = self.peer.subscriptions.lock();
        for topic in topics {
            if subscriptions.remove(&topic) {
                self.network.remove(topic, &self.peer);
            }
        }
        ready(()).boxed()
    }

    fn publish(&self, topics: Vec<Topic>, envelope: Bytes) -> BoxFuture<'static, Result<(), BackplaneError>> {
        let published = self.peer.check_usable().and_then(|()| {
            let bytes = envelope.len();
            if bytes > MAX_ENVELOPE_BYTES {
                return Err(BackplaneError::TooLarge { bytes, limit_bytes: MAX_ENVELOPE_BYTES });
            }
            self.network.publish(topics, &envelope, &self.peer);
            Ok(())
        });
        ready(published).boxed()
    }

    fn order(&self) -> Order {
        Order::AcrossTopics
    }

    fn is_alone(&self) -> bool {
        // A node that starts right after this also subscribes after it, so it need not receive what is
        // published before.
        self.network.started.load(Ordering::Acquire) <= usize::from(self.peer.is_started())
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.leave_network();
        ready(()).boxed()
    }
}

impl InMemoryBackplane {
    fn leave_network(&self) {
        let mut subscriptions = self.peer.subscriptions.lock();
        let subscriber = self.peer.stop();
        if subscriber.is_some() {
            self.network.started.fetch_sub(1, Ordering::AcqRel);
        }
        for topic in subscriptions.drain() {
            self.network.remove(topic, &self.peer);
        }
        // A subscriber may call this backplane while it is dropped, so the lock is released first.
        drop(subscriptions);
        drop(subscriber);
    }
}

impl Drop for InMemoryBackplane {
    /// A node that is dropped without a stop has died: the other nodes must no longer count it.
    fn drop(&mut self) {
        self.leave_network();
    }
}

impl fmt::Debug for InMemoryBackplane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryBackplane").field("node", &self.peer.node).finish_non_exhaustive()
    }
}

impl NetworkState {
    fn add(&self, topic: Topic, peer: &Arc<Peer>) {
        match self.topics.entry(topic) {
            Entry::Vacant(entry) => {
                entry.insert(Arc::from([Arc::clone(peer)]));
            }
            Entry::Occupied(mut entry) => {
                let longer = entry.get().iter().chain([peer]).cloned().collect();
                entry.insert(longer);
            }
        }
    }

    fn remove(&self, topic: Topic, peer: &Arc<Peer>) {
        if let Entry::Occupied(mut entry) = self.topics.entry(topic) {
            let others: Arc<[_]> =
                entry.get().iter().filter(|other| !Arc::ptr_eq(other, peer)).cloned().collect();
            if others.is_empty() {
                entry.remove();
            } else {
                entry.insert(others);
            }
        }
    }

    /// Delivers an envelope to all peers that are subscribed to any of the topics, but its publisher: to each in one
    /// batch.
    fn publish(&self, topics: Vec<Topic>, envelope: &Bytes, publisher: &Arc<Peer>) {
        let mut batches: Vec<(Arc<Peer>, Vec<ReceivedEnvelope>)> = Vec::new();
        let order = self.order.lock();
        for topic in topics {
            let Some(peers) = self.topics.get(&topic).map(|peers| Arc::clone(&peers)) else { continue };
            for peer in peers.iter().filter(|peer| !Arc::ptr_eq(peer, publisher)) {
                let received = ReceivedEnvelope { topic: topic.clone(), envelope: envelope.clone() };
                match batches.iter_mut().find(|(other, _)| Arc::ptr_eq(other, peer)) {
                    Some((_, batch)) => batch.push(received),
                    None => batches.push((Arc::clone(peer), vec![received])),
                }
            }
        }
        let put = |(peer, batch): (Arc<Peer>, _)| {
            peer.put(batch);
            peer
        };
        let peers: Vec<_> = batches.into_iter().map(put).collect();
        drop(order);
        peers.iter().for_each(|peer| peer.deliver());
    }
}

#[cfg(test)]
mod tests;
