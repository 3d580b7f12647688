//! Which connections live on this node, by the id inside their token. Negotiating leaves nothing here. A connection
//! that has ended leaves its id until its token has lapsed, so that no token opens two; that is at most what was
//! opened within one connect timeout.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use hubward_auth::ConnectionTokenClaims;
use hubward_types::ConnectionId;
use parking_lot::Mutex;

use super::ownership;
use crate::connections::resume::Resume;
use crate::pipe::TransportEnd;
use crate::pipe::inbox::Inbox;
use crate::pipe::long_polling::LongPoll;
use crate::refusal::Refusal;
use crate::{ConnectionManager, Registration, Transport};

/// How many connections may have POSTed without a GET: no official client does so, and each may hold a POST body.
const WAITING_CONNECTIONS: usize = 1024;

/// How many lapsed entries are removed in passing: more than one, so that removing keeps ahead of adding.
const SWEPT_AT_ONCE: usize = 16;

#[derive(Default)]
pub(crate) struct Registry {
    slots: DashMap<ConnectionId, Slot>,
    lapsing: Mutex<VecDeque<(SystemTime, ConnectionId)>>,
    waiting: AtomicUsize,
}

enum Slot {
    /// Bytes came, but no GET yet.
    Waiting(Arc<Inbox>),
    WebSocket(Option<Arc<Resume>>),
    ServerSentEvents(Arc<Inbox>),
    LongPolling(Arc<LongPoll>),
    /// Used, and not to be used again.
    Ended,
}

/// A request that names a connection, its token opened.
pub(crate) struct Named<'a> {
    pub(crate) manager: &'a Arc<ConnectionManager>,
    pub(crate) sealed: &'a ConnectionTokenClaims,
    pub(crate) same_user: bool,
    pub(crate) now: SystemTime,
}

/// What a GET found.
pub(crate) enum Claim {
    /// The connection begins; what a POST brought before is in the inbox.
    New { registration: Registration, link: NewTransport },
    /// A stateful connection is taken up again.
    Resumed(Arc<Resume>),
    /// Another poll of a long-polling connection.
    Poll(Arc<LongPoll>),
}

/// What carries a new connection, as far as the registry has to know it.
pub(crate) enum NewTransport {
    WebSocket,
    ServerSentEvents(Arc<Inbox>),
    LongPolling(Arc<LongPoll>),
}

impl Named<'_> {
    fn check_user(&self) -> Result<(), Refusal> {
        if self.same_user { Ok(()) } else { Err(Refusal::UserChanged) }
    }
}

impl Registry {
    /// Finds or begins the connection for a GET, in the order of checks that SignalR has.
    pub(crate) fn claim(
        &self,
        named: &Named<'_>,
        transport: Transport,
        enabled: bool,
    ) -> Result<Claim, Refusal> {
        self.sweep(named.now);
        let check_enabled = || if enabled { Ok(()) } else { Err(Refusal::TransportDisabled(transport)) };
        match self.slots.entry(named.sealed.connection_id.clone()) {
            Entry::Vacant(entry) => {
                ownership::may_begin_here(named.manager, named.sealed, Some(transport), named.now)?;
                check_enabled()?;
                named.check_user()?;
                let (slot, claim) = begin(named, transport, Arc::default());
                entry.insert(slot);
                Ok(claim)
            }
            Entry::Occupied(mut entry) => {
                if matches!(entry.get(), Slot::Ended) {
                    return Err(Refusal::UnknownId);
                }
                check_enabled()?;
                match (entry.get(), transport) {
                    (Slot::WebSocket(None), Transport::WebSockets)
                    | (Slot::ServerSentEvents(_), Transport::ServerSentEvents) => Err(Refusal::AlreadyActive),
                    (Slot::WebSocket(Some(resume)), Transport::WebSockets) => {
                        if resume.is_forbidden() {
                            return Err(Refusal::UnknownId);
                        }
                        named.check_user()?;
                        Ok(Claim::Resumed(resume.clone()))
                    }
                    (Slot::LongPolling(link), Transport::LongPolling) => {
                        named.check_user()?;
                        Ok(Claim::Poll(link.clone()))
                    }
                    (Slot::Waiting(inbox), Transport::ServerSentEvents | Transport::LongPolling) => {
                        if named.now >= named.sealed.expires_at {
                            return Err(Refusal::UnknownId);
                        }
                        named.check_user()?;
                        let (slot, claim) = begin(named, transport, inbox.clone());
                        entry.insert(slot);
                        self.waiting.fetch_sub(1, Ordering::Relaxed);
                        Ok(claim)
                    }
                    _ => Err(Refusal::TransportChanged),
                }
            }
        }
    }

