//! Sessions that no node takes are kept in the group store for a time, sealed, for whichever node their clients come to. Nobody
//! receives for them meanwhile: what is sent to their groups and users is missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hubward_backplane::{MAX_PARKED_BYTES, ParkedSession, StoreError, Topic, Unpark, Unparked};
use hubward_transport::Transport;
use hubward_types::{ConnectionId, UserId, brief_causes};
use tokio::time::timeout;

use super::calls::Seals;
use super::leaving::Leaving;
use crate::bounded::CALL_TIMEOUT;
use crate::connection::adopting::{self, Adopted};
use crate::connection::groups::Reasons;
use crate::connection::handle::ConnectionHandle;
use crate::connection::mailbox::Mailbox;
use crate::engine::Engine;
use crate::membership::delivered::deliver_for;
use crate::membership::record::{claim, put_on_record};
use crate::membership::unrecorded::Unrecorded;
use crate::membership::user::timed_groups;
use crate::membership::{changes, recording, retries, user};
use crate::session_state::{SessionIdentity, SessionState};

/// The most bytes that one node parks: a store keeps them in memory.
const MAX_BYTES: usize = 64 << 20;

/// How much longer than a client may take to come back a session is kept: nodes start meanwhile.
const LONGER: Duration = Duration::from_secs(15);

/// How often the store is asked for a session.
const TAKINGS: usize = 2;

/// How long it may take to put nothing in the place of a session that may have been parked.
const REPLACE_TIMEOUT: Duration = Duration::from_secs(1);

/// What a node has parked.
#[derive(Default)]
pub(super) struct Parking(AtomicUsize);

/// Why a session is not parked.
pub(super) enum NotParked {
    /// It goes on here.
    Stays(Box<Leaving>),
    /// Nobody knows whether the store has it: its client was asked to reconnect, and gets a new connection.
    Unclear,
}

impl Parking {
    /// Keeps a session in the store. What has no room, or cannot be kept, is given back.
    pub(super) async fn park(&self, seals: &Seals, session: Leaving) -> Result<(), NotParked> {
        let Some(parked) = self.sealed(seals, &session) else {
            return Err(NotParked::Stays(Box::new(session)));
        };
        let store = &session.engine.context.store;
        let bytes = parked.sealed.len();
        let nothing = ParkedSession { sealed: Bytes::new(), ..parked.clone() };
        let is_unclear = match timeout(CALL_TIMEOUT, store.park(parked)).await {
            Ok(Ok(())) => {
                session.let_go_for_nobody();
                return Ok(());
            }
            Ok(Err(StoreError::Unavailable(_))) | Err(_) => true,
            Ok(Err(_)) => false,
        };
        // It may be there. What goes on here must not be taken later as it was now.
        if is_unclear && !matches!(timeout(REPLACE_TIMEOUT, store.park(nothing)).await, Ok(Ok(()))) {
            session.close();
            return Err(NotParked::Unclear);
        }
        self.0.fetch_sub(bytes, Ordering::Relaxed);
        Err(NotParked::Stays(Box::new(session)))
    }

