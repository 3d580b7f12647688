//! What the registry keeps, and for how long.

use std::time::Duration;

use hubward_auth::{Identity, KeyRing, random_id};
use hubward_types::Principal;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::ConnectionManager;

const LIFETIME: Duration = Duration::from_secs(15);

fn manager() -> Arc<ConnectionManager> {
    ConnectionManager::new("node", KeyRing::random(), CancellationToken::new(), TaskTracker::new())
}

fn sealed(now: SystemTime) -> ConnectionTokenClaims {
    ConnectionTokenClaims {
        connection_id: random_id(),
        hub: "hub".into(),
        owner: "node".into(),
        identity: Identity::of(&Principal::anonymous()),
        stateful: false,
        issued_at: now,
        expires_at: now + LIFETIME,
    }
}

fn named<'a>(
    manager: &'a Arc<ConnectionManager>,
    sealed: &'a ConnectionTokenClaims,
    now: SystemTime,
) -> Named<'a> {
    Named { manager, sealed, same_user: true, now }
}

fn registration(claim: Claim) -> Registration {
    match claim {
        Claim::New { registration, .. } => registration,
        _ => panic!("not a new connection"),
    }
}

#[test]
fn an_ended_connection_is_remembered_until_its_token_has_lapsed() {
    let (manager, now) = (manager(), SystemTime::now());
    let (first, later) = (sealed(now), sealed(now + LIFETIME));
    let registry = manager.registry();
    drop(registration(
        registry.claim(&named(&manager, &first, now), Transport::WebSockets, true).ok().unwrap(),
    ));
    let again = registry.claim(&named(&manager, &first, now), Transport::WebSockets, true);
    assert_eq!(again.err(), Some(Refusal::UnknownId));
    assert_eq!(registry.slots.len(), 1);
    let later_claim =
        registry.claim(&named(&manager, &later, now + LIFETIME), Transport::WebSockets, true).ok().unwrap();
    assert_eq!(registry.slots.len(), 1, "only the newer one is left");
    drop(later_claim);
}

#[test]
fn a_connection_that_outlives_its_token_leaves_nothing() {
    let (manager, issued) = (manager(), SystemTime::now() - 2 * LIFETIME);
    let sealed = sealed(issued);
    let claim = manager.registry().claim(&named(&manager, &sealed, issued), Transport::WebSockets, true);
    drop(registration(claim.ok().unwrap()));
    assert_eq!(manager.registry().slots.len(), 0);
    assert!(manager.registry().lapsing.lock().is_empty());
}

#[test]
fn connections_that_only_post_are_bounded_and_lapse() {
    let (manager, now) = (manager(), SystemTime::now());
    let registry = manager.registry();
    let (first, inbox) = {
        let first = sealed(now);
        let (inbox, waits) = registry.inbox(&named(&manager, &first, now)).ok().unwrap();
        assert!(waits);
        (first, inbox)
    };
    for _ in 1..WAITING_CONNECTIONS {
        assert!(registry.inbox(&named(&manager, &sealed(now), now)).is_ok());
    }
    let one_more = registry.inbox(&named(&manager, &sealed(now), now));
    assert_eq!(one_more.err(), Some(Refusal::TooManyWaiting));

    let later = now + LIFETIME;
    let late = registry.inbox(&named(&manager, &first, later));
    assert_eq!(late.err(), Some(Refusal::UnknownId));
    assert!(registry.inbox(&named(&manager, &sealed(later), later)).is_ok());
    let waker = std::task::Waker::noop();
    let ended = inbox.poll_ended(&std::task::Context::from_waker(waker));
    assert!(ended.is_ready(), "a POST that still waits is told");
}

#[test]
fn a_get_takes_over_what_a_post_began() {
    let (manager, now) = (manager(), SystemTime::now());
    let sealed = sealed(now);
    let named = named(&manager, &sealed, now);
    let (early, _) = manager.registry().inbox(&named).ok().unwrap();
    let claim = manager.registry().claim(&named, Transport::ServerSentEvents, true).ok().unwrap();
    let Claim::New { link: NewTransport::ServerSentEvents(inbox), registration } = claim else {
        panic!("not new")
    };
    assert!(Arc::ptr_eq(&early, &inbox));
    assert_eq!(manager.registry().waiting.load(Ordering::Relaxed), 0);
    drop(registration);
}
