//! What joins nodes through Redis: a [`Backplane`](hubward_backplane::Backplane) on its pub/sub, and a
//! [`GroupStore`](hubward_backplane::GroupStore) with a [`NodeRegistry`](hubward_backplane::NodeRegistry) in its keys. It
//! works with a standalone Redis, with Sentinel and with Cluster, with and without TLS; Redis 7.0 or newer, or Valkey.
//!
//! ```
//! use hubward_redis::Redis;
//!
//! # fn example() -> Result<(), hubward_redis::RedisConfigError> {
//! let redis = Redis::url("redis://:secret@127.0.0.1:6379/0")?.prefix("clinic").build()?;
//! let (backplane, store) = (redis.backplane(), redis.store());
//! # Ok(())
//! # }
//! ```
//!
//! # What it costs Redis
//!
//! A node has two connections for messages to each server that carries any (one that publishes, one that subscribes), one
//! for changes of groups, and a few for queries. A message is one `PUBLISH` for each topic. What opens, joins, leaves or
//! ends is one script, and so one round trip.
//!
//! # Where things are
//!
//! All keys of a prefix have the same hash tag, so that each change is one step of one server, also in a Cluster: the
//! groups of a prefix live on one of its primaries. Channels have no hash tag: in a Cluster, messages are spread over all
//! primaries by sharded pub/sub. What each key is for is said in `key_space.rs`.

mod address;
mod backoff;
mod backplane;
mod checks;
mod connection;
mod connection_advice;
mod connector;
mod error;
mod key_space;
mod limited_count;
mod redis_handle;
mod shared;
mod store;
mod tls;
mod topology;
mod url;

pub use address::Address;
pub use backplane::RedisBackplane;
pub use checks::{CheckOutcome, CheckReport, Finding};
pub use error::{RedisConfigError, RedisFailure};
pub use redis_handle::{Redis, RedisBuilder};
pub use store::RedisStore;
pub use tls::RedisTls;
