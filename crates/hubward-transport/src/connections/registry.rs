//! Which connections live on this node, by the id inside their token. Negotiating leaves nothing here. A connection
//! that has ended leaves its id until its token has expired, so that no token opens two connections; these are at
//! most as many as were opened within one connect timeout. What the other nodes have opened is known to
//! [`ConnectionClaims`](super::claims::ConnectionClaims).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use dashmap::DashMap;
use dashmap::mapref::entry::{Entry, OccupiedEntry};
use hubward_auth::ConnectionTokenClaims;
use hubward_types::ConnectionId;
use parking_lot::Mutex;

use super::resume::{Permission, Resume};
use crate::pipe::inbox::Inbox;
use crate::pipe::long_polling::PollChannel;
use crate::pipe::received::TransportEnd;
use crate::refusal::Refusal;
use crate::transport::Transport;

/// How many connections may have POSTed without a GET: no official client does so, and each may hold a POST body.
const WAITING_CONNECTIONS: usize = 1024;

/// How many expired entries each request removes: more than the one that it may add, so that they become fewer.
const SWEPT_AT_ONCE: usize = 16;

#[derive(Default)]
pub(crate) struct Registry {
    slots: DashMap<ConnectionId, Slot>,
    /// The ids of unused slots, with when to remove them, the earliest first.
    expiring: Mutex<BinaryHeap<Reverse<(SystemTime, ConnectionId)>>>,
    /// How many slots are [`Slot::Waiting`].
    waiting: AtomicUsize,
}

enum Slot {
    /// Bytes came, but no GET yet.
    Waiting(Arc<Inbox>),
    WebSocket(Option<Arc<Resume>>),
    ServerSentEvents(Arc<Inbox>),
    LongPolling(Arc<PollChannel>),
    /// Used, and not to be used again.
    Ended,
    /// Handed over to another node. Once its token has expired nothing can begin with it, and no slot says the same.
    Moved,
}

/// Whether a connection is on this node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Presence {
    Here,
    /// It was, and its token could still be used.
    Ended,
    /// It was, and another node has it.
    Moved,
    None,
}

/// How a connection left its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Left {
    Ended,
    /// Another node has it.
    Moved,
}

/// A request for a connection, its connection token opened.
pub(crate) struct ConnectionRequest<'a> {
    pub(crate) claims: &'a ConnectionTokenClaims,
    /// Whether the request comes from the user who negotiated the connection.
    pub(crate) same_user: bool,
    /// Whether its headers are no more than a connection that begins with it may keep.
    pub(crate) fits: bool,
    /// Whether the node begins no more connections, and another one does.
    pub(crate) draining: bool,
    pub(crate) now: SystemTime,
}

/// What a GET found.
pub(crate) enum Found {
    /// The connection begins. The caller makes its [`Registration`](crate::Registration) at once.
    New(NewTransport),
    /// A stateful connection is resumed.
    Resumed(Arc<Resume>),
    /// Another poll of a long-polling connection.
    Poll(Arc<PollChannel>),
}

/// What a new connection's pipe shares with later requests. What a POST brought before is in the inbox.
pub(crate) enum NewTransport {
    /// With what hands over the WebSocket of a reconnect, if stateful reconnect was negotiated.
    WebSocket(Option<Arc<Resume>>),
    ServerSentEvents(Arc<Inbox>),
    LongPolling(Arc<PollChannel>),
}

/// Where a POST puts its body.
pub(crate) struct PostTarget {
    pub(crate) inbox: Arc<Inbox>,
    /// The deadline of the first GET; `None` where that has come.
    pub(crate) get_due: Option<SystemTime>,
}

impl ConnectionRequest<'_> {
    fn check_user(&self) -> Result<(), Refusal> {
        if self.same_user { Ok(()) } else { Err(Refusal::UserChanged) }
    }

    /// Checks what a connection begins with, last of all: what is wrong with a request is so on another node, too.
    fn check_begins(&self) -> Result<(), Refusal> {
        if !self.fits {
            return Err(Refusal::HeadersTooLarge);
        }
        if self.draining { Err(Refusal::Draining) } else { Ok(()) }
    }

    /// Checks that the connection may begin. That it may begin on this node was decided before.
    fn check_unexpired(&self) -> Result<(), Refusal> {
        if self.is_expired() { Err(Refusal::UnknownId) } else { Ok(()) }
    }

    fn is_expired(&self) -> bool {
        self.now >= self.claims.expires_at
    }
}

