//! A set of local connections that is walked far more often than it changes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::connection::handle::ConnectionHandle;

/// Connections in a dense list, with their places by key, so that adding, removing and walking are all direct.
#[derive(Default)]
pub(crate) struct Members {
    connections: Vec<Arc<ConnectionHandle>>,
    places: HashMap<u64, usize, std::hash::BuildHasherDefault<KeyHasher>>,
}

impl Members {
    /// Adds a connection; false where it was there already.
    pub(crate) fn add(&mut self, connection: &Arc<ConnectionHandle>) -> bool {
        if self.places.contains_key(&connection.key) {
            return false;
        }
        self.places.insert(connection.key, self.connections.len());
        self.connections.push(connection.clone());
        true
    }

    /// Removes a connection; false where it was not there.
    pub(crate) fn remove(&mut self, key: u64) -> bool {
        let Some(place) = self.places.remove(&key) else { return false };
        self.connections.swap_remove(place);
        if let Some(moved) = self.connections.get(place) {
            self.places.insert(moved.key, place);
        }
        if self.connections.capacity() > 64 && self.connections.len() < self.connections.capacity() / 4 {
            self.connections.shrink_to_fit();
            self.places.shrink_to_fit();
        }
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Arc<ConnectionHandle>> {
        self.connections.iter()
    }
}

/// Hashes keys that this node numbers itself: nobody can choose them, so one multiplication spreads them enough.
#[derive(Default)]
pub(crate) struct KeyHasher(u64);

impl std::hash::Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, key: u64) {
        // The golden ratio's odd multiplier (Knuth) moves entropy to the high bits, which hashbrown uses.
        self.0 = (self.0 ^ key).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}
