//! Both seams within one process: for a node alone, for the demo, and for tests of several nodes. Nothing is
//! kept beyond the process, and nothing is sent out of it.

mod group;
mod network;
mod store;
#[cfg(test)]
mod tests;

pub use network::{InMemoryBackplane, InMemoryNetwork};
pub use store::InMemoryGroupStore;
