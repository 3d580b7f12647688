//! Where requests go, for each state of the registry, the store and the other nodes.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hubward_types::UserId;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::connections::registry::Left;
use crate::peers::{LivePeer, PeerDirectory};
use crate::test_support::claims;

/// What is true in a test: `node` negotiates, `n1` is the node that is asked.
#[derive(Clone)]
struct Cluster {
    /// What the store says.
    owner: Result<Option<&'static str>, OwnerUnknown>,
    live: &'static [&'static str],
    /// Whether the node that negotiated is about to leave.
    is_leaving: bool,
    are_recorded: bool,
    asked: Arc<Mutex<Vec<bool>>>,
}

impl ConnectionOwners for Cluster {
    fn find(&self, _: &ConnectionId, anew: bool) -> BoxFuture<'static, Result<Option<NodeId>, OwnerUnknown>> {
        self.asked.lock().push(anew);
        let owner = self.owner.map(|owner| owner.map(NodeId::from));
        Box::pin(std::future::ready(owner))
    }

    fn unpark(&self, _: &ConnectionId, _: Option<&UserId>, _: SystemTime) -> BoxFuture<'static, bool> {
        Box::pin(std::future::ready(false))
    }

    fn are_recorded(&self) -> bool {
        self.are_recorded
    }
}

impl PeerDirectory for Cluster {
    fn find(&self, node: &NodeId) -> BoxFuture<'static, Option<LivePeer>> {
        let lives = self.live.contains(&node.as_str());
        let stays = !(self.is_leaving && node.as_str() == "node");
        let peer = lives.then(|| LivePeer { address: None, stays, gone: CancellationToken::new() });
        Box::pin(std::future::ready(peer))
    }
}

/// A request, as it differs from the first poll of a connection that `node` has just negotiated, at another node.
struct Case {
    transport: Option<Transport>,
    at: &'static str,
    is_hop: bool,
    is_expired: bool,
    is_draining: bool,
    left: Option<Left>,
    cluster: Cluster,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            transport: Some(Transport::LongPolling),
            at: "n1",
            is_hop: false,
            is_expired: false,
            is_draining: false,
            left: None,
            cluster: Cluster {
                owner: Ok(None),
                live: &["node", "n1", "n2"],
                is_leaving: false,
                are_recorded: true,
                asked: Arc::default(),
            },
        }
    }
}

impl Case {
    fn store(self, owner: Result<Option<&'static str>, OwnerUnknown>) -> Self {
        Self { cluster: Cluster { owner, ..self.cluster }, ..self }
    }

    fn live(self, live: &'static [&'static str]) -> Self {
        Self { cluster: Cluster { live, ..self.cluster }, ..self }
    }

    /// The node that negotiated is about to leave.
    fn leaving(self) -> Self {
        Self { cluster: Cluster { is_leaving: true, ..self.cluster }, ..self }
    }

    async fn locate(self) -> Result<Whereabouts, OwnerUnknown> {
        let claims = claims(SystemTime::now());
        let registry = Registry::default();
        if let Some(left) = self.left {
            registry.release(&claims.connection_id, claims.expires_at, left);
        }
        let (node_id, directory) = (NodeId::from(self.at), Arc::new(self.cluster.clone()));
        let peers = PeerClient::new(node_id.clone(), KeyRing::random(), directory, None, None);
        let now = if self.is_expired { claims.expires_at } else { claims.issued_at };
        let Case { transport, is_hop, is_draining, .. } = self;
        let id = &claims.connection_id;
        let sought = Sought { node_id: &node_id, claims: &claims, id, transport, is_hop, is_draining, now };
        sought.locate(&registry, Some(Others { owners: &self.cluster, peers: &peers })).await
    }

    async fn check(self, expected: Result<Whereabouts, OwnerUnknown>) {
        let (transport, at, is_hop, is_expired) = (self.transport, self.at, self.is_hop, self.is_expired);
        let located = self.locate().await;
        assert_eq!(located, expected, "{transport:?} at {at}, hop: {is_hop}, expired: {is_expired}");
    }
}

fn at(node: &str) -> Result<Whereabouts, OwnerUnknown> {
    Ok(Whereabouts::At(node.into()))
}

