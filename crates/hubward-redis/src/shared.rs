//! What backplane and store of a Redis share: which servers, under which names, and how long a node may be silent.

use std::time::Duration;

use tokio::sync::watch;

use crate::key_space::KeySpace;
use crate::topology::Topology;

pub(crate) struct Shared {
    pub(crate) topology: Topology,
    pub(crate) keys: KeySpace,
    pub(crate) lease: Duration,
    /// How often a backplane has reached Redis again: a store that waits to try again need not wait any more.
    pub(crate) reached: watch::Sender<u64>,
}
