//! A storm of connects: all clients of a node that has gone connect to others at once. Time and CPU with and without Redis,
//! and what Redis is asked.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use hubward_testing::redis::{RedisOptions, RedisServer};
use hubward_tests::{Connect, TestClient};
use tokio::time::Instant;

use crate::processes::{Measured, cpu, microseconds_each, token};

const NODES: usize = 2;
/// Connections of each node: 20,000 open files, as a client's process is often allowed, suffice.
const CONNECTS: usize = 5_000;
/// How many connect at a time.
const AT_ONCE: usize = 200;
/// Users, who have as many connections each as it takes.
const USERS: usize = 1_000;

pub(crate) async fn measure() {
    println!(
        "{CONNECTS} connects to each of {NODES} nodes, {AT_ONCE} at a time: negotiate, WebSocket, handshake."
    );
    storm("without Redis", &[], None).await;
    let redis = RedisServer::start(RedisOptions::default()).await;
    storm("with Redis", &["--redis", &redis.url()], Some(&redis)).await;
    storm("without Redis", &[], None).await;
    storm("with Redis", &["--redis", &redis.url(), "--redis-prefix", "again"], Some(&redis)).await;
}

async fn storm(name: &str, arguments: &[&str], redis: Option<&RedisServer>) {
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(Measured::node(arguments).await);
    }
    let tokens: Vec<String> = (0..USERS).map(|user| token(&format!("user-{user}"))).collect();
    if let Some(redis) = redis {
        redis.cli(&["config", "resetstat"]).await;
    }
    let cpu_of_all = || {
        let ids = nodes.iter().map(Measured::id);
        let used = ids.map(cpu).sum::<Duration>();
        [used, redis.map_or(Duration::ZERO, |redis| cpu(redis.process_id()))]
    };
    let (before, began) = (cpu_of_all(), Instant::now());
    let connecting = (0..NODES * CONNECTS).map(|number| {
        let connect = Connect::new(nodes[number % NODES].address(), "/cluster");
        let connect = connect.token(&tokens[number % USERS]);
        async move { connect.open().await }
    });
    let clients: Vec<TestClient> = stream::iter(connecting).buffer_unordered(AT_ONCE).collect().await;
    let time = began.elapsed();
    let after = cpu_of_all();
    let each = |place: usize| microseconds_each(after[place] - before[place], clients.len());
    println!(
        "  {name:14} {:5.2} s; CPU of the nodes {:6.1} µs a connect, of Redis {:5.1} µs",
        time.as_secs_f64(),
        each(0),
        each(1)
    );
    if let Some(redis) = redis {
        println!("                 commands: {}", commands(redis).await);
    }
}

/// What nodes have sent since the last reset, without what scripts call.
async fn commands(redis: &RedisServer) -> String {
    let info = redis.cli(&["info", "commandstats"]).await;
    let count = |name: &str| {
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_")?.strip_prefix(name)?.strip_prefix(":calls="));
        line.and_then(|line| line.split(',').next()).map(|calls| format!("{calls} {}", name.to_uppercase()))
    };
    let names = ["evalsha", "subscribe", "unsubscribe", "publish", "ping"];
    names.into_iter().filter_map(count).collect::<Vec<_>>().join(", ")
}
