//! What the registry keeps, and for how long.

use std::pin::Pin;
use std::task::{Context, Poll};

use hubward_auth::KeyRing;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::connections::manager::ConnectionManager;
use crate::connections::registration::Registration;
use crate::pipe::websocket::{Io, WebSocketPipe};
use crate::test_support::{TOKEN_LIFETIME, TestTask, claims};

fn manager() -> Arc<ConnectionManager> {
    ConnectionManager::new("node", KeyRing::random(), CancellationToken::new(), TaskTracker::new())
}

fn request(claims: &ConnectionTokenClaims, now: SystemTime) -> ConnectionRequest<'_> {
    ConnectionRequest { claims, same_user: true, fits: true, draining: false, now }
}

/// Begins a connection over a WebSocket.
fn begin(
    manager: &Arc<ConnectionManager>,
    claims: &ConnectionTokenClaims,
    now: SystemTime,
) -> Result<Registration, Refusal> {
    match find(manager, claims, now, Transport::WebSockets)? {
        Found::New(NewTransport::WebSocket(resume)) => {
            let mut registration = Registration::new(manager.clone(), claims, resume);
            registration.open(None);
            Ok(registration)
        }
        _ => panic!("it is not a new WebSocket"),
    }
}

fn find(
    manager: &ConnectionManager,
    claims: &ConnectionTokenClaims,
    now: SystemTime,
    transport: Transport,
) -> Result<Found, Refusal> {
    manager.registry().find_or_begin(&request(claims, now), transport, true)
}

#[test]
fn an_ended_connection_is_remembered_until_its_token_has_expired() {
    let (manager, now) = (manager(), SystemTime::now());
    let (first, later) = (claims(now), claims(now + TOKEN_LIFETIME));
    drop(begin(&manager, &first, now).unwrap());
    assert_eq!(begin(&manager, &first, now).err(), Some(Refusal::UnknownId));
    assert_eq!(manager.registry().slots.len(), 1);
    let registration = begin(&manager, &later, now + TOKEN_LIFETIME).unwrap();
    assert_eq!(manager.registry().slots.len(), 1, "only the newer one is left");
    drop(registration);
}

#[test]
fn a_connection_that_moved_away_does_not_begin_anew_and_may_come_back() {
    let (manager, now) = (manager(), SystemTime::now());
    let claims = ConnectionTokenClaims { stateful: true, ..claims(now) };
    let adopt = || manager.adopt(claims.connection_id.clone(), claims.expires_at);
    let mut registration = begin(&manager, &claims, now).unwrap();
    assert!(adopt().is_none(), "it is here");
    registration.moved();
    drop(registration);
    assert_eq!(begin(&manager, &claims, now).err(), Some(Refusal::UnknownId));
    drop(adopt().unwrap());
    assert!(adopt().is_none(), "it has ended here");
}

#[test]
fn a_client_that_is_dropped_because_its_connection_moves_is_not_refused_when_it_comes_back() {
    /// A socket that a client notices to be closed.
    struct Noticing(Option<Box<dyn FnOnce() + Send>>);
    impl tokio::io::AsyncRead for Noticing {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            Poll::Pending
        }
    }
    impl Drop for Noticing {
        fn drop(&mut self) {
            self.0.take().unwrap()();
        }
    }
    let (manager, claims) = (manager(), claims(SystemTime::now()));
    let mut registration = manager.adopt(claims.connection_id.clone(), claims.expires_at).unwrap();
    let (returning, id, presence) =
        (Arc::downgrade(&manager), claims.connection_id.clone(), Arc::new(Mutex::new(None)));
    let noted = presence.clone();
    let notices = move || *noted.lock() = returning.upgrade().map(|manager| manager.registry().presence(&id));
    let io = tokio::io::join(Noticing(Some(Box::new(notices))), tokio::io::sink());
    let pipe = WebSocketPipe::new(Io::Other(Box::new(io)), bytes::Bytes::new(), Arc::default());
    registration.resume().unwrap().offer(pipe.into());
    registration.moved();
    drop(registration);
    assert_eq!(*presence.lock(), Some(Presence::Moved));
}

