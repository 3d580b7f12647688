//! A set of local connections that is walked far more often than it changes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::connection::handle::Link;

/// Connections in a dense list, with their places by key, so that adding, removing and walking are all direct.
#[derive(Default)]
pub(crate) struct Members {
    links: Vec<Arc<Link>>,
    places: HashMap<u64, usize, std::hash::BuildHasherDefault<KeyHasher>>,
}

impl Members {
    /// Adds a connection; false where it was there already.
    pub(crate) fn add(&mut self, link: &Arc<Link>) -> bool {
        if self.places.contains_key(&link.key) {
            return false;
        }
        self.places.insert(link.key, self.links.len());
        self.links.push(link.clone());
        true
    }

    /// Removes a connection; false where it was not there.
    pub(crate) fn remove(&mut self, key: u64) -> bool {
        let Some(place) = self.places.remove(&key) else { return false };
        self.links.swap_remove(place);
        if let Some(moved) = self.links.get(place) {
            self.places.insert(moved.key, place);
        }
        if self.links.capacity() > 64 && self.links.len() < self.links.capacity() / 4 {
            self.links.shrink_to_fit();
            self.places.shrink_to_fit();
        }
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Arc<Link>> {
        self.links.iter()
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
