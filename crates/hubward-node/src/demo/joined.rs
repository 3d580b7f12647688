//! How the nodes of the demo are joined: in the memory of this process, or by a Redis.

use std::net::SocketAddr;

use hubward::auth::{KeyRing, SealingKey};
use hubward::redis::Redis;
use hubward::{Builder, Cluster, StartError};

use crate::command::DemoOptions;
use crate::config::{Config, Sources};
use crate::failure::Failure;

/// The environment variable that holds what the processes of one demo seal connection tokens with.
pub(super) const TOKEN_KEY_VARIABLE: &str = "HUBWARD_DEMO_TOKEN_KEY";

pub(super) enum Joined {
    InMemory(Cluster),
    Redis(Redis, KeyRing),
}

impl Joined {
    pub(super) fn new(options: &DemoOptions) -> Result<Self, Failure> {
        match redis(options)? {
            None => Ok(Self::InMemory(Cluster::in_memory())),
            Some(redis) => {
                let key = std::env::var(TOKEN_KEY_VARIABLE)?;
                Ok(Self::Redis(redis, KeyRing::new(vec![sealing_key(&key)?])?))
            }
        }
    }

    /// Says which Redis it is that cannot be worked with, and where there is more about it.
    pub(super) fn explain(&self, error: StartError) -> Failure {
        match self {
            Self::InMemory(_) => error.into(),
            Self::Redis(redis, _) => format!(
                "Redis at {redis}: {error:?}; `hubward check` with the same --redis or --config says more"
            )
            .into(),
        }
    }

    pub(super) fn join(&self, builder: Builder, name: &str) -> Result<Builder, Failure> {
        Ok(match self {
            Self::InMemory(cluster) => builder.join(cluster, name),
            Self::Redis(redis, keys) => {
                // The processes of a demo run on one machine.
                let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
                builder.redis(redis, name, keys.clone()).internal_listener(loopback)
            }
        })
    }
}

/// The Redis that joins the nodes, if any is configured. The demo has a prefix of its own, so that it may share a Redis with
/// others.
pub(super) fn redis(options: &DemoOptions) -> Result<Option<Redis>, Failure> {
    let config = Config::load(Sources {
        file: options.config.as_deref(),
        environment: std::env::vars_os().collect(),
        redis_url: options.redis.as_ref(),
        other_defaults: &[("redis.prefix", "hubward-demo")],
    })?;
    Ok(config.redis)
}

fn sealing_key(text: &str) -> Result<SealingKey, Failure> {
    let bytes = text.as_bytes().first_chunk().ok_or("a key for connection tokens has 32 bytes")?;
    Ok(SealingKey::from_bytes(*bytes)?)
}
