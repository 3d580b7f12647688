//! A network of nodes within one process. An envelope is delivered to the other nodes' subscribers on the
//! thread that publishes it; there are no tasks, timers or copies. For tests, a node can be cut off or held
//! back.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use hubward_types::NodeId;
use parking_lot::Mutex;

use super::peer::Peer;
use crate::backplane::{Backplane, BackplaneError, Subscriber};
use crate::envelope::MAX_ENVELOPE_BYTES;
use crate::topic::Topic;

/// What the nodes of one process share. Clones are the same network.
#[derive(Clone, Default)]
pub struct InMemoryNetwork {
    state: Arc<NetworkState>,
}

/// The backplane of one node of an [`InMemoryNetwork`].
///
/// Its futures are ready at once: every call has had its effect when it returns.
pub struct InMemoryBackplane {
    network: Arc<NetworkState>,
    peer: Arc<Peer>,
}

#[derive(Default)]
struct NetworkState {
    /// Who is subscribed to a topic. A list is replaced, never changed, so that publishing holds no lock.
    topics: DashMap<Topic, Arc<[Arc<Peer>]>>,
    /// All peers whose backplane still exists, to find those to cut or hold by name.
    peers: Mutex<Vec<Weak<Peer>>>,
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

    /// Cuts a node off, as a network failure would: it misses what others publish, and its own calls fail
    /// with [`BackplaneError::Unavailable`]. Its subscriptions are kept.
    pub fn cut(&self, node: &NodeId) {
        self.for_each_peer(node, |peer| peer.set_cut(true));
    }

    /// Ends a [`cut`](Self::cut). What was published meanwhile is lost.
    pub fn mend(&self, node: &NodeId) {
        self.for_each_peer(node, |peer| peer.set_cut(false));
    }

    /// Holds back what is published to a node, as a slow network would, until the node is
    /// [released](Self::release).
    pub fn hold(&self, node: &NodeId) {
        self.for_each_peer(node, Peer::hold);
    }

    /// Delivers what was held back from a node, in order, and ends the [`hold`](Self::hold).
    pub fn release(&self, node: &NodeId) {
        self.for_each_peer(node, Peer::release);
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

    fn subscribe(&self, topic: Topic) -> BoxFuture<'_, Result<(), BackplaneError>> {
        // The lock on the subscriptions is held throughout, so that a stop finds either all of it or nothing.
        let mut subscriptions = self.peer.subscriptions.lock();
        let usable = self.peer.check_usable();
        if usable.is_ok() && subscriptions.insert(topic.clone()) {
            self.network.add(topic, &self.peer);
        }
        ready(usable).boxed()
    }

    fn unsubscribe(&self, topic: Topic) -> BoxFuture<'_, Result<(), BackplaneError>> {
        let mut subscriptions = self.peer.subscriptions.lock();
        if subscriptions.remove(&topic) {
            self.network.remove(topic, &self.peer);
        }
        ready(self.peer.check_usable()).boxed()
    }

    fn publish(
        &self,
        topic: &Topic,
        envelope: Bytes,
    ) -> BoxFuture<'_, Result<Option<usize>, BackplaneError>> {
        let published = self.peer.check_usable().and_then(|()| {
            let bytes = envelope.len();
            if bytes > MAX_ENVELOPE_BYTES {
                return Err(BackplaneError::TooLarge { bytes, limit_bytes: MAX_ENVELOPE_BYTES });
            }
            Ok(Some(self.network.publish(topic, &envelope, &self.peer)))
        });
        ready(published).boxed()
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

    /// Delivers an envelope to all subscribed peers but its publisher, and returns how many received it.
    fn publish(&self, topic: &Topic, envelope: &Bytes, publisher: &Arc<Peer>) -> usize {
        let Some(peers) = self.topics.get(topic).map(|peers| Arc::clone(&peers)) else { return 0 };
        let others = peers.iter().filter(|peer| !Arc::ptr_eq(peer, publisher));
        others.filter(|peer| peer.deliver(topic, envelope)).count()
    }
}

#[cfg(test)]
mod tests;