    fn sealed(&self, seals: &Seals, session: &Leaving) -> Option<ParkedSession> {
        let config = session.engine.connection_config()?;
        let resumable = config.session(Transport::WebSockets, true).stateful.clone()?;
        let (hub, id) = (session.engine.name(), &session.handle.id);
        let state = session.cut_for_nobody()?.encode().ok()?;
        let sealed = seals.seal_parked(hub, id, &state);
        let fits = sealed.len() <= MAX_PARKED_BYTES && self.reserve(sealed.len());
        fits.then(|| ParkedSession {
            hub: hub.clone(),
            connection: id.clone(),
            owner: session.engine.context.owner(),
            sealed,
            ttl: resumable.reconnect_timeout.saturating_add(LONGER),
        })
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn reserve(&self, bytes: usize) -> bool {
        let add = |used: usize| used.checked_add(bytes).filter(|used| *used <= MAX_BYTES);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }
}

/// Takes a session that was parked, for a client that has come here. Returns whether the connection is this node's now, and can be resumed.
pub(crate) async fn unpark(
    engine: &Arc<Engine>,
    connection: &ConnectionId,
    user: Option<&UserId>,
    token_expires_at: SystemTime,
) -> bool {
    let (context, hub) = (&engine.context, engine.name());
    let Some(peers) = context.handover_peers() else { return false };
    let changing = user.map(|user| engine.users.enter(user));
    let taking = Unpark {
        hub: hub.clone(),
        connection: connection.clone(),
        user: user.cloned(),
        owner: context.owner(),
        claim: claim(Some(token_expires_at)),
    };
    let Some(unparked) = take(engine, taking).await else { return false };
    let Some(handle) = resume(engine, &peers.seals, connection, unparked.sealed).await else {
        // Another request of its client has brought it here.
        if engine.index.connection(connection).is_some() {
            return true;
        }
        // Its record is this node's, and nobody is there.
        retries::give_up(engine, connection);
        return false;
    };
    changes::release(engine, &handle);
    if let (Some(user), Some(changing)) = (user, changing) {
        user::moved_here(engine, &handle, user, changing, timed_groups(unparked.user_groups)).await;
    }
    true
}

/// Takes a session out of the store. A call without an answer may have made this node the owner: it is repeated once, and then
/// undone.
async fn take(engine: &Arc<Engine>, taking: Unpark) -> Option<Unparked> {
    let hub = engine.name();
    for _ in 0..TAKINGS {
        match timeout(CALL_TIMEOUT, engine.context.store.unpark(taking.clone())).await {
            Ok(Ok(unparked)) => return unparked,
            Ok(Err(error)) => {
                tracing::debug!(%hub, error = %brief_causes(&error), "A parked session could not be taken.");
                if !matches!(error, StoreError::Unavailable(_)) {
                    return None;
                }
            }
            Err(_) => tracing::debug!(%hub, "A parked session could not be taken in time."),
        }
    }
    // Unless another request of its client has brought it here.
    if engine.index.connection(&taking.connection).is_none() {
        retries::give_up(engine, &taking.connection);
    }
    None
}

/// Goes on with a session here.
async fn resume(
    engine: &Arc<Engine>,
    seals: &Seals,
    connection: &ConnectionId,
    sealed: Bytes,
) -> Option<Arc<ConnectionHandle>> {
    let opened = seals.open_parked(engine.name(), connection, sealed)?;
    let SessionState { identity, content } = SessionState::decode(&opened).ok()?;
    if identity.connection != *connection || identity.hub != *engine.name() {
        return None;
    }
    let manager = engine.context.connections()?;
    let handle = adopting::handle(engine, &identity, Mailbox::new(engine.mailbox_limits()));
    let adopted = Adopted::restore(engine, handle.clone(), content).ok()?;
    let registration = manager.adopt(identity.token_id.clone(), identity.token_expires_at)?;
    handle.groups.hold();
    engine.index.add(&handle);
    deliver(engine, &handle, &identity).await;
    // What it had joined is put back; where that fails, later.
    if put_on_record(engine, &[(handle.clone(), Unrecorded::Held)]).await.is_err() {
        recording::restore_one(engine, &handle);
    }
    adopted.start(registration);
    Some(handle)
}

/// Subscribes for a connection, and delivers to it what it had joined.
async fn deliver(engine: &Arc<Engine>, handle: &Arc<ConnectionHandle>, identity: &SessionIdentity) {
    let hub = engine.name();
    let user = handle.principal.user_id().map(|user| Topic::User(hub.clone(), user.clone()));
    let groups = identity.groups.iter().map(|group| Topic::Group(hub.clone(), group.clone()));
    let has_user = user.is_some();
    let topics = user.into_iter().chain(groups).collect();
    let mut subscribed = engine.context.subscriptions.add(topics).await.into_iter();
    if has_user && subscribed.next().is_some_and(|subscribed| subscribed.is_ok()) {
        handle.set_user_subscribed(true);
    }
    for (group, subscribed) in identity.groups.iter().zip(subscribed) {
        match subscribed {
            Ok(()) => deliver_for(engine, handle, group, Reasons { own: true, user: false }),
            Err(error) => {
                tracing::warn!(%hub, error = %brief_causes(&error), "A group of a connection that was parked is not delivered to it.");
            }
        }
    }
}
