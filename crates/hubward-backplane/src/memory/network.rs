//! A network of nodes within one process. An envelope is handed to the other nodes' inboxes on the thread
//! that publishes it; there are no tasks, no time and no copies. For tests, a node can be cut off or held up.

use std::collections::{HashSet, VecDeque};
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

use crate::{Backplane, BackplaneError, MAX_ENVELOPE_BYTES, Subscriber, Topic};

/// What the nodes of one process share. Clones are the same network.
#[derive(Clone, Default)]
pub struct InMemoryNetwork {
    shared: Arc<Shared>,
}

/// One node's link to an [`InMemoryNetwork`].
///
/// Its futures are ready at once: every call has done its work when it returns.
pub struct InMemoryBackplane {
    shared: Arc<Shared>,
    link: Arc<Link>,
}

#[derive(Default)]
struct Shared {
    /// Who subscribed to a topic. A list is replaced, never changed, so that publishing holds no lock.
    topics: DashMap<Topic, Arc<[Arc<Link>]>>,
    /// Every link that was made and still exists, to find by name which to cut or hold.
    links: Mutex<Vec<Weak<Link>>>,
    /// How many links have been started and not stopped.
    listening: AtomicUsize,
}

struct Link {
    node: NodeId,
    /// What the link subscribed to. Locked before a shard of `topics`, never after.
    subscriptions: Mutex<HashSet<Topic>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    phase: Phase,
    is_cut: bool,
    is_held: bool,
    /// What came while it was held, in order.
    held: VecDeque<(Topic, Bytes)>,
}

#[derive(Default)]
enum Phase {
    #[default]
    New,
    Started(Arc<dyn Subscriber>),
    Stopped,
}

impl InMemoryNetwork {
    /// Makes a network without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the backplane of a node.
    pub fn backplane(&self, node: NodeId) -> InMemoryBackplane {
        let link = Arc::new(Link { node, subscriptions: Mutex::default(), state: Mutex::default() });
        let mut links = self.shared.links.lock();
        links.retain(|link| link.strong_count() > 0);
        links.push(Arc::downgrade(&link));
        InMemoryBackplane { shared: Arc::clone(&self.shared), link }
    }

    /// Cuts a node off, as a lost connection would: what others publish passes it by, and its own calls fail
    /// with [`BackplaneError::Unavailable`]. Its subscriptions are kept.
    pub fn cut(&self, node: &NodeId) {
        self.for_each_link(node, |link| link.state.lock().is_cut = true);
    }

    /// Ends a [`cut`](Self::cut). What was published meanwhile is lost.
    pub fn mend(&self, node: &NodeId) {
        self.for_each_link(node, |link| link.state.lock().is_cut = false);
    }

    /// Holds up what is sent to a node, as a slow network would, until it is [released](Self::release).
    pub fn hold(&self, node: &NodeId) {
        self.for_each_link(node, |link| link.state.lock().is_held = true);
    }

    /// Delivers what a node was held up for, in order, and then holds up no more.
    pub fn release(&self, node: &NodeId) {
        self.for_each_link(node, Link::release);
    }

    fn for_each_link(&self, node: &NodeId, act: impl Fn(&Link)) {
        let links: Vec<_> = self.shared.links.lock().iter().filter_map(Weak::upgrade).collect();
        for link in links.iter().filter(|link| link.node == *node) {
            act(link);
        }
    }
}

impl fmt::Debug for InMemoryNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryNetwork")
            .field("listening", &self.shared.listening.load(Ordering::Relaxed))
            .field("topics", &self.shared.topics.len())
            .finish()
    }
}

impl Backplane for InMemoryBackplane {
    fn start(&self, inbox: Arc<dyn Subscriber>) -> BoxFuture<'_, Result<(), BackplaneError>> {
        let started = self.link.start(inbox);
        if started.is_ok() {
            self.shared.listening.fetch_add(1, Ordering::AcqRel);
        }
        ready(started).boxed()
    }

    fn subscribe(&self, topic: Topic) -> BoxFuture<'_, Result<(), BackplaneError>> {
        // The lock on the subscriptions is held throughout, so that a stop finds either all of it or none.
        let mut subscriptions = self.link.subscriptions.lock();
        let usable = self.link.check_usable();
        if usable.is_ok() && subscriptions.insert(topic.clone()) {
            self.shared.add(topic, &self.link);
        }
        ready(usable).boxed()
    }

    fn unsubscribe(&self, topic: Topic) -> BoxFuture<'_, Result<(), BackplaneError>> {
        let mut subscriptions = self.link.subscriptions.lock();
        if subscriptions.remove(&topic) {
            self.shared.remove(topic, &self.link);
        }
        ready(self.link.check_usable()).boxed()
    }

    fn publish(
        &self,
        topic: &Topic,
        envelope: Bytes,
    ) -> BoxFuture<'_, Result<Option<usize>, BackplaneError>> {
        let published = self.link.check_usable().and_then(|()| {
            let bytes = envelope.len();
            if bytes > MAX_ENVELOPE_BYTES {
                return Err(BackplaneError::TooLarge { bytes, limit_bytes: MAX_ENVELOPE_BYTES });
            }
            Ok(Some(self.shared.publish(topic, &envelope, &self.link)))
        });
        ready(published).boxed()
    }

    fn is_alone(&self) -> bool {
        // Whoever starts right after this subscribes after it too, and is owed nothing that is sent before.
        self.shared.listening.load(Ordering::Acquire) <= usize::from(self.link.is_started())
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.end();
        ready(()).boxed()
    }
}