#[test]
fn a_connection_that_is_adopted_is_resumed_by_its_user_whether_or_not_its_token_has_expired() {
    let (manager, now) = (manager(), SystemTime::now());
    for issued in [now, now - 2 * TOKEN_LIFETIME] {
        let claims = ConnectionTokenClaims { stateful: true, owner: "other".into(), ..claims(issued) };
        let mut registration = manager.adopt(claims.connection_id.clone(), claims.expires_at).unwrap();
        let request = ConnectionRequest { same_user: false, ..request(&claims, now) };
        let other = manager.registry().find_or_begin(&request, Transport::WebSockets, true);
        assert_eq!(other.err(), Some(Refusal::UserChanged));
        let found = find(&manager, &claims, now, Transport::WebSockets);
        assert!(matches!(found, Ok(Found::Resumed(_))));
        registration.moved();
        drop(registration);
    }
    assert_eq!(manager.registry().slots.len(), 1, "one whose token has expired leaves nothing");
}

#[test]
fn a_token_that_expires_late_keeps_no_other_in_memory() {
    let (manager, now) = (manager(), SystemTime::now());
    let lasting = ConnectionTokenClaims { expires_at: now + 100 * TOKEN_LIFETIME, ..claims(now) };
    drop(begin(&manager, &lasting, now).unwrap());
    drop(begin(&manager, &claims(now), now).unwrap());
    assert_eq!(manager.registry().slots.len(), 2);
    let later = claims(now + TOKEN_LIFETIME);
    let registration = begin(&manager, &later, now + TOKEN_LIFETIME).unwrap();
    assert_eq!(manager.registry().slots.len(), 2, "the lasting one and the newest");
    drop(registration);
}

#[test]
fn a_connection_that_has_yet_to_open_is_not_resumed() {
    let (manager, now) = (manager(), SystemTime::now());
    let claims = ConnectionTokenClaims { stateful: true, ..claims(now) };
    let again = || find(&manager, &claims, now, Transport::WebSockets);
    let Ok(Found::New(NewTransport::WebSocket(resume))) = again() else { panic!("it is not new") };
    let mut registration = Registration::new(manager.clone(), &claims, resume);
    assert_eq!(again().err(), Some(Refusal::AlreadyActive));
    registration.open(None);
    assert!(matches!(again(), Ok(Found::Resumed(_))));
    drop(registration);
    assert_eq!(again().err(), Some(Refusal::UnknownId));
}

#[test]
fn a_claim_is_taken_once_and_only_as_what_it_is() {
    let (manager, now) = (manager(), SystemTime::now());
    let mut registration = begin(&manager, &claims(now), now).unwrap();
    registration.open(Some(Box::new(7_u32)));
    assert_eq!(registration.take_claim::<String>(), None);
    assert_eq!(registration.take_claim::<u32>(), Some(Box::new(7)));
    assert_eq!(registration.take_claim::<u32>(), None);
}

#[test]
fn a_connection_that_outlives_its_token_leaves_nothing() {
    let (manager, issued) = (manager(), SystemTime::now() - 2 * TOKEN_LIFETIME);
    drop(begin(&manager, &claims(issued), issued).unwrap());
    assert_eq!(manager.registry().slots.len(), 0);
    assert!(manager.registry().expiring.lock().is_empty());
}

#[test]
fn connections_that_only_post_are_bounded_and_expire() {
    let (manager, now) = (manager(), SystemTime::now());
    let post = |claims: &ConnectionTokenClaims, now| manager.registry().post_target(&request(claims, now));
    let first = claims(now);
    let target = post(&first, now).ok().unwrap();
    assert_eq!(target.get_due, Some(first.expires_at));
    for _ in 1..WAITING_CONNECTIONS {
        assert!(post(&claims(now), now).is_ok());
    }
    assert_eq!(post(&claims(now), now).err(), Some(Refusal::TooManyWaiting));

    let later = now + TOKEN_LIFETIME;
    assert_eq!(post(&first, later).err(), Some(Refusal::UnknownId));
    // As many as it takes to remove all that have expired.
    for _ in 0..=WAITING_CONNECTIONS / SWEPT_AT_ONCE {
        assert!(post(&claims(later), later).is_ok());
    }
    let ended = target.inbox.poll_ended(&TestTask::new().cx());
    assert_eq!(ended, Poll::Ready(TransportEnd::Lost), "a POST that still waits is notified");
}

