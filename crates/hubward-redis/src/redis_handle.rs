//! A Redis as a program names it: which servers, who asks, and what its keys begin with. Making one does no I/O.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::address::Address;
use crate::backplane::RedisBackplane;
use crate::checks::{self, CheckReport};
use crate::connector::{AddressMap, Connector, Credentials};
use crate::error::{LONGEST_CALL, RedisConfigError};
use crate::key_space::KeySpace;
use crate::shared::Shared;
use crate::store::RedisStore;
use crate::tls::RedisTls;
use crate::topology::{Servers, Topology};
use crate::url;

/// How long after its last heartbeat a node counts as dead.
const LEASE: Duration = Duration::from_secs(15);
/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long Redis may take to respond: less than [`LONGEST_CALL`], so that the reason is known.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(4);

/// A Redis. Cheap to clone; what is made from one works with the same servers and the same prefix.
#[derive(Clone)]
pub struct Redis {
    shared: Arc<Shared>,
}

impl Redis {
    /// Starts from a URL: `redis://user:password@host:6379/0`, `rediss://…` with TLS,
    /// `redis-sentinel://host:26379,host:26379/NAME/0` with the name of the primary, or
    /// `redis-cluster://host:6379,host:6379`. Some of the servers suffice to find the others.
    ///
    /// # Errors
    /// [`RedisConfigError`] says what is wrong with it.
    pub fn url(url: &str) -> Result<RedisBuilder, RedisConfigError> {
        let url::ParsedUrl { servers, has_tls, credentials, database } = url::parse(url)?;
        let tls = has_tls.then(RedisTls::new);
        Ok(RedisBuilder { tls, credentials, database, ..RedisBuilder::new(servers) })
    }

    /// Starts from one server.
    pub fn standalone(address: Address) -> RedisBuilder {
        RedisBuilder::new(Servers::Standalone(address))
    }

    /// Starts from Sentinels, and the name of the primary that they watch.
    pub fn sentinel(sentinels: Vec<Address>, primary: impl Into<String>) -> RedisBuilder {
        RedisBuilder::new(Servers::Sentinel { sentinels, primary: primary.into() })
    }

    /// Starts from some servers of a Redis Cluster.
    pub fn cluster(servers: Vec<Address>) -> RedisBuilder {
        RedisBuilder::new(Servers::Cluster(servers))
    }

    /// Makes the backplane of one node. Each node has its own.
    pub fn backplane(&self) -> RedisBackplane {
        RedisBackplane::new(Arc::clone(&self.shared))
    }

    /// Makes a group store, which is a node registry as well. It connects when it is first called, and needs Tokio.
    pub fn store(&self) -> RedisStore {
        RedisStore::new(Arc::clone(&self.shared))
    }

    /// Looks whether nodes can work with this Redis: whether each primary can be reached, its version, its settings, and
    /// whether the user may do what a node does. It publishes on a channel that nobody subscribes to, and writes to a
    /// key that is gone when the script that wrote it ends. Each question is limited by the timeouts of this Redis.
    ///
    /// ```
    /// # async fn example(redis: hubward_redis::Redis) {
    /// let report = redis.check().await;
    /// for finding in report.findings() {
    ///     println!("{finding}");
    /// }
    /// assert!(report.has_passed());
    /// # }
    /// ```
    pub async fn check(&self) -> CheckReport {
        checks::check(&self.shared).await
    }
}

/// Where it is, such as `10.0.0.7:6379`, without user and password.
impl fmt::Display for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.topology.fmt(f)
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("servers", &self.shared.topology.to_string())
            .field("keys", &self.shared.keys.keys())
            .finish_non_exhaustive()
    }
}

/// Sets what a [`Redis`] is.
#[must_use = "call build()"]
pub struct RedisBuilder {
    servers: Servers,
    credentials: Credentials,
    sentinel_credentials: Credentials,
    tls: Option<RedisTls>,
    database: u32,
    prefix: String,
    lease: Duration,
    connect_timeout: Duration,
    response_timeout: Duration,
    address_map: Option<AddressMap>,
}

impl RedisBuilder {
    fn new(servers: Servers) -> Self {
        Self {
            servers,
            credentials: Credentials::default(),
            sentinel_credentials: Credentials::default(),
            tls: None,
            database: 0,
            prefix: "hubward".to_owned(),
            lease: LEASE,
            connect_timeout: CONNECT_TIMEOUT,
            response_timeout: RESPONSE_TIMEOUT,
            address_map: None,
        }
    }

