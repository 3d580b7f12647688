//! Which servers there are, and which of them is for what.

mod cluster;
mod primaries;
mod sentinel;

use std::fmt;

use futures_util::future::select_ok;
use parking_lot::Mutex;

pub(crate) use self::primaries::Primaries;
use crate::address::Address;
use crate::connector::Connector;
use crate::error::{RedisConfigError, RedisFailure};

/// The servers that a program names.
#[derive(Clone, Debug)]
pub(crate) enum Servers {
    Standalone(Address),
    Sentinel { sentinels: Vec<Address>, primary: String },
    Cluster(Vec<Address>),
}

impl Servers {
    pub(crate) fn check(&self, database: u32) -> Result<(), RedisConfigError> {
        match self {
            Self::Standalone(_) => Ok(()),
            Self::Sentinel { primary, .. } if primary.is_empty() => Err(RedisConfigError::SentinelName),
            Self::Sentinel { sentinels: addresses, .. } | Self::Cluster(addresses)
                if addresses.is_empty() =>
            {
                Err(RedisConfigError::NoServers)
            }
            Self::Cluster(_) if database != 0 => Err(RedisConfigError::ClusterDatabase),
            Self::Sentinel { .. } | Self::Cluster(_) => Ok(()),
        }
    }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |addresses: &[Address]| addresses.iter().map(Address::to_string).collect::<Vec<_>>().join(",");
        match self {
            Self::Standalone(address) => write!(f, "{address}"),
            Self::Sentinel { sentinels, primary } => write!(f, "{}/{primary}", list(sentinels)),
            Self::Cluster(servers) => f.write_str(&list(servers)),
        }
    }
}

/// The servers, and how to connect to them.
pub(crate) struct Topology {
    servers: Servers,
    pub(crate) connector: Connector,
    /// The primaries of a Cluster as they were found last: those that a program has named may be gone by now.
    known: Mutex<Vec<Address>>,
}

impl Topology {
    pub(crate) fn new(servers: Servers, connector: Connector) -> Self {
        Self { servers, connector, known: Mutex::default() }
    }

    /// Whether there is a Redis Cluster: messages are published on shards.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.servers, Servers::Cluster(_))
    }

    /// Finds the primaries. The first server that knows them decides.
    pub(crate) async fn primaries(&self) -> Result<Primaries, RedisFailure> {
        match &self.servers {
            Servers::Standalone(address) => Ok(Primaries::one(address.clone())),
            Servers::Sentinel { sentinels, primary } => {
                let asked =
                    sentinels.iter().map(|at| Box::pin(sentinel::primary(&self.connector, at, primary)));
                Ok(Primaries::one(select_ok(asked).await?.0))
            }
            Servers::Cluster(servers) => {
                let mut servers = servers.clone();
                servers.extend(self.known.lock().iter().cloned());
                let asked = servers.iter().map(|at| Box::pin(cluster::primaries(&self.connector, at)));
                let primaries = select_ok(asked).await?.0;
                *self.known.lock() = primaries.addresses().to_vec();
                Ok(primaries)
            }
        }
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.servers.fmt(f)
    }
}
