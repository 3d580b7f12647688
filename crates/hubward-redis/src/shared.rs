//! What backplane and store of a Redis share: which servers, under which names, and how long a node may be silent.

use std::time::Duration;

use crate::key_space::KeySpace;
use crate::topology::Topology;

pub(crate) struct Shared {
    pub(crate) topology: Topology,
    pub(crate) keys: KeySpace,
    pub(crate) lease: Duration,
}