impl Registry {
    /// Returns whether a connection is on this node.
    pub(crate) fn presence(&self, id: &ConnectionId) -> Presence {
        match self.slots.get(id).as_deref() {
            None => Presence::None,
            Some(Slot::Ended) => Presence::Ended,
            Some(Slot::Moved) => Presence::Moved,
            Some(_) => Presence::Here,
        }
    }

    /// Finds or begins the connection for a GET, in the order of checks that SignalR has. One that begins keeps the
    /// headers of its request, which have to fit.
    pub(crate) fn find_or_begin(
        &self,
        request: &ConnectionRequest<'_>,
        transport: Transport,
        enabled: bool,
    ) -> Result<Found, Refusal> {
        self.sweep(request.now);
        match self.slots.entry(request.claims.connection_id.clone()) {
            Entry::Vacant(entry) => {
                request.check_unexpired()?;
                check_enabled(transport, enabled)?;
                request.check_user()?;
                request.check_begins()?;
                let (slot, new) = begin(request, transport, Arc::default());
                entry.insert(slot);
                Ok(Found::New(new))
            }
            Entry::Occupied(entry) if entry.get().has_left() => Err(Refusal::UnknownId),
            Entry::Occupied(entry) => {
                check_enabled(transport, enabled)?;
                self.find(entry, request, transport)
            }
        }
    }

    fn find(
        &self,
        mut entry: OccupiedEntry<'_, ConnectionId, Slot>,
        request: &ConnectionRequest<'_>,
        transport: Transport,
    ) -> Result<Found, Refusal> {
        match (entry.get(), transport) {
            (Slot::WebSocket(None), Transport::WebSockets)
            | (Slot::ServerSentEvents(_), Transport::ServerSentEvents) => Err(Refusal::AlreadyActive),
            (Slot::WebSocket(Some(resume)), Transport::WebSockets) => {
                match resume.permission() {
                    Permission::Allowed => {}
                    Permission::NotYet => return Err(Refusal::AlreadyActive),
                    Permission::Forbidden => return Err(Refusal::UnknownId),
                }
                request.check_user()?;
                Ok(Found::Resumed(resume.clone()))
            }
            (Slot::LongPolling(channel), Transport::LongPolling) => {
                request.check_user()?;
                Ok(Found::Poll(channel.clone()))
            }
            (Slot::Waiting(inbox), Transport::ServerSentEvents | Transport::LongPolling) => {
                if request.is_expired() {
                    return Err(Refusal::UnknownId);
                }
                request.check_user()?;
                request.check_begins()?;
                let (slot, new) = begin(request, transport, inbox.clone());
                entry.insert(slot);
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                Ok(Found::New(new))
            }
            _ => Err(Refusal::TransportChanged),
        }
    }

    /// Finds where a POST goes. A connection that has had no GET yet gets an inbox that waits for it.
    pub(crate) fn post_target(&self, request: &ConnectionRequest<'_>) -> Result<PostTarget, Refusal> {
        if let Some(slot) = self.slots.get(&request.claims.connection_id) {
            return slot.post_target(request);
        }
        self.sweep(request.now);
        request.check_unexpired()?;
        request.check_user()?;
        request.check_begins()?;
        match self.slots.entry(request.claims.connection_id.clone()) {
            Entry::Occupied(entry) => entry.get().post_target(request),
            Entry::Vacant(entry) => {
                if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_CONNECTIONS {
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    return Err(Refusal::TooManyWaiting);
                }
                let inbox = Arc::<Inbox>::default();
                entry.insert(Slot::Waiting(inbox.clone()));
                self.expire_at(request.claims.expires_at, &request.claims.connection_id);
                Ok(PostTarget { inbox, get_due: Some(request.claims.expires_at) })
            }
        }
    }

    /// Finds the long-polling connection that a DELETE ends.
    pub(crate) fn terminable(&self, request: &ConnectionRequest<'_>) -> Result<Arc<PollChannel>, Refusal> {
        match self.slots.get(&request.claims.connection_id).as_deref() {
            Some(Slot::LongPolling(channel)) => {
                request.check_user()?;
                Ok(channel.clone())
            }
            Some(slot) if slot.has_left() => Err(Refusal::UnknownId),
            Some(_) => Err(Refusal::NotTerminable),
            None => {
                request.check_unexpired()?;
                Err(Refusal::NotTerminable)
            }
        }
    }