const HERE: Result<Whereabouts, OwnerUnknown> = Ok(Whereabouts::Here);
const MOVED: Result<Whereabouts, OwnerUnknown> = Ok(Whereabouts::Moved);
const UNKNOWN: Result<Whereabouts, OwnerUnknown> = Ok(Whereabouts::Unknown);
const LEAVING: Result<Whereabouts, OwnerUnknown> = Ok(Whereabouts::Leaving);
const WEB_SOCKET: Option<Transport> = Some(Transport::WebSockets);

#[test]
fn a_token_opens_on_its_own_hub_only() {
    let (keys, claims) = (KeyRing::random(), claims(SystemTime::UNIX_EPOCH));
    let token = keys.seal(&claims);
    let opened = |keys: &KeyRing, hub: &HubName, token: &str| open(keys, &claims.owner, hub, token);
    assert_eq!(opened(&keys, &claims.hub, token.expose()), Ok(claims.clone()));
    assert_eq!(opened(&keys, &"other".into(), token.expose()), Err(Refusal::UnknownId));
    assert_eq!(opened(&KeyRing::random(), &claims.hub, token.expose()), Err(Refusal::UnknownId));
    assert_eq!(opened(&keys, &claims.hub, "not a token"), Err(Refusal::UnknownId));
}

#[test]
fn another_nodes_token_expires_some_seconds_later_since_its_clock_may_be_behind() {
    let (keys, sealed) = (KeyRing::random(), claims(SystemTime::UNIX_EPOCH + Duration::from_secs(60)));
    let token = keys.seal(&sealed);
    let expires = |node: &NodeId| open(&keys, node, &sealed.hub, token.expose()).unwrap().expires_at;
    assert_eq!(expires(&sealed.owner), sealed.expires_at, "it is our own clock");
    assert_eq!(expires(&"other".into()), sealed.expires_at + CLOCK_SKEW);
}

#[tokio::test]
async fn without_other_nodes_a_web_socket_begins_anywhere_and_other_transports_where_they_were_negotiated() {
    let claims = claims(SystemTime::UNIX_EPOCH);
    for (node, transport, expected) in [
        ("node", WEB_SOCKET, HERE),
        ("node", Some(Transport::LongPolling), HERE),
        ("node", None, HERE),
        ("n1", WEB_SOCKET, HERE),
        ("n1", Some(Transport::ServerSentEvents), UNKNOWN),
        ("n1", None, UNKNOWN),
    ] {
        let (node_id, id) = (NodeId::from(node), &claims.connection_id);
        let now = claims.issued_at;
        let is_hop = false;
        let sought =
            Sought { node_id: &node_id, claims: &claims, id, transport, is_hop, is_draining: false, now };
        let located = sought.locate(&Registry::default(), None).await;
        assert_eq!(located, expected, "{node} {transport:?}");
    }
}

#[tokio::test]
async fn what_begins_here_asks_nobody() {
    for (transport, node) in
        [(WEB_SOCKET, "n1"), (WEB_SOCKET, "node"), (Some(Transport::ServerSentEvents), "node")]
    {
        let case = Case { transport, at: node, ..Case::default() };
        let asked = case.cluster.asked.clone();
        case.check(HERE).await;
        assert!(asked.lock().is_empty(), "the claim says whether another node has it");
    }
}

#[tokio::test]
async fn a_web_socket_is_resumed_where_the_store_says() {
    let resumed = || Case { transport: WEB_SOCKET, is_expired: true, ..Case::default() };
    resumed().store(Ok(Some("n2"))).check(at("n2")).await;
    resumed().store(Ok(Some("n1"))).check(UNKNOWN).await;
    resumed().store(Ok(None)).check(UNKNOWN).await;
    resumed().store(Ok(Some("n2"))).live(&["n1"]).check(UNKNOWN).await;
    resumed().store(Err(OwnerUnknown)).check(at("node")).await;
    resumed().store(Err(OwnerUnknown)).live(&["n1"]).check(Err(OwnerUnknown)).await;
}

