//! Real Redis servers for the suites: one of each kind for all tests of a file, and a prefix of its own for each test. Nodes
//! are the user that the guide says suffices.
#![allow(dead_code, reason = "each file of tests uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure here is to fail a test"
)]

pub(crate) mod acl;
pub(crate) mod fake_redis;
pub(crate) mod network;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hubward_backplane::conformance::stores::Stores;
use hubward_redis::{Address, Redis, RedisBuilder, RedisTls};
use hubward_testing::redis::{self, RedisCluster, RedisOptions, RedisSentinels, RedisServer};
use tokio::sync::OnceCell;

/// Servers that tests share.
pub(crate) struct Servers {
    new: Box<dyn Fn() -> RedisBuilder + Send + Sync>,
    /// Where they listen, those included that Redis itself names.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Those that have data.
    pub(crate) servers: Vec<&'static RedisServer>,
}

impl Servers {
    /// Makes a builder with a prefix that no other test has.
    pub(crate) fn redis(&self) -> RedisBuilder {
        (self.new)().prefix(prefix()).username(acl::USER).password(acl::PASSWORD)
    }

    /// Runs a command on every server that has data.
    pub(crate) async fn cli(&self, command: &[&str]) {
        for server in &self.servers {
            server.cli(command).await;
        }
    }
}

/// What matches the prefixes of all tests.
const PREFIXES: &str = "test-*";

pub(crate) fn prefix() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// One server.
pub(crate) async fn standalone() -> Servers {
    static SERVER: OnceCell<RedisServer> = OnceCell::const_new();
    let start = async || {
        let server = RedisServer::start(RedisOptions::default()).await;
        acl::set(&server, acl::USER, &acl::of_servers(PREFIXES)).await;
        server
    };
    let server = SERVER.get_or_init(start).await;
    let url = server.url();
    Servers {
        new: Box::new(move || Redis::url(&url).unwrap()),
        addresses: vec![server.address()],
        servers: vec![server],
    }
}

/// One server that speaks TLS and asks for a client's certificate.
pub(crate) async fn tls() -> Servers {
    static SERVER: OnceCell<RedisServer> = OnceCell::const_new();
    let options = RedisOptions { tls: redis::Tls::WithClientCertificates, ..RedisOptions::default() };
    let start = async || {
        let server = RedisServer::start(options).await;
        acl::set(&server, acl::USER, &acl::of_servers(PREFIXES)).await;
        server
    };
    let server = SERVER.get_or_init(start).await;
    let url = server.url();
    assert!(url.starts_with("rediss://"), "{url}");
    let certificates = server.certificates().unwrap();
    let read = |path: &std::path::Path| std::fs::read(path).unwrap();
    let tls = RedisTls::new()
        .certificate_authority(read(&certificates.authority))
        .client_certificate(read(&certificates.client), read(&certificates.client_key));
    Servers {
        new: Box::new(move || Redis::url(&url).unwrap().tls(tls.clone())),
        addresses: vec![server.address()],
        servers: vec![server],
    }
}

/// A primary with a replica and three Sentinels.
pub(crate) async fn sentinels() -> Servers {
    static STARTED: OnceCell<(Vec<Address>, String, Group)> = OnceCell::const_new();
    let start = async || {
        // They end with the process of the test.
        let sentinels = Box::leak(Box::new(RedisSentinels::start().await));
        let (watching, name) = (sentinels.addresses(), sentinels.name().to_owned());
        for sentinel in sentinels.sentinels() {
            acl::set(sentinel, acl::USER, &acl::of_sentinels()).await;
        }
        let servers: &'static [RedisServer] = sentinels.servers();
        for server in servers {
            acl::set(server, acl::USER, &acl::of_servers(PREFIXES)).await;
        }
        let addresses = servers.iter().map(RedisServer::address).chain(watching).collect();
        (watching.map(address).to_vec(), name, Group { addresses, servers })
    };
    let (watching, name, group) = STARTED.get_or_init(start).await;
    group.reached_by(move || {
        let redis = Redis::sentinel(watching.clone(), name.clone());
        redis.sentinel_credentials(Some(acl::USER.to_owned()), acl::PASSWORD)
    })
}

/// Three primaries with three replicas.
pub(crate) async fn cluster() -> Servers {
    static STARTED: OnceCell<(Vec<Address>, Group)> = OnceCell::const_new();
    let start = async || {
        // They end with the process of the test.
        let cluster = Box::leak(Box::new(RedisCluster::start().await));
        let addresses = cluster.addresses();
        let named = addresses.iter().copied().map(address).collect();
        let servers: &'static [RedisServer] = cluster.nodes();
        for server in servers {
            acl::set(server, acl::USER, &acl::of_servers(PREFIXES)).await;
        }
        (named, Group { addresses, servers })
    };
    let (named, group) = STARTED.get_or_init(start).await;
    group.reached_by(move || Redis::cluster(named.clone()))
}

/// Servers that know each other.
struct Group {
    addresses: Vec<SocketAddr>,
    servers: &'static [RedisServer],
}

impl Group {
    fn reached_by(&self, new: impl Fn() -> RedisBuilder + Send + Sync + 'static) -> Servers {
        let (addresses, servers) = (self.addresses.clone(), self.servers.iter().collect());
        Servers { new: Box::new(new), addresses, servers }
    }
}

pub(crate) fn address(address: SocketAddr) -> Address {
    Address::new(address.ip().to_string(), address.port())
}

/// Makes empty stores, one after the other.
pub(crate) async fn stores(
    servers: impl Future<Output = Servers>,
) -> impl Fn(Duration) -> Stores + Send + Sync {
    let servers = servers.await;
    move |lease| Stores::of(servers.redis().lease(lease).build().unwrap().store())
}
