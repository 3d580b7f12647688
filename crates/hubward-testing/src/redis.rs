//! Real Redis for tests: a server, a primary with Sentinels, a Cluster. Each is made of `redis-server` processes on ports
//! of their own, with a temporary folder each, and ends with the test that started it, also where the test is killed.
//!
//! It needs `redis-server` and `redis-cli` 7.0 or later, and `openssl` for TLS. It knows nothing of the crate that is
//! tested with it: what it asks a server, it asks with `redis-cli`.

mod cli;
mod cluster;
mod options;
mod sentinels;
mod server;

pub use crate::certificates::Certificates;
pub use cluster::{RedisCluster, SLOTS};
pub use options::{RedisOptions, Tls};
pub use sentinels::RedisSentinels;
pub use server::{Data, RedisServer};