    /// Takes the place of a connection that another node hands over, unless it is taken.
    pub(crate) fn adopt(&self, id: &ConnectionId, resume: Arc<Resume>) -> bool {
        match self.slots.entry(id.clone()) {
            Entry::Occupied(mut entry) if matches!(entry.get(), Slot::Moved) => {
                entry.insert(Slot::WebSocket(Some(resume)));
                true
            }
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(Slot::WebSocket(Some(resume)));
                true
            }
        }
    }

    /// Returns where a client's next WebSocket is handed over, for tests.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn resume_of(&self, id: &ConnectionId) -> Option<Arc<Resume>> {
        match self.slots.get(id).as_deref() {
            Some(Slot::WebSocket(resume)) => resume.clone(),
            _ => None,
        }
    }

    /// Releases the place of a connection that has left.
    pub(crate) fn release(&self, id: &ConnectionId, token_expires_at: SystemTime, left: Left) {
        let now = SystemTime::now();
        if now < token_expires_at {
            let slot = match left {
                Left::Ended => Slot::Ended,
                Left::Moved => Slot::Moved,
            };
            self.slots.insert(id.clone(), slot);
            self.expire_at(token_expires_at, id);
        } else {
            self.slots.remove(id);
        }
        self.sweep(now);
    }

    fn expire_at(&self, at: SystemTime, id: &ConnectionId) {
        self.expiring.lock().push(Reverse((at, id.clone())));
    }

    /// Removes unused slots whose token has expired.
    fn sweep(&self, now: SystemTime) {
        for _ in 0..SWEPT_AT_ONCE {
            let id = {
                let mut expiring = self.expiring.lock();
                match expiring.peek() {
                    Some(Reverse((at, _))) if *at <= now => expiring.pop(),
                    _ => None,
                }
            };
            let Some(Reverse((_, id))) = id else { return };
            let unused = |_: &ConnectionId, slot: &Slot| slot.has_left() || matches!(slot, Slot::Waiting(_));
            if let Some((_, Slot::Waiting(inbox))) = self.slots.remove_if(&id, unused) {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                inbox.end(TransportEnd::Lost);
            }
        }
    }
}

impl Slot {
    fn has_left(&self) -> bool {
        matches!(self, Self::Ended | Self::Moved)
    }

    fn post_target(&self, request: &ConnectionRequest<'_>) -> Result<PostTarget, Refusal> {
        let (inbox, get_due) = match self {
            Self::Ended | Self::Moved => return Err(Refusal::UnknownId),
            Self::WebSocket(_) => return Err(Refusal::PostOnWebSocket),
            Self::Waiting(_) if request.is_expired() => return Err(Refusal::UnknownId),
            Self::Waiting(inbox) => (inbox, Some(request.claims.expires_at)),
            Self::ServerSentEvents(inbox) => (inbox, None),
            Self::LongPolling(channel) => (channel.inbox(), None),
        };
        request.check_user()?;
        Ok(PostTarget { inbox: inbox.clone(), get_due })
    }
}

fn check_enabled(transport: Transport, enabled: bool) -> Result<(), Refusal> {
    if enabled { Ok(()) } else { Err(Refusal::TransportDisabled(transport)) }
}

fn begin(request: &ConnectionRequest<'_>, transport: Transport, inbox: Arc<Inbox>) -> (Slot, NewTransport) {
    match transport {
        Transport::WebSockets => {
            let resume = request.claims.stateful.then(Arc::<Resume>::default);
            (Slot::WebSocket(resume.clone()), NewTransport::WebSocket(resume))
        }
        Transport::ServerSentEvents => {
            (Slot::ServerSentEvents(inbox.clone()), NewTransport::ServerSentEvents(inbox))
        }
        Transport::LongPolling => {
            let channel = Arc::new(PollChannel::new(inbox));
            (Slot::LongPolling(channel.clone()), NewTransport::LongPolling(channel))
        }
    }
}

#[cfg(test)]
mod tests;