    /// Finds where a POST goes. A connection that has no GET yet gets an inbox that waits for it; the second value
    /// says so.
    pub(crate) fn inbox(&self, named: &Named<'_>) -> Result<(Arc<Inbox>, bool), Refusal> {
        if let Some(slot) = self.slots.get(&named.sealed.connection_id) {
            return self.inbox_of(&slot, named);
        }
        self.sweep(named.now);
        ownership::may_begin_here(named.manager, named.sealed, None, named.now)?;
        named.check_user()?;
        match self.slots.entry(named.sealed.connection_id.clone()) {
            Entry::Occupied(entry) => self.inbox_of(entry.get(), named),
            Entry::Vacant(entry) => {
                if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_CONNECTIONS {
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    return Err(Refusal::TooManyWaiting);
                }
                let inbox = Arc::<Inbox>::default();
                entry.insert(Slot::Waiting(inbox.clone()));
                self.lapse_later(named.sealed.expires_at, &named.sealed.connection_id);
                Ok((inbox, true))
            }
        }
    }

    fn inbox_of(&self, slot: &Slot, named: &Named<'_>) -> Result<(Arc<Inbox>, bool), Refusal> {
        let (inbox, waits) = match slot {
            Slot::Ended => return Err(Refusal::UnknownId),
            Slot::WebSocket(_) => return Err(Refusal::PostOnWebSocket),
            Slot::Waiting(_) if named.now >= named.sealed.expires_at => return Err(Refusal::UnknownId),
            Slot::Waiting(inbox) => (inbox.clone(), true),
            Slot::ServerSentEvents(inbox) => (inbox.clone(), false),
            Slot::LongPolling(link) => (link.inbox().clone(), false),
        };
        named.check_user()?;
        Ok((inbox, waits))
    }

    /// Finds the long-polling connection that a DELETE ends.
    pub(crate) fn terminable(&self, named: &Named<'_>) -> Result<Arc<LongPoll>, Refusal> {
        match self.slots.get(&named.sealed.connection_id).as_deref() {
            Some(Slot::LongPolling(link)) => {
                named.check_user()?;
                Ok(link.clone())
            }
            Some(Slot::Ended) => Err(Refusal::UnknownId),
            Some(_) => Err(Refusal::NotTerminable),
            None => {
                ownership::may_begin_here(named.manager, named.sealed, None, named.now)?;
                Err(Refusal::NotTerminable)
            }
        }
    }

    /// Gives up a connection's place.
    pub(crate) fn end(&self, id: &ConnectionId, lapses_at: SystemTime) {
        let now = SystemTime::now();
        if now < lapses_at {
            self.slots.insert(id.clone(), Slot::Ended);
            self.lapse_later(lapses_at, id);
        } else {
            self.slots.remove(id);
        }
        self.sweep(now);
    }

    fn lapse_later(&self, at: SystemTime, id: &ConnectionId) {
        self.lapsing.lock().push_back((at, id.clone()));
    }

    /// Removes entries whose token has lapsed. Tokens of one endpoint lapse in the order in which they were made;
    /// where endpoints differ, an entry may stay until those before it have lapsed.
    fn sweep(&self, now: SystemTime) {
        for _ in 0..SWEPT_AT_ONCE {
            let id = {
                let mut lapsing = self.lapsing.lock();
                match lapsing.front() {
                    Some((at, _)) if *at <= now => lapsing.pop_front(),
                    _ => None,
                }
            };
            let Some((_, id)) = id else { return };
            let unused = |_: &ConnectionId, slot: &Slot| matches!(slot, Slot::Ended | Slot::Waiting(_));
            if let Some((_, Slot::Waiting(inbox))) = self.slots.remove_if(&id, unused) {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                inbox.end(TransportEnd::Lost);
            }
        }
    }
}

fn begin(named: &Named<'_>, transport: Transport, inbox: Arc<Inbox>) -> (Slot, Claim) {
    let stateful = named.sealed.stateful && transport == Transport::WebSockets;
    let resume = stateful.then(Arc::<Resume>::default);
    let registration = Registration::new(named.manager.clone(), named.sealed, resume.clone());
    let (slot, link) = match transport {
        Transport::WebSockets => (Slot::WebSocket(resume), NewTransport::WebSocket),
        Transport::ServerSentEvents => {
            (Slot::ServerSentEvents(inbox.clone()), NewTransport::ServerSentEvents(inbox))
        }
        Transport::LongPolling => {
            let link = Arc::new(LongPoll::new(inbox));
            (Slot::LongPolling(link.clone()), NewTransport::LongPolling(link))
        }
    };
    (slot, Claim::New { registration, link })
}

#[cfg(test)]
mod tests;
