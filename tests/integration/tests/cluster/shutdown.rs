//! A graceful shutdown closes every connection of its node, and the other nodes go on.

use hubward::ClientResultError;
use hubward_tests::frame::{self, masked};
use hubward_tests::{HANDSHAKE, eventually, within};
use serde_json::{Value, json};

use crate::{Pair, receives};

#[tokio::test]
async fn a_node_that_shuts_down_closes_its_connections_and_is_forgotten() {
    let pair = Pair::start().await;
    let (mut closing, mut staying) = (pair.user(0, "alice").await, pair.client(1).await);
    let mut no_handshake = pair.nodes[0].client("/hub").open_web_socket().await;
    for client in [&mut closing, &mut staying] {
        client.result("Join", json!(["g"])).await;
    }
    let shut_down = within("the shutdown", pair.nodes[0].hubs.shut_down());
    let ((), ended, no_handshake_ended) = tokio::join!(shut_down, closing.ended(), no_handshake.ended());
    assert_eq!(ended.close, Some(json!({ "type": 7, "allowReconnect": true })));
    assert_eq!((ended.code, no_handshake_ended.close), (Some(1000), None));
    assert_eq!(pair.nodes[0].hubs.connection_count("hub"), 0);
    assert_eq!(pair.groups(1).count("g").await.unwrap(), 1);
    assert_eq!(pair.nodes[0].client("/hub").negotiate().await.status, 503, "no new connection is accepted");

    pair.hubs[1].group("g").send("N", (1,)).await.unwrap();
    receives(&mut staying, [1]).await;
    let gone = pair.hubs[1].connection(closing.id.as_str()).invoke::<Value>("Add", ()).await;
    assert!(matches!(gone, Err(ClientResultError::NotFound(_))), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_shuts_down_misses_no_connection_that_is_just_opening() {
    for _ in 0..20 {
        let pair = Pair::start().await;
        let node = &pair.nodes[0];
        let opening = async {
            let mut open = Vec::new();
            for _ in 0..20 {
                let connect = node.client("/hub");
                let negotiated = connect.negotiate().await;
                if negotiated.status != 200 {
                    break;
                }
                let token = negotiated.json()["connectionToken"].as_str().unwrap().to_owned();
                let Ok(mut http) = connect.upgrade(Some(&token)).await else { break };
                http.write(&masked(frame::TEXT, HANDSHAKE)).await;
                open.push(http);
            }
            for mut http in open {
                while !matches!(http.frame().await, None | Some((frame::CLOSE, _))) {}
            }
        };
        let shutting_down = async {
            eventually("connections to open", async || node.hubs.connection_count("hub") > 2).await;
            within("the shutdown", node.hubs.shut_down()).await;
        };
        tokio::join!(opening, shutting_down);
    }
}
