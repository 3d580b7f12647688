//! A set of local connections that is walked far more often than it changes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::connection::handle::ConnectionHandle;

/// Capacity that a set keeps however few its members are: freeing less is not worth the copying.
const KEPT_MEMBERS: usize = 64;

/// Connections in a dense list, with their places by key: adding and removing take constant time, and walking reads one
/// list from end to end.
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
        if self.connections.capacity() > KEPT_MEMBERS
            && self.connections.len() < self.connections.capacity() / 4
        {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::testing::handle;

    fn handles(count: usize) -> Vec<Arc<ConnectionHandle>> {
        (0..count).map(|number| handle(&format!("c{number}"))).collect()
    }

    fn members_of(connections: &[Arc<ConnectionHandle>]) -> Members {
        let mut members = Members::default();
        assert!(connections.iter().all(|connection| members.add(connection)));
        members
    }

    fn ids(members: &Members) -> Vec<&str> {
        members.iter().map(|connection| connection.id.as_str()).collect()
    }

    #[test]
    fn a_connection_is_added_once_and_removed_once() {
        let connection = handle("c0");
        let mut members = Members::default();
        assert!(members.add(&connection));
        assert!(!members.add(&connection));
        assert_eq!(ids(&members), ["c0"]);
        assert!(members.remove(connection.key));
        assert!(!members.remove(connection.key));
        assert!(members.is_empty());
    }

    #[test]
    fn the_last_connection_takes_the_place_of_a_removed_one_and_is_found_there() {
        let connections = handles(3);
        let mut members = members_of(&connections);
        assert!(members.remove(connections[0].key));
        assert_eq!(ids(&members), ["c2", "c1"]);
        assert!(members.remove(connections[2].key));
        assert_eq!(ids(&members), ["c1"]);
    }

    #[test]
    fn a_set_holds_what_was_added_and_not_removed_in_whatever_order() {
        let connections = handles(100);
        let (mut members, mut expected) = (Members::default(), BTreeSet::new());
        let mut random: u64 = 1;
        for _ in 0..5000 {
            random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            let connection = &connections[(random >> 33) as usize % connections.len()];
            if random >> 63 == 0 {
                assert_eq!(members.add(connection), expected.insert(connection.id.as_str()));
            } else {
                assert_eq!(members.remove(connection.key), expected.remove(connection.id.as_str()));
            }
            let mut found = ids(&members);
            found.sort_unstable();
            assert!(found.iter().eq(&expected), "{found:?} is not {expected:?}");
        }
    }

    #[test]
    fn a_set_that_has_shrunk_far_frees_its_memory() {
        let connections = handles(1000);
        let mut members = members_of(&connections);
        for connection in &connections[10..] {
            members.remove(connection.key);
        }
        assert_eq!(members.iter().count(), 10);
        assert!(members.connections.capacity() <= 64, "{}", members.connections.capacity());
        assert!(members.places.capacity() <= 128, "{}", members.places.capacity());
    }
}
