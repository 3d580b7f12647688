//! `hubward demo` when one of its nodes is killed: those who watch a ward on another go on.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use hubward_testing::frame::{TEXT, masked};
use hubward_testing::redis::{RedisOptions, RedisServer};
use hubward_testing::{Http, within};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::demo::announced;
use crate::hubward;

fn text<'a>(json: &'a Value, pointer: &str) -> &'a str {
    json.pointer(pointer).and_then(Value::as_str).unwrap()
}

/// Opens a WebSocket to a node's ward hub as a nurse, who watches the ward of her department.
pub(crate) async fn watch(node: SocketAddr) -> Http {
    let nurse = json!({ "user": "alice", "role": "nurse", "department": "cardiology" }).to_string();
    let headers = [("Content-Type", "application/json")];
    let signed_in = Http::exchange(node, "POST", "/demo/sign-in", &headers, nurse.as_bytes()).await.json();
    let token = text(&signed_in, "/token");
    let bearer = format!("Bearer {token}");
    let target = "/hubs/ward/negotiate?negotiateVersion=1";
    let negotiated = Http::exchange(node, "POST", target, &[("Authorization", &bearer)], b"").await.json();
    let target = format!("/hubs/ward?id={}&access_token={token}", text(&negotiated, "/connectionToken"));
    let mut socket = Http::connect(node).await.upgrade(&target, &[]).await.unwrap();
    let call = json!({ "type": 1, "target": "SubscribeToWard", "arguments": ["cardiology"] });
    for message in [json!({ "protocol": "json", "version": 1 }), call] {
        socket.write(&masked(TEXT, format!("{message}\u{1e}").as_bytes())).await;
    }
    socket
}

/// Reads until there is a reading of this time or later.
async fn read_vitals_since(socket: &mut Http, since_ms: u64) {
    loop {
        let (_, frame) = socket.frame().await.unwrap();
        let messages = String::from_utf8(frame).unwrap();
        let messages = messages.split_terminator('\u{1e}').map(|text| serde_json::from_str(text).unwrap());
        let is_new = |message: Value| {
            message.pointer("/arguments/0/at").and_then(Value::as_u64).is_some_and(|at| at >= since_ms)
        };
        if messages.into_iter().any(is_new) {
            return;
        }
    }
}

#[tokio::test]
async fn whoever_watches_a_ward_goes_on_when_another_node_is_killed() {
    let server = RedisServer::start(RedisOptions::default()).await;
    let mut demo = hubward(&["demo", "--nodes", "2", "--port", "0", "--redis", &server.url()]);
    let mut demo = demo.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let printed = within("the demo", announced(&mut demo)).await.unwrap();
    let behind = |mark: &str| printed.split_once(mark).unwrap().1.split([' ', ',', ':']).next().unwrap();
    let first: i32 = behind("node-1 is process ").parse().unwrap();
    let port = printed.split_once("another window http://127.0.0.1:").unwrap().1;
    let second = SocketAddr::from(([127, 0, 0, 1], port.split_once(' ').unwrap().0.parse().unwrap()));

    let mut socket = watch(second).await;
    within("a reading", read_vitals_since(&mut socket, 0)).await;
    kill_process(Pid::from_raw(first).unwrap(), Signal::KILL).unwrap();
    let killed = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    // The next second's, since those of this one may be on their way.
    within("a later reading", read_vitals_since(&mut socket, killed + 1_000)).await;

    kill_process(Pid::from_raw(demo.id().unwrap().try_into().unwrap()).unwrap(), Signal::TERM).unwrap();
    within("the demo's end", demo.wait()).await.unwrap();
}
