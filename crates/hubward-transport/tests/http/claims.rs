//! Tokens that other nodes may have used: who is asked, when, and what becomes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use hubward_auth::KeyRing;
use hubward_testing::{Http, eventually, within};
use hubward_transport::{
    Claim, Claimed, Connection, ConnectionClaims, ConnectionOwners, Endpoint, LivePeer, OpeningConnection,
    OwnerUnknown, PeerClient, PeerDirectory, TransportOptions,
};
use hubward_types::{ConnectionId, NodeId, UserId};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::support::{PATH, Server};

const EVENTS: [(&str, &str); 1] = [("Accept", "text/event-stream")];
const UNKNOWN: (u16, &str, &str) = (404, "text/plain", "No Connection with that ID");

/// Answers each claim when a permit is there, and counts.
struct TestClaims {
    used_elsewhere: bool,
    gate: Semaphore,
    asked: AtomicUsize,
    /// Claims that were given up, answered or not.
    given_up: Arc<AtomicUsize>,
}

struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl TestClaims {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn given_up(&self) -> usize {
        self.given_up.load(Ordering::SeqCst)
    }
}

/// The claims of a test, as an endpoint has them.
struct Asked(Arc<TestClaims>);

impl ConnectionClaims for Asked {
    fn claim(&self, _: OpeningConnection) -> BoxFuture<'static, Result<Option<Claim>, Claimed>> {
        let claims = self.0.clone();
        claims.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let guard = Guard(claims.given_up.clone());
            claims.gate.acquire().await.unwrap().forget();
            if claims.used_elsewhere {
                Err(Claimed { by: "other".into() })
            } else {
                Ok(Some(Box::new(guard) as Claim))
            }
        })
    }
}

async fn start(
    used_elsewhere: bool,
    permits: usize,
) -> (Server, Arc<TestClaims>, mpsc::UnboundedReceiver<Connection>) {
    let claims = Arc::new(TestClaims {
        used_elsewhere,
        gate: Semaphore::new(permits),
        asked: AtomicUsize::new(0),
        given_up: Arc::default(),
    });
    let options = TransportOptions { allow_stateful_reconnects: true, ..TransportOptions::default() };
    let shared = Asked(claims.clone());
    let configure = |endpoint: Endpoint| endpoint.options(options).claims(Some(Arc::new(shared)));
    let (server, connections) = Server::taken(configure).await;
    (server, claims, connections)
}

#[tokio::test]
async fn a_token_that_was_used_elsewhere_is_unknown_and_nobody_is_asked_again() {
    let (server, claims, mut connections) = start(true, usize::MAX >> 4).await;
    for transport in 0..3 {
        let target = server.negotiated().await;
        let response = match transport {
            0 => server.web_socket(&target).await.err().unwrap(),
            1 => server.request("GET", &target, &EVENTS, b"").await,
            _ => server.get(&target).await,
        };
        assert_eq!(response.row(), UNKNOWN);
        assert_eq!(server.web_socket(&target).await.err().unwrap().row(), UNKNOWN);
        assert_eq!(server.request("GET", &target, &EVENTS, b"").await.row(), UNKNOWN);
        assert_eq!(server.get(&target).await.row(), UNKNOWN);
        assert_eq!(server.post(&target, b"x").await.row(), UNKNOWN);
        assert_eq!(claims.asked(), transport + 1);
    }
    assert!(connections.try_recv().is_err());
}

/// A cluster whose store says that `other` has each connection, and which knows that node when it is notified.
#[derive(Clone, Default)]
struct Cluster {
    asked: Arc<AtomicUsize>,
    is_known: Arc<AtomicBool>,
}

impl ConnectionOwners for Cluster {
    fn find(&self, _: &ConnectionId, _: bool) -> BoxFuture<'static, Result<Option<NodeId>, OwnerUnknown>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(Some("other".into())) })
    }

    fn unpark(&self, _: &ConnectionId, _: Option<&UserId>, _: SystemTime) -> BoxFuture<'static, bool> {
        Box::pin(std::future::ready(false))
    }

    fn are_recorded(&self) -> bool {
        true
    }
}

impl PeerDirectory for Cluster {
    fn find(&self, _: &NodeId) -> BoxFuture<'static, Option<LivePeer>> {
        let known = self.is_known.load(Ordering::SeqCst);
        let peer = LivePeer { address: None, stays: true, gone: CancellationToken::new() };
        Box::pin(async move { known.then_some(peer) })
    }
}

