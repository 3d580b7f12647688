//! All three traits within one process: for a single node, for the demo, and for tests with several nodes. Nothing
//! is stored beyond the life of the process, and nothing is sent out of it.

mod bans;
mod claims;
mod cursors;
mod group;
mod indexes;
mod network;
mod nodes;
mod parked;
mod peer;
mod records;
mod registry;
mod store;

pub use network::{InMemoryBackplane, InMemoryNetwork};
pub use store::InMemoryStore;
