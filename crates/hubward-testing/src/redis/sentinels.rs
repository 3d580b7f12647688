//! A primary and a replica, watched by three Sentinels.

use std::net::SocketAddr;

use crate::redis::options::RedisOptions;
use crate::redis::server::{RedisServer, has_caught_up, info_is};
use crate::wait::eventually;

/// The name that the Sentinels know the primary by.
const NAME: &str = "hubward";

/// How many Sentinels must agree that a primary is down.
const QUORUM: usize = 2;

/// After how long without an answer a Sentinel considers a server down. Long for a machine that is only busy.
const DOWN_AFTER_MS: usize = 1000;

/// How often Sentinels ask and greet each other and the servers. By default it takes them ten seconds to notice a change.
const PERIODS: [&str; 6] = ["info-period", "500", "publish-period", "500", "ping-period", "250"];

/// A primary and a replica with three Sentinels.
#[derive(Debug)]
pub struct RedisSentinels {
    servers: [RedisServer; 2],
    sentinels: [RedisServer; 3],
}

impl RedisSentinels {
    /// Starts all five, and waits until the Sentinels know each other and both servers.
    pub async fn start() -> Self {
        // By default a primary waits five seconds for more replicas before it sends its data.
        let at_once = "repl-diskless-sync-delay 0".to_owned();
        let settings = vec![at_once.clone()];
        let primary = RedisServer::start(RedisOptions { settings, ..RedisOptions::default() }).await;
        let settings = vec![at_once, format!("replicaof 127.0.0.1 {}", primary.address().port())];
        let replica = RedisServer::start(RedisOptions { settings, ..RedisOptions::default() }).await;
        info_is(&replica, "master_link_status", "up").await;
        let start = || start_sentinel(primary.address());
        let sentinels = [start().await, start().await, start().await];
        let this = Self { servers: [primary, replica], sentinels };
        this.ready().await;
        this
    }

    /// The name that the Sentinels know the primary by.
    pub fn name(&self) -> &str {
        NAME
    }

    /// Returns the URL that names the Sentinels and the primary.
    pub fn url(&self) -> String {
        let [first, second, third] = self.addresses();
        format!("redis-sentinel://{first},{second},{third}/{NAME}")
    }

    /// Returns where the Sentinels listen.
    pub fn addresses(&self) -> [SocketAddr; 3] {
        self.sentinels.each_ref().map(RedisServer::address)
    }

    /// Returns the two servers, whichever is the primary, for a test to pause, to restart or to ask.
    pub fn servers(&mut self) -> &mut [RedisServer; 2] {
        &mut self.servers
    }

    /// Returns the three Sentinels.
    pub fn sentinels(&mut self) -> &mut [RedisServer; 3] {
        &mut self.sentinels
    }

    /// Returns the server that the first Sentinel considers the primary.
    pub async fn primary(&self) -> &RedisServer {
        &self.servers[self.primary_index().await]
    }

    /// Lets the Sentinels make the replica the primary, and waits until both servers have their new roles.
    pub async fn failover(&self) {
        let before = self.primary_index().await;
        self.sentinels[0].cli(&["sentinel", "failover", NAME]).await;
        self.failed_over_from(before).await;
        self.ready().await;
    }

    /// Kills the primary, and waits until all Sentinels consider the other server the primary. Returns which of
    /// [`servers`](Self::servers) was killed; a replica is what it becomes when it restarts.
    pub async fn kill_primary(&mut self) -> usize {
        let before = self.primary_index().await;
        self.servers[before].kill();
        self.failed_over_from(before).await;
        before
    }

    /// Waits until the Sentinels know each other and both servers, and the replica follows the primary.
    pub async fn ready(&self) {
        let is_known = ["num-slaves\n1\n", "num-other-sentinels\n2\n", "flags\nmaster\n"];
        for sentinel in &self.sentinels {
            eventually("a Sentinel that knows the others", async || {
                let state = sentinel.cli(&["sentinel", "master", NAME]).await;
                is_known.iter().all(|known| state.contains(known))
            })
            .await;
        }
        let replica = &self.servers[1 - self.primary_index().await];
        info_is(replica, "role", "slave").await;
        info_is(replica, "master_link_status", "up").await;
    }

    /// Waits until the replica has all that the primary has now. Redis does not wait for that: what is written just
    /// before a failover may be lost by it.
    pub async fn replicated(&self) {
        let primary = self.primary_index().await;
        has_caught_up(&self.servers[1 - primary], &self.servers[primary]).await;
    }

    async fn failed_over_from(&self, before: usize) {
        let after = &self.servers[1 - before];
        for sentinel in &self.sentinels {
            eventually("the failover", async || primary_of(sentinel).await == after.address()).await;
        }
        info_is(after, "role", "master").await;
    }

    async fn primary_index(&self) -> usize {
        let address = primary_of(&self.sentinels[0]).await;
        self.servers.iter().position(|server| server.address() == address).unwrap()
    }
}

async fn start_sentinel(primary: SocketAddr) -> RedisServer {
    let watched = format!("sentinel monitor {NAME} {} {} {QUORUM}", primary.ip(), primary.port());
    let down_after = format!("sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}");
    // A failover is tried again after twice this; the next one of the same primary may begin after as long.
    let timeout = format!("sentinel failover-timeout {NAME} 2000");
    let settings = vec![watched, down_after, timeout];
    let options = RedisOptions { settings, ..RedisOptions::default() };
    let sentinel = RedisServer::start_with(options, &["--sentinel"], Vec::new()).await;
    sentinel.cli(&[&["sentinel", "debug"], &PERIODS[..]].concat()).await;
    sentinel
}

async fn primary_of(sentinel: &RedisServer) -> SocketAddr {
    let reply = sentinel.cli(&["sentinel", "get-master-addr-by-name", NAME]).await;
    let (host, port) = reply.split_once('\n').unwrap();
    SocketAddr::new(host.parse().unwrap(), port.parse().unwrap())
}
