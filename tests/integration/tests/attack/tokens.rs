//! Connection tokens: one opens one connection, on one node, once.

use hubward_tests::{Connect, Http, NodeProcess, UPGRADE, header_lines, request};

use crate::node::nodes;
use crate::waits::at_last;

/// How a token is used.
#[derive(Clone, Copy, Debug)]
enum Use {
    WebSocket,
    Events,
    Poll,
}

const USES: [Use; 3] = [Use::WebSocket, Use::Events, Use::Poll];

impl Use {
    /// Uses a token at a node; the socket stays open. Returns whether it was accepted.
    async fn at(self, node: &NodeProcess, number: usize, path: &str, token: &str) -> (bool, u16, Http) {
        let lines = match self {
            Self::WebSocket => header_lines(&UPGRADE),
            Self::Events => "Accept: text/event-stream\r\n".to_owned(),
            Self::Poll => String::new(),
        };
        let mut http = Http::connect(node.addresses[number]).await;
        http.write(&request("GET", &format!("{path}?id={token}"), &lines, b"")).await;
        let status = at_last("a response", http.head()).await.status;
        (matches!(status, 101 | 200), status, http)
    }
}

async fn token(node: &NodeProcess, path: &str) -> String {
    // Not a stateful one, whose WebSocket could be resumed through any node.
    Connect::new(node.addresses[0], path).connection_token().await
}

#[tokio::test]
async fn a_token_that_is_used_on_one_node_opens_nothing_on_the_other() {
    let node = nodes(2);
    let both = USES.into_iter().flat_map(|first| USES.map(|second| (first, second)));
    for (path, (first, second)) in
        ["/hub", "/raw"].into_iter().flat_map(|path| both.clone().map(move |uses| (path, uses)))
    {
        if matches!((first, second), (Use::Poll, Use::Poll)) {
            // The next poll of the same connection, which any node takes.
            continue;
        }
        let token = token(&node, path).await;
        let (opened, status, _socket) = first.at(&node, 0, path, &token).await;
        assert!(opened, "{path}: {first:?} on the first node: {status}");
        let (opened, status, _other) = second.at(&node, 1, path, &token).await;
        assert!(!opened, "{path}: {first:?} on the one node, then {second:?} on the other: {status}");
    }
}

#[tokio::test]
async fn a_token_that_is_used_on_all_nodes_at_once_opens_one_connection() {
    let node = nodes(3);
    for round in 0..10 {
        let token = token(&node, "/hub").await;
        let uses = (0..3).map(|number| USES[(round + number) % 3].at(&node, number, "/hub", &token));
        let used = futures_util::future::join_all(uses).await;
        let opened = used.iter().filter(|(opened, ..)| *opened).count();
        assert_eq!(opened, 1, "{:?}", used.iter().map(|(_, status, _)| status).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_token_whose_connection_has_ended_opens_nothing_again() {
    let node = nodes(2);
    let mut opened_again = Vec::new();
    for number in [0, 1] {
        for again in USES {
            let token = token(&node, "/alive").await;
            let (opened, status, socket) = Use::Events.at(&node, 0, "/alive", &token).await;
            assert!(opened, "{status}");
            drop(socket);
            let gone = format!("/alive?id={token}");
            crate::waits::until("the end of the connection", async || {
                Http::exchange(node.addresses[0], "POST", &gone, &[], b"x").await.status == 404
            })
            .await;
            let (opened, status, _socket) = again.at(&node, number, "/alive", &token).await;
            if opened {
                opened_again.push(format!("{again:?} on node {number}: {status}"));
            }
        }
    }
    assert!(opened_again.is_empty(), "{opened_again:#?}");
}