#[tokio::test]
async fn other_requests_go_where_the_store_says_or_to_the_node_that_negotiated() {
    for transport in [Some(Transport::LongPolling), Some(Transport::ServerSentEvents), None] {
        let case = || Case { transport, ..Case::default() };
        case().store(Ok(Some("n2"))).check(at("n2")).await;
        case().store(Ok(None)).check(at("node")).await;
        case().store(Err(OwnerUnknown)).check(at("node")).await;
        case().store(Ok(Some("n2"))).live(&["node"]).check(at("node")).await;
        let begins = if transport.is_some() { HERE } else { UNKNOWN };
        case().live(&["n1"]).check(begins).await;
        Case { is_expired: true, ..case() }.live(&["n1"]).check(UNKNOWN).await;
    }
    Case { transport: None, at: "node", ..Case::default() }.store(Ok(Some("n2"))).check(at("n2")).await;
    Case { transport: None, at: "node", ..Case::default() }.check(HERE).await;
}

#[tokio::test]
async fn what_is_still_to_begin_is_not_sent_to_a_node_that_is_about_to_leave() {
    for transport in [Some(Transport::LongPolling), Some(Transport::ServerSentEvents)] {
        let case = || Case { transport, ..Case::default() }.leaving();
        case().check(HERE).await;
        case().store(Ok(Some("node"))).check(at("node")).await;
        case().store(Ok(Some("n2"))).check(at("n2")).await;
        case().store(Err(OwnerUnknown)).check(at("node")).await;
        Case { is_expired: true, ..case() }.check(at("node")).await;
    }
    let posted = || Case { transport: None, ..Case::default() }.leaving();
    posted().check(LEAVING).await;
    posted().store(Ok(Some("node"))).check(at("node")).await;
    posted().live(&["n1"]).check(UNKNOWN).await;
    Case { is_expired: true, ..posted() }.check(at("node")).await;
}

#[tokio::test]
async fn a_node_that_begins_nothing_passes_on_what_has_begun_elsewhere() {
    for transport in [WEB_SOCKET, Some(Transport::ServerSentEvents), Some(Transport::LongPolling)] {
        let case = || Case { transport, at: "node", is_draining: true, ..Case::default() };
        case().store(Ok(Some("n2"))).check(at("n2")).await;
        // It is refused, after all that any node would refuse.
        case().check(HERE).await;
        case().store(Err(OwnerUnknown)).check(HERE).await;
        let hop = || Case { is_hop: true, ..case() };
        hop().store(Ok(Some("n2"))).check(MOVED).await;
    }
}

#[tokio::test]
async fn what_has_no_record_is_sent_to_the_node_that_negotiated_it_until_that_has_left() {
    for transport in [Some(Transport::LongPolling), Some(Transport::ServerSentEvents), None] {
        let mut case = Case { transport, ..Case::default() }.leaving();
        case.cluster.are_recorded = false;
        case.check(at("node")).await;
    }
}

#[tokio::test]
async fn what_another_node_sends_is_never_sent_on() {
    let hop = |transport, at| Case { transport, at, is_hop: true, ..Case::default() };
    for transport in [WEB_SOCKET, Some(Transport::LongPolling), None] {
        hop(transport, "n1").store(Ok(Some("n2"))).check(MOVED).await;
        hop(transport, "n1").live(&["n1"]).check(MOVED).await;
    }
    hop(WEB_SOCKET, "node").check(MOVED).await;
    hop(Some(Transport::LongPolling), "node").check(HERE).await;
    hop(None, "node").check(HERE).await;
    hop(None, "node").store(Ok(Some("n2"))).check(MOVED).await;
    hop(None, "node").store(Err(OwnerUnknown)).check(HERE).await;
    Case { left: Some(Left::Moved), ..hop(None, "node") }.check(MOVED).await;
    Case { left: Some(Left::Ended), ..hop(None, "node") }.check(UNKNOWN).await;
}

#[tokio::test]
async fn what_has_moved_is_looked_for_anew_and_what_has_ended_is_not() {
    let left = |left| Case { transport: WEB_SOCKET, left: Some(left), ..Case::default() };
    let moved = left(Left::Moved).store(Ok(Some("n2")));
    let asked = moved.cluster.asked.clone();
    moved.check(at("n2")).await;
    assert_eq!(*asked.lock(), [true]);
    left(Left::Moved).store(Ok(Some("n1"))).check(UNKNOWN).await;
    left(Left::Moved).store(Ok(None)).check(UNKNOWN).await;
    left(Left::Ended).store(Ok(Some("n2"))).check(UNKNOWN).await;
}