#[tokio::test]
async fn where_the_node_of_a_token_is_not_known_yet_it_is_looked_for_again() {
    let cluster = Cluster::default();
    let claims = Arc::new(TestClaims {
        used_elsewhere: true,
        gate: Semaphore::new(usize::MAX >> 4),
        asked: AtomicUsize::new(0),
        given_up: Arc::default(),
    });
    let configure = |endpoint: Endpoint| {
        let peers = PeerClient::new("node".into(), KeyRing::random(), Arc::new(cluster.clone()), None, None);
        endpoint
            .claims(Some(Arc::new(Asked(claims.clone()))))
            .cluster(Some((Arc::new(cluster.clone()), peers)))
    };
    let (server, _connections) = Server::taken(configure).await;
    let target = server.negotiated().await;
    assert_eq!(server.web_socket(&target).await.err().unwrap().row(), UNKNOWN);
    assert_eq!(cluster.asked.load(Ordering::SeqCst), 0);
    cluster.is_known.store(true, Ordering::SeqCst);
    assert_eq!(server.web_socket(&target).await.err().unwrap().row(), UNKNOWN, "it has no listener");
    assert_eq!((cluster.asked.load(Ordering::SeqCst), claims.asked()), (1, 1));
}

#[tokio::test]
async fn a_connection_opens_only_once_its_token_is_claimed() {
    let (server, claims, mut connections) = start(false, 0).await;
    let target = server.negotiated_with("&useStatefulReconnect=true", &[]).await;
    let opening = server.web_socket(&target);
    let meanwhile = async {
        eventually("the claim", async || claims.asked() == 1).await;
        // Neither another connection nor one that resumes it.
        assert_eq!(server.web_socket(&target).await.err().unwrap().status, 409);
        assert!(connections.try_recv().is_err());
        claims.gate.add_permits(1);
    };
    let (opened, ()) = tokio::join!(opening, meanwhile);
    assert!(opened.is_ok());
    let connection = within("the connection", connections.recv()).await.unwrap();
    assert!(server.web_socket(&target).await.is_ok(), "it resumes the connection");
    assert_eq!((claims.asked(), claims.given_up()), (1, 0));
    drop(connection);
    assert_eq!(claims.given_up(), 1);
}

#[tokio::test]
async fn what_was_posted_to_a_connection_that_does_not_open_is_refused() {
    let (server, claims, _connections) = start(true, 0).await;
    let target = server.negotiated().await;
    let meanwhile = async {
        eventually("the claim", async || claims.asked() == 1).await;
        assert_eq!(server.post(&target, b"x").await.status, 200, "it waits for the connection");
        let polling = server.get(&target);
        let refuse = async { claims.gate.add_permits(1) };
        tokio::join!(polling, refuse).0
    };
    let (first, second) = tokio::join!(server.get(&target), meanwhile);
    assert_eq!(first.row(), UNKNOWN);
    assert!(matches!(second.status, 204 | 404), "{second:?}");
    assert_eq!(server.post(&target, b"x").await.row(), UNKNOWN);
}

#[tokio::test]
async fn a_client_that_goes_while_its_token_is_claimed_has_used_it() {
    let (server, claims, _connections) = start(false, 0).await;
    let target = server.negotiated().await;
    let mut http = Http::connect(server.address).await;
    http.write(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await;
    eventually("the claim", async || claims.asked() == 1).await;
    drop(http);
    eventually("the claim is given up", async || claims.given_up() == 1).await;
    claims.gate.add_permits(1);
    assert_eq!(server.get(&target).await.row(), UNKNOWN);
    assert_eq!(claims.asked(), 1);
}

#[tokio::test]
async fn later_requests_of_a_connection_ask_nobody() {
    let (server, claims, mut connections) = start(false, 1).await;
    let target = server.negotiated().await;
    assert_eq!(server.get(&target).await.status, 200);
    let connection = within("the connection", connections.recv()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(server.post(&target, b"x").await.status, 200);
    }
    let (poll, ()) = tokio::join!(server.get(&target), async {
        let mut connection = connection;
        crate::support::write(&mut connection.pipe, &mut [crate::support::text(b"here")].into())
            .await
            .unwrap();
        assert_eq!(server.request("DELETE", &target, &[], b"").await.status, 202);
    });
    assert_eq!(poll.text(), "here");
    assert_eq!(claims.asked(), 1);
}

#[tokio::test]
async fn a_web_socket_without_a_token_claims_nothing() {
    let (server, claims, mut connections) = start(true, 0).await;
    let _socket = server.web_socket(PATH).await.ok().unwrap();
    assert!(within("the connection", connections.recv()).await.is_some());
    assert_eq!(claims.asked(), 0);
}