    /// Sets the user of Redis's ACL. Without one it is Redis's default user.
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.credentials.set_username(username.into());
        self
    }

    /// Sets the password.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.credentials.set_password(password.into());
        self
    }

    /// Sets the user name and the password of the Sentinels, which have their own. Without them, none are sent.
    pub fn sentinel_credentials(mut self, username: Option<String>, password: impl Into<String>) -> Self {
        self.sentinel_credentials = Credentials::new(username, Some(password.into()));
        self
    }

    /// Encrypts the connections, those to Sentinels as well.
    pub fn tls(mut self, tls: RedisTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets the number of the database for keys (0 by default). Messages do not know of databases: use a
    /// [`prefix`](Self::prefix) to keep two uses apart.
    pub fn database(mut self, number: u32) -> Self {
        self.database = number;
        self
    }

    /// Sets what all keys and channels begin with (`hubward` by default). Nodes of one prefix are one cluster.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how long after its last heartbeat a node counts as dead (15 s by default). All nodes need the same.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets how long a connection to Redis may take to open (3 s by default).
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long Redis may take to respond (4 s by default). One that takes longer counts as away. It is less than five
    /// seconds, after which a node gives up each call, and the reason would not be known.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// Changes each address before it is connected to, for servers that announce addresses which cannot be reached from
    /// here, such as behind a port mapping.
    pub fn map_addresses(mut self, map: impl Fn(&Address) -> Address + Send + Sync + 'static) -> Self {
        self.address_map = Some(Arc::new(map));
        self
    }

    /// Checks all of it. Does no I/O.
    ///
    /// # Errors
    /// [`RedisConfigError`] says what is wrong.
    pub fn build(self) -> Result<Redis, RedisConfigError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if self.prefix.is_empty() || self.prefix.len() > 64 || !self.prefix.chars().all(plain) {
            return Err(RedisConfigError::Prefix { given: self.prefix });
        }
        for (option, duration, default) in [
            ("lease", self.lease, LEASE),
            ("connect_timeout", self.connect_timeout, CONNECT_TIMEOUT),
            ("response_timeout", self.response_timeout, RESPONSE_TIMEOUT),
        ] {
            if duration.is_zero() {
                return Err(RedisConfigError::ZeroDuration { option, default });
            }
        }
        if self.response_timeout >= LONGEST_CALL {
            return Err(RedisConfigError::ResponseTimeout { given: self.response_timeout });
        }
        self.servers.check(self.database)?;
        let tls = self.tls.as_ref().map(RedisTls::connector).transpose();
        let tls = tls.map_err(|reason| RedisConfigError::Tls { reason })?;
        let connector = Connector {
            credentials: self.credentials,
            sentinel_credentials: self.sentinel_credentials,
            tls,
            database: self.database,
            connect_timeout: self.connect_timeout,
            response_timeout: self.response_timeout,
            address_map: self.address_map,
        };
        let keys = KeySpace::new(&self.prefix);
        let topology = Topology::new(self.servers, connector);
        let shared = Shared { topology, keys, lease: self.lease, reached: watch::Sender::new(0) };
        Ok(Redis { shared: Arc::new(shared) })
    }
}

impl fmt::Debug for RedisBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBuilder")
            .field("servers", &self.servers.to_string())
            .field("tls", &self.tls)
            .field("database", &self.database)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_prints_a_password() {
        let builder = Redis::url("redis://user:topsecret@h").unwrap().sentinel_credentials(None, "topsecret");
        assert!(!format!("{builder:?}").contains("topsecret"));
        let redis = builder.build().unwrap();
        assert!(!format!("{redis:?}").contains("topsecret"));
        assert_eq!(redis.to_string(), "h:6379");
    }

    #[test]
    fn mistakes_are_named() {
        let url = |url| Redis::url(url).unwrap();
        for (builder, part) in [
            (url("redis://h").prefix("a{b}"), "'a{b}' cannot be a prefix"),
            (url("redis://h").prefix(""), "cannot be a prefix"),
            (url("redis://h").lease(Duration::ZERO), "lease is zero; raise it, or leave it out for 15s"),
            (url("redis://h").connect_timeout(Duration::ZERO), "connect_timeout is zero"),
            (url("redis://h").response_timeout(Duration::ZERO), "response_timeout is zero"),
            (
                url("redis://h").response_timeout(LONGEST_CALL),
                "response_timeout is 5s, but a call fails after 5s anyway",
            ),
            (url("redis://h").response_timeout(Duration::MAX), "lower it"),
            (url("redis-cluster://h").database(1), "has only database 0"),
            (Redis::cluster(vec![]), "no Redis server is given"),
            (Redis::sentinel(vec![], "main"), "no Redis server is given"),
            (url("rediss://h").tls(RedisTls::new().certificate_authority("nonsense")), "TLS to Redis"),
            (url("rediss://h").tls(RedisTls::new().client_certificate("nonsense", "x")), "TLS to Redis"),
        ] {
            let error = builder.build().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
