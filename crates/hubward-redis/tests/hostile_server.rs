//! A Redis that is broken or hostile: what it costs a node, and what becomes of calls.
#![allow(clippy::unwrap_used, reason = "a failure here is to fail a test")]

mod support;

use std::time::Duration;

use hubward_backplane::{GroupStore, NodeRegistry};
use hubward_redis::{Redis, RedisStore};
use hubward_testing::eventually;
use tokio::time::Instant;

use support::fake_redis::{Answer, FakeRedis, name, usual};

/// For how long a test looks at what a server that is asked again and again is asked.
const WHILE: Duration = Duration::from_secs(2);

fn store(server: &FakeRedis) -> RedisStore {
    Redis::url(&server.url()).unwrap().build().unwrap().store()
}

async fn add(store: &RedisStore) -> Result<(), String> {
    let added = store.add_user(&"hub".into(), &"group".into(), &"user".into(), None).await;
    added.map(drop).map_err(|error| format!("{error:?}"))
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
