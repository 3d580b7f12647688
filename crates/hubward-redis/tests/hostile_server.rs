//! A Redis that is broken or hostile: what it costs a node, and what becomes of calls.
#![allow(clippy::unwrap_used, reason = "a failure here is to fail a test")]

mod support;

use std::time::Duration;

use hubward_backplane::{GroupStore, NodeRegistry};
use hubward_redis::{Redis, RedisStore};
use hubward_testing::eventually;
use hubward_testing::redis::{RedisOptions, RedisServer};
use hubward_types::brief_causes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use support::fake_redis::{Answer, FakeRedis, name, usual};

/// For how long a test looks at what a server that is asked again and again is asked.
const WHILE: Duration = Duration::from_secs(2);

fn store(server: &FakeRedis) -> RedisStore {
    Redis::url(&server.url()).unwrap().build().unwrap().store()
}

async fn add(store: &RedisStore) -> Result<(), String> {
    let added = store.add_user(&"hub".into(), &"group".into(), &"user".into(), None).await;
    added.map(drop).map_err(|error| brief_causes(&error).to_string())
}

#[tokio::test]
async fn a_server_that_closes_each_connection_is_not_asked_for_many() {
    let server = FakeRedis::start(|command| match (&*name(command), usual(command)) {
        ("client info", Answer::Reply(reply)) => Answer::Close(reply),
        (_, reply) => reply,
    })
    .await;
    let store = store(&server);
    let began = Instant::now();
    while began.elapsed() < WHILE {
        let _ = add(&store).await;
        // A runtime with one thread has other tasks as well.
        tokio::task::yield_now().await;
    }
    let opened = server.connections();
    assert!((2..=20).contains(&opened), "{opened} connections in {WHILE:?}");
}

#[tokio::test]
async fn queries_go_on_where_a_server_closes_each_connection_after_a_reply() {
    let server = FakeRedis::start(|command| match &*name(command) {
        "evalsha" => Answer::Close(b"*2\r\n$2\r\nOK\r\n:7\r\n".to_vec()),
        _ => usual(command),
    })
    .await;
    let store = store(&server);
    for number in 0..50 {
        let found = store.count(&"hub".into(), &"group".into()).await;
        assert!(matches!(found, Ok(7)), "query {number}: {found:?}");
    }
}

#[tokio::test]
async fn a_server_that_closes_each_subscription_is_not_asked_for_many() {
    let server = FakeRedis::start(|command| match (&*name(command), usual(command)) {
        ("subscribe", Answer::Reply(reply)) => Answer::Close(reply),
        (_, reply) => reply,
    })
    .await;
    let store = store(&server);
    let _events = store.watch();
    eventually("a connection", async || server.connections() > 0).await;
    tokio::time::sleep(WHILE).await;
    let opened = server.connections();
    assert!((2..=12).contains(&opened), "{opened} connections in {WHILE:?}");
}

#[tokio::test]
async fn a_server_that_takes_no_scripts_is_one_error_that_says_what_to_do() {
    let server = FakeRedis::start(|command| match &*name(command) {
        "script load" => Answer::Reply(b"-NOPERM this user has no permissions\r\n".to_vec()),
        _ => usual(command),
    })
    .await;
    let error = add(&store(&server)).await.unwrap_err();
    assert!(error.contains("the ACL rule that it needs") && !error.contains("Index"), "{error}");
}

#[tokio::test]
async fn calls_go_on_while_somebody_flushes_the_scripts_again_and_again() {
    let server = RedisServer::start(RedisOptions::default()).await;
    let store = Redis::url(&server.url()).unwrap().build().unwrap().store();
    add(&store).await.unwrap();
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let mut flushing = JoinSet::new();
    flushing.spawn(async move {
        let mut reply = [0; 5];
        loop {
            socket.write_all(b"SCRIPT FLUSH\r\n").await.unwrap();
            socket.read_exact(&mut reply).await.unwrap();
            assert_eq!(&reply, b"+OK\r\n");
        }
    });
    for number in 0..300 {
        let added = add(&store).await;
        assert!(added.is_ok(), "call {number}: {added:?}");
        let found = store.count(&"hub".into(), &"group".into()).await;
        assert!(matches!(found, Ok(1)), "query {number}: {found:?}");
    }
    assert!(flushing.try_join_next().is_none(), "the scripts were flushed to the end");
}

#[tokio::test]
async fn why_a_server_lets_nobody_in_is_known() {
    let settings = vec!["maxclients 2".to_owned()];
    let server = RedisServer::start(RedisOptions { settings, ..RedisOptions::default() }).await;
    let (url, mut others) = (server.url(), Vec::new());
    for _ in 0..2 {
        let mut other = TcpStream::connect(server.address()).await.unwrap();
        other.write_all(b"PING\r\n").await.unwrap();
        assert_eq!(other.read(&mut [0; 100]).await.unwrap(), 7);
        others.push(other);
    }
    let mut reasons = Vec::new();
    for _ in 0..50 {
        reasons.push(add(&Redis::url(&url).unwrap().build().unwrap().store()).await.unwrap_err());
    }
    let unknown: Vec<_> = reasons.iter().filter(|reason| !reason.contains("maxclients")).collect();
    assert!(unknown.is_empty(), "{} of {}: {unknown:?}", unknown.len(), reasons.len());
}
