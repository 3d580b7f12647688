//! What the registry keeps, and for how long.

use std::time::Duration;

use hubward_auth::{Identity, KeyRing, random_id};
use hubward_types::Principal;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::Node;

const LIFETIME: Duration = Duration::from_secs(15);

fn node() -> Shared {
    Node::new("node", KeyRing::random(), CancellationToken::new(), TaskTracker::new())
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

fn named<'a>(node: &'a Shared, sealed: &'a ConnectionTokenClaims, now: SystemTime) -> Named<'a> {
    Named { node, sealed, same_user: true, now }
}

fn registration(claim: Claim) -> Registration {
    match claim {
        Claim::New { registration, .. } => registration,
        _ => panic!("not a new connection"),
    }
}

#[test]
fn an_ended_connection_is_remembered_until_its_token_has_lapsed() {
    let (node, now) = (node(), SystemTime::now());
    let (first, later) = (sealed(now), sealed(now + LIFETIME));
    let registry = node.registry();
    drop(registration(registry.claim(&named(&node, &first, now), Transport::WebSockets, true).ok().unwrap()));
    let again = registry.claim(&named(&node, &first, now), Transport::WebSockets, true);
    assert_eq!(again.err(), Some(Refusal::UnknownId));
    assert_eq!(registry.slots.len(), 1);
    let later_claim =
        registry.claim(&named(&node, &later, now + LIFETIME), Transport::WebSockets, true).ok().unwrap();
    assert_eq!(registry.slots.len(), 1, "only the newer one is left");
    drop(later_claim);
}

#[test]
fn a_connection_that_outlives_its_token_leaves_nothing() {
    let (node, issued) = (node(), SystemTime::now() - 2 * LIFETIME);
    let sealed = sealed(issued);
    let claim = node.registry().claim(&named(&node, &sealed, issued), Transport::WebSockets, true);
    drop(registration(claim.ok().unwrap()));
    assert_eq!(node.registry().slots.len(), 0);
    assert!(node.registry().lapsing.lock().is_empty());
}

#[test]
fn connections_that_only_post_are_bounded_and_lapse() {
    let (node, now) = (node(), SystemTime::now());
    let registry = node.registry();
    let (first, inbox) = {
        let first = sealed(now);
        let (inbox, waits) = registry.inbox(&named(&node, &first, now)).ok().unwrap();
        assert!(waits);
        (first, inbox)
    };
    for _ in 1..WAITING_CONNECTIONS {
        assert!(registry.inbox(&named(&node, &sealed(now), now)).is_ok());
    }
    let one_more = registry.inbox(&named(&node, &sealed(now), now));
    assert_eq!(one_more.err(), Some(Refusal::TooManyWaiting));

    let later = now + LIFETIME;
    let late = registry.inbox(&named(&node, &first, later));
    assert_eq!(late.err(), Some(Refusal::UnknownId));
    assert!(registry.inbox(&named(&node, &sealed(later), later)).is_ok());
    let waker = std::task::Waker::noop();
    let ended = inbox.poll_ended(&std::task::Context::from_waker(waker));
    assert!(ended.is_ready(), "a POST that still waits is told");
}

#[test]
fn a_get_takes_over_what_a_post_began() {
    let (node, now) = (node(), SystemTime::now());
    let sealed = sealed(now);
    let named = named(&node, &sealed, now);
    let (early, _) = node.registry().inbox(&named).ok().unwrap();
    let claim = node.registry().claim(&named, Transport::ServerSentEvents, true).ok().unwrap();
    let Claim::New { link: Link::ServerSentEvents(inbox), registration } = claim else { panic!("not new") };
    assert!(Arc::ptr_eq(&early, &inbox));
    assert_eq!(node.registry().waiting.load(Ordering::Relaxed), 0);
    drop(registration);
}
