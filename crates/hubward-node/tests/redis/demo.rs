//! `hubward demo` over the Redis of a configuration file.

use std::process::Stdio;

use hubward_testing::redis::{RedisOptions, RedisServer};
use hubward_testing::{eventually, within};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::hubward;

/// Reads what it prints until it serves; what it printed instead, where it ends before.
pub(crate) async fn announced(demo: &mut Child) -> Result<String, String> {
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let mut printed = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("Stop with Ctrl-C") {
            return Ok(printed);
        }
        printed += &line;
    }
    Err(printed)
}

/// What the guide says that a node's user needs, with this demo's prefix and password.
fn guides_rules() -> String {
    let guide = include_str!("../../../../docs/guide/several-nodes.md");
    let rules = guide.lines().find_map(|line| line.strip_prefix("user hubward ")).unwrap();
    rules.replace("clinic", "hubward-demo").replace("PASSWORD", "topsecret")
}

#[tokio::test]
async fn the_demo_takes_its_redis_from_the_file_and_passes_it_to_its_nodes() {
    let users = vec![format!("alice {}", guides_rules())];
    let server = RedisServer::start(RedisOptions { users, ..RedisOptions::default() }).await;
    let (config, secret) = (server.folder().join("hubward.json"), server.folder().join("password"));
    std::fs::write(&secret, "topsecret\n").unwrap();
    let json = format!(
        r#"{{"redis": {{"mode": "standalone", "addresses": ["{}"], "username": "alice"}}}}"#,
        server.address()
    );
    std::fs::write(&config, json).unwrap();

    let mut demo = hubward(&["demo", "--nodes", "2", "--port", "0", "--config", config.to_str().unwrap()]);
    // The password comes from the environment, which the nodes have as well.
    demo.env("HUBWARD_REDIS__PASSWORD_FILE", &secret).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut demo = demo.spawn().unwrap();
    let announced = within("the demo", announced(&mut demo)).await;
    let nodes = server.try_cli(&["HLEN", "{hubward-demo}:1:alive"]).await;
    // First, so that its nodes end whatever was found.
    let id = demo.id().and_then(|id| Pid::from_raw(id.try_into().unwrap())).unwrap();
    kill_process(id, Signal::TERM).unwrap();
    let ended = within("the demo's end", demo.wait()).await.unwrap();
    assert!(announced.is_ok(), "{announced:?}");
    assert_eq!(nodes.as_deref(), Ok("2"));
    assert!(ended.success(), "{ended}");
}

#[tokio::test]
async fn its_nodes_end_when_it_is_killed() {
    let server = RedisServer::start(RedisOptions::default()).await;
    let mut demo = hubward(&["demo", "--nodes", "2", "--port", "0", "--redis", &server.url()]);
    let mut demo = demo.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    within("the demo", announced(&mut demo)).await.unwrap();
    let alive = async || server.try_cli(&["HLEN", "{hubward-demo}:1:alive"]).await.unwrap();
    assert_eq!(alive().await, "2");
    demo.kill().await.unwrap();
    eventually("its nodes withdraw", async || alive().await == "0").await;
}

#[tokio::test]
async fn a_redis_that_is_away_is_named_with_where_to_look() {
    let mut demo =
        hubward(&["demo", "--nodes", "2", "--port", "0", "--redis", "redis://:topsecret@127.0.0.1:1"]);
    let ended = within("the demo's end", demo.output()).await.unwrap();
    let printed = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success(), "{printed}");
    assert!(printed.contains("Redis at 127.0.0.1:1: ") && printed.contains("`hubward check`"), "{printed}");
    assert!(!printed.contains("topsecret"), "{printed}");
}

#[tokio::test]
async fn it_ends_gracefully_where_nobody_reads_its_log() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut demo = hubward(&["demo", "--port", "0"]);
    let mut demo = demo.stdout(Stdio::piped()).stderr(writer).spawn().unwrap();
    drop(reader);
    within("the demo", announced(&mut demo)).await.unwrap();
    let id = demo.id().and_then(|id| Pid::from_raw(id.try_into().unwrap())).unwrap();
    kill_process(id, Signal::TERM).unwrap();
    let ended = within("the demo's end", demo.wait()).await.unwrap();
    assert!(ended.success(), "{ended}");
}