impl InMemoryBackplane {
    fn end(&self) {
        let mut subscriptions = self.link.subscriptions.lock();
        let inbox = self.link.stop();
        if inbox.is_some() {
            self.shared.listening.fetch_sub(1, Ordering::AcqRel);
        }
        for topic in subscriptions.drain() {
            self.shared.remove(topic, &self.link);
        }
        // An inbox may call this link while it is dropped, so the lock is let go first.
        drop(subscriptions);
        drop(inbox);
    }
}

impl Drop for InMemoryBackplane {
    /// A node that is dropped without a stop is as good as dead: the others must not go on counting it.
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for InMemoryBackplane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryBackplane").field("node", &self.link.node).finish_non_exhaustive()
    }
}

impl Shared {
    fn add(&self, topic: Topic, link: &Arc<Link>) {
        match self.topics.entry(topic) {
            Entry::Vacant(entry) => {
                entry.insert(Arc::from([Arc::clone(link)]));
            }
            Entry::Occupied(mut entry) => {
                let longer = entry.get().iter().chain([link]).cloned().collect();
                entry.insert(longer);
            }
        }
    }

    fn remove(&self, topic: Topic, link: &Arc<Link>) {
        if let Entry::Occupied(mut entry) = self.topics.entry(topic) {
            let others: Arc<[_]> =
                entry.get().iter().filter(|other| !Arc::ptr_eq(other, link)).cloned().collect();
            if others.is_empty() {
                entry.remove();
            } else {
                entry.insert(others);
            }
        }
    }

    /// Hands an envelope to all subscribers but its publisher, and returns how many took it. No lock is held
    /// while an inbox runs: it may publish in turn.
    fn publish(&self, topic: &Topic, envelope: &Bytes, publisher: &Arc<Link>) -> usize {
        let Some(links) = self.topics.get(topic).map(|links| Arc::clone(&links)) else { return 0 };
        let others = links.iter().filter(|link| !Arc::ptr_eq(link, publisher));
        others.filter(|link| link.take(topic, envelope)).count()
    }
}

impl Link {
    fn start(&self, inbox: Arc<dyn Subscriber>) -> Result<(), BackplaneError> {
        let mut state = self.state.lock();
        match state.phase {
            Phase::Stopped => Err(BackplaneError::Stopped),
            Phase::Started(_) => Err(BackplaneError::AlreadyStarted),
            Phase::New if state.is_cut => Err(BackplaneError::Unavailable(None)),
            Phase::New => {
                state.phase = Phase::Started(inbox);
                Ok(())
            }
        }
    }

    /// Ends deliveries and gives back the inbox, where there was one.
    fn stop(&self) -> Option<Arc<dyn Subscriber>> {
        let mut state = self.state.lock();
        state.held.clear();
        match std::mem::replace(&mut state.phase, Phase::Stopped) {
            Phase::Started(inbox) => Some(inbox),
            Phase::New | Phase::Stopped => None,
        }
    }

    fn check_usable(&self) -> Result<(), BackplaneError> {
        let state = self.state.lock();
        match state.phase {
            Phase::New => Err(BackplaneError::NotStarted),
            Phase::Stopped => Err(BackplaneError::Stopped),
            Phase::Started(_) if state.is_cut => Err(BackplaneError::Unavailable(None)),
            Phase::Started(_) => Ok(()),
        }
    }

    fn is_started(&self) -> bool {
        matches!(self.state.lock().phase, Phase::Started(_))
    }

    /// Delivers an envelope, or keeps it while the node is held up. Returns false where it is lost.
    fn take(&self, topic: &Topic, envelope: &Bytes) -> bool {
        let mut state = self.state.lock();
        let Phase::Started(inbox) = &state.phase else { return false };
        if state.is_cut {
            return false;
        }
        if state.is_held {
            state.held.push_back((topic.clone(), envelope.clone()));
            return true;
        }
        let inbox = Arc::clone(inbox);
        drop(state);
        inbox.deliver(topic, envelope.clone());
        true
    }

    /// Delivers what waits. The node counts as held until all of it is delivered, so that nothing overtakes.
    fn release(&self) {
        loop {
            let mut state = self.state.lock();
            let next = state.held.pop_front();
            let (Phase::Started(inbox), Some((topic, envelope))) = (&state.phase, next) else {
                state.is_held = false;
                return;
            };
            let inbox = Arc::clone(inbox);
            drop(state);
            inbox.deliver(&topic, envelope);
        }
    }
}