#[test]
fn a_get_takes_over_what_a_post_began() {
    let (manager, now) = (manager(), SystemTime::now());
    let claims = claims(now);
    let early = manager.registry().post_target(&request(&claims, now)).ok().unwrap();
    let found = find(&manager, &claims, now, Transport::ServerSentEvents).ok().unwrap();
    let Found::New(NewTransport::ServerSentEvents(inbox)) = found else { panic!("it is not new") };
    assert!(Arc::ptr_eq(&early.inbox, &inbox));
    assert_eq!(manager.registry().waiting.load(Ordering::Relaxed), 0);
    let later = manager.registry().post_target(&request(&claims, now)).ok().unwrap();
    assert!(later.get_due.is_none() && Arc::ptr_eq(&later.inbox, &inbox));
}

#[test]
fn a_stateful_connection_is_resumed_until_that_is_forbidden() {
    let (manager, now) = (manager(), SystemTime::now());
    let claims = ConnectionTokenClaims { stateful: true, ..claims(now) };
    let registration = begin(&manager, &claims, now).unwrap();
    let again = |now| find(&manager, &claims, now, Transport::WebSockets);
    assert!(matches!(again(now), Ok(Found::Resumed(_))));
    assert!(matches!(again(now + 2 * TOKEN_LIFETIME), Ok(Found::Resumed(_))), "for as long as it lives");
    registration.forbid_resume();
    assert_eq!(again(now).err(), Some(Refusal::UnknownId));
}

#[test]
fn the_order_of_checks_is_that_of_signalr() {
    let (manager, now) = (manager(), SystemTime::now());
    let claims = claims(now);
    let check = |same_user, now, transport, enabled| {
        let request = ConnectionRequest { same_user, ..request(&claims, now) };
        manager.registry().find_or_begin(&request, transport, enabled).err()
    };
    let (polling, events) = (Transport::LongPolling, Transport::ServerSentEvents);
    let expired = now + TOKEN_LIFETIME;
    assert_eq!(check(false, expired, polling, false), Some(Refusal::UnknownId));
    assert_eq!(check(false, now, polling, false), Some(Refusal::TransportDisabled(polling)));
    assert_eq!(check(false, now, polling, true), Some(Refusal::UserChanged));
    assert_eq!(check(true, now, polling, true), None);
    assert_eq!(check(false, now, events, false), Some(Refusal::TransportDisabled(events)));
    assert_eq!(check(false, now, events, true), Some(Refusal::TransportChanged));
    assert_eq!(check(false, now, polling, true), Some(Refusal::UserChanged));
    assert_eq!(check(true, expired, polling, true), None, "a connection outlives its token");
}

#[test]
fn only_long_polling_is_terminable() {
    let (manager, now) = (manager(), SystemTime::now());
    let (polling, events, unknown) = (claims(now), claims(now), claims(now));
    assert!(find(&manager, &polling, now, Transport::LongPolling).is_ok());
    assert!(find(&manager, &events, now, Transport::ServerSentEvents).is_ok());
    let terminable = |claims, now| manager.registry().terminable(&request(claims, now)).err();
    assert_eq!(terminable(&polling, now), None);
    assert_eq!(terminable(&events, now), Some(Refusal::NotTerminable));
    assert_eq!(terminable(&unknown, now), Some(Refusal::NotTerminable));
    assert_eq!(terminable(&unknown, now + TOKEN_LIFETIME), Some(Refusal::UnknownId));
}
