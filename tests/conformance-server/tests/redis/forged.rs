//! A neighbour on the same Redis that publishes what only nodes should: that nodes come, leave and die. It costs little, and
//! the nodes go on.

use hubward_testing::redis::RedisServer;
use hubward_testing::within;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::hostile::command;
use crate::nodes::{PREFIX, call, reach_each_other, three_nodes};

/// How many messages of each kind are forged.
const FORGED: usize = 4_000;
/// How many calls of scripts are allowed in a second, beside a number that is always allowed: of three nodes, in all.
const CALLS_PER_SECOND: f64 = 3.0 * 60.0;
const CALLS_ALWAYS: f64 = 100.0;

/// Publishes messages on the channel of nodes that come and go, and waits until Redis has taken all.
async fn publish(redis: &RedisServer, message: impl Fn(usize) -> String) {
    let mut socket = TcpStream::connect(redis.address()).await.unwrap();
    let channel = format!("{{{PREFIX}}}:1:events");
    let commands: Vec<u8> = (0..FORGED)
        .flat_map(|number| command(&[b"PUBLISH", channel.as_bytes(), message(number).as_bytes()]))
        .collect();
    socket.write_all(&commands).await.unwrap();
    let mut replies = Vec::new();
    within("the replies", async {
        while replies.iter().filter(|byte| **byte == b'\n').count() < FORGED {
            socket.read_buf(&mut replies).await.unwrap();
        }
    })
    .await;
}

async fn script_calls(redis: &RedisServer) -> f64 {
    let calls = redis.info("cmdstat_evalsha").await;
    // calls=12,usec=…
    calls.strip_prefix("calls=").unwrap().split(',').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn forged_news_of_nodes_costs_little_and_is_logged_once() {
    let (redis, mut nodes) = three_nodes().await;
    let mut clients = nodes.clients().await;
    for client in &mut clients {
        call(client, "Join", json!(["g"])).await;
    }
    let key = format!("{{{PREFIX}}}:1:alive");
    let alive = redis.cli(&["hgetall", &key]).await;
    // node, epoch and lease
    let mut lines = alive.lines();
    let (node, epoch) = (lines.next().unwrap(), lines.next().unwrap().split(' ').next().unwrap());
    let (before, began) = (script_calls(&redis).await, Instant::now());

    publish(&redis, |number| format!("garbage {number}")).await;
    publish(&redis, |_| format!("died {epoch} {}:{node}", node.len())).await;
    publish(&redis, |number| format!("left {number} {}:{node}", node.len())).await;
    publish(&redis, |number| format!("died {number} 10:node-{number:05}")).await;
    publish(&redis, |number| format!("joined {number} 10:node-{number:05}\u{2}\u{0}")).await;
    call(&mut clients[0], "Slow", json!([500, "what others do meanwhile"])).await;

    let calls = script_calls(&redis).await - before;
    let allowed = CALLS_ALWAYS + CALLS_PER_SECOND * began.elapsed().as_secs_f64();
    assert!(calls < allowed, "{calls} calls of scripts, more than {allowed}");
    reach_each_other(&mut clients).await;
    for node in 0..3 {
        let lines = nodes.node(node).log_lines(&["WARN"]);
        assert!((1..=5).contains(&lines.len()), "{} lines, such as {:#?}", lines.len(), lines.last());
    }
    nodes.have_no_errors();
}
