//! A set of local connections that is walked while it changes.
//!
//! A walk takes one portion of the set after another, and holds the lock of one portion at a time: whoever joins or
//! leaves waits for some hundred recipients at most, however many a message has. A member never moves between portions,
//! so that a walk visits everybody once who is in the set from its beginning to its end. It visits nobody who has left:
//! removing waits for the walks of that portion.

use std::collections::HashMap;
use std::sync::Arc;

use hubward_proto::Protocol;
use parking_lot::RwLock;

use crate::connection::handle::ConnectionHandle;

/// Members that one lock covers: enough that a walk is hardly slowed by locks, and so few that to wait for all of them
/// takes less than a tenth of a millisecond.
const PORTION: usize = 256;

/// Capacity that a list keeps however few are in it: freeing less is not worth the copying.
const KEPT_MEMBERS: usize = 64;

/// Lock order: `state`, then a portion, then a mailbox.
#[derive(Default)]
pub(crate) struct Members {
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    /// A portion keeps its place, also when it is empty.
    portions: Vec<Arc<Portion>>,
    /// The portions that are not full.
    with_room: Vec<usize>,
    /// The portion of each member by key, where there are several.
    places: HashMap<u64, usize, std::hash::BuildHasherDefault<KeyHasher>>,
    /// How many speak each protocol.
    speaking: [usize; Protocol::ALL.len()],
    /// How many have ever been added.
    added: u64,
    /// Whether nobody may be added any more: whoever keeps the set has forgotten it.
    closed: bool,
}

#[derive(Default)]
struct Portion(RwLock<Vec<Member>>);

struct Member {
    key: u64,
    /// Its number among all that were ever added.
    number: u64,
    connection: Arc<ConnectionHandle>,
}

/// Whether a connection was added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Added {
    New,
    Known,
    /// The set is closed.
    Closed,
}

impl Members {
    /// Adds a connection. Whoever begins a walk from now on visits it.
    pub(crate) fn add(&self, connection: &Arc<ConnectionHandle>) -> Added {
        let mut state = self.state.write();
        if state.closed {
            return Added::Closed;
        }
        if state.portion_of(connection.key).is_some() {
            return Added::Known;
        }
        state.add(connection);
        Added::New
    }

    /// Removes a connection; false where it was not there. No walk visits it from now on.
    pub(crate) fn remove(&self, key: u64) -> bool {
        // Dropped after the locks: the last holder drops what the hub has noted with the connection.
        let removed = self.state.write().remove(key);
        removed.is_some()
    }

    /// Closes the set if nobody is in it, and returns whether it is closed.
    pub(crate) fn close_if_empty(&self) -> bool {
        let mut state = self.state.write();
        state.closed |= state.is_empty();
        state.closed
    }

    /// Begins a walk of all that are in the set now.
    pub(crate) fn walk(self: Arc<Self>) -> Walk {
        let state = self.state.read();
        let (until, protocols) = (state.added, state.speaking.map(|speaking| speaking > 0));
        drop(state);
        Walk { members: self, until, protocols }
    }
}

/// A walk that has begun.
pub(crate) struct Walk {
    members: Arc<Members>,
    /// Whoever was added later is not visited: it may have been visited already, and have left and come back.
    until: u64,
    protocols: [bool; Protocol::ALL.len()],
}

impl Walk {
    /// The protocols of those who will be visited, so that messages are encoded while no lock is held.
    pub(crate) fn protocols(&self) -> impl Iterator<Item = Protocol> {
        Protocol::ALL
            .into_iter()
            .zip(self.protocols)
            .filter_map(|(protocol, spoken)| spoken.then_some(protocol))
    }

    /// Visits all. `visit` is called under a lock: it runs no code of the hub, and does not wait.
    pub(crate) fn visit(self, mut visit: impl FnMut(&Arc<ConnectionHandle>)) {
        for place in 0.. {
            let portion = self.members.state.read().portions.get(place).cloned();
            let Some(portion) = portion else { break };
            for member in portion.0.read().iter().filter(|member| member.number < self.until) {
                visit(&member.connection);
            }
        }
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.speaking.iter().all(|speaking| *speaking == 0)
    }

    fn portion_of(&self, key: u64) -> Option<usize> {
        match &*self.portions {
            [] => None,
            [only] => only.0.read().iter().any(|member| member.key == key).then_some(0),
            _ => self.places.get(&key).copied(),
        }
    }

    fn add(&mut self, connection: &Arc<ConnectionHandle>) {
        if self.with_room.is_empty() {
            self.add_portion();
        }
        let Some((place, portion)) = self.with_room.last().and_then(|p| Some((*p, self.portions.get(*p)?)))
        else {
            return;
        };
        let mut members = portion.0.write();
        members.push(Member { key: connection.key, number: self.added, connection: connection.clone() });
        if members.len() == PORTION {
            self.with_room.pop();
        }
        drop(members);
        if self.portions.len() > 1 {
            self.places.insert(connection.key, place);
        }
        self.added += 1;
        self.count(connection, usize::wrapping_add);
    }

    fn add_portion(&mut self) {
        if let [only] = &*self.portions {
            self.places.extend(only.0.read().iter().map(|member| (member.key, 0)));
        }
        self.with_room.push(self.portions.len());
        self.portions.reserve_exact(usize::from(self.portions.is_empty()));
        self.portions.push(Arc::default());
    }

    fn remove(&mut self, key: u64) -> Option<Arc<ConnectionHandle>> {
        let place = self.portion_of(key)?;
        let mut members = self.portions.get(place)?.0.write();
        let position = members.iter().position(|member| member.key == key)?;
        if members.len() == PORTION {
            self.with_room.push(place);
        }
        let Member { connection, .. } = members.swap_remove(position);
        if members.capacity() > KEPT_MEMBERS && members.len() < members.capacity() / 4 {
            members.shrink_to_fit();
        }
        drop(members);
        self.places.remove(&key);
        if self.places.capacity() > KEPT_MEMBERS && self.places.len() < self.places.capacity() / 4 {
            self.places.shrink_to_fit();
        }
        self.count(&connection, usize::wrapping_sub);
        Some(connection)
    }

    fn count(&mut self, connection: &ConnectionHandle, change: fn(usize, usize) -> usize) {
        if let Some(speaking) = self.speaking.get_mut(connection.protocol.index()) {
            *speaking = change(*speaking, 1);
        }
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
mod tests;
