//! Which connections have moved from this node to which other one: other nodes go on sending here what is for one of them
//! alone, as long as this node lives, and it passes that on.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use hubward_types::{ConnectionId, NodeId, UserId};
use parking_lot::Mutex;

/// Entries of one generation: more than a node has connections, so that none is forgotten that anybody still sends to.
const GENERATION_ENTRIES: usize = 64 * 1024;

/// Bounded: of more than twice as many, the oldest are forgotten, and nobody receives what is sent to them here.
#[derive(Default)]
pub(crate) struct MovedConnections {
    /// Whether any has moved: what each message looks at.
    any: AtomicBool,
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: Generation,
    old: Generation,
}

#[derive(Default)]
struct Generation {
    connections: HashMap<ConnectionId, (NodeId, Option<UserId>)>,
    users: HashMap<UserId, HashSet<ConnectionId>>,
}

impl Generation {
    fn insert(&mut self, connection: ConnectionId, to: NodeId, user: Option<UserId>) {
        self.remove(&connection);
        if let Some(user) = &user {
            self.users.entry(user.clone()).or_default().insert(connection.clone());
        }
        self.connections.insert(connection, (to, user));
    }

    fn remove(&mut self, connection: &ConnectionId) {
        let Some((_, Some(user))) = self.connections.remove(connection) else { return };
        if let Some(of_user) = self.users.get_mut(&user) {
            of_user.remove(connection);
            if of_user.is_empty() {
                self.users.remove(&user);
            }
        }
    }

    fn node_of(&self, connection: &ConnectionId) -> Option<&NodeId> {
        self.connections.get(connection).map(|(node, _)| node)
    }

    fn nodes_of_user(&self, user: &UserId) -> impl Iterator<Item = &NodeId> {
        self.users.get(user).into_iter().flatten().filter_map(|connection| self.node_of(connection))
    }
}

impl MovedConnections {
    /// Whether any connection has moved.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Notes where a connection is now.
    pub(crate) fn note(&self, connection: ConnectionId, user: Option<UserId>, to: NodeId) {
        let mut generations = self.generations.lock();
        if generations.young.connections.len() >= GENERATION_ENTRIES {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.old.remove(&connection);
        generations.young.insert(connection, to, user);
        self.any.store(true, Ordering::Release);
    }

    /// Returns where a connection has moved to; `None` where it has not.
    pub(crate) fn node_of(&self, connection: &ConnectionId) -> Option<NodeId> {
        if !self.any() {
            return None;
        }
        let generations = self.generations.lock();
        generations.young.node_of(connection).or_else(|| generations.old.node_of(connection)).cloned()
    }

    /// Returns where connections of a user have moved to.
    pub(crate) fn nodes_of_user(&self, user: &UserId) -> HashSet<NodeId> {
        if !self.any() {
            return HashSet::new();
        }
        let generations = self.generations.lock();
        generations.young.nodes_of_user(user).chain(generations.old.nodes_of_user(user)).cloned().collect()
    }

    /// Notes that a connection has come back. Otherwise two nodes would pass on to each other what is for it, for ever.
    pub(crate) fn forget(&self, connection: &ConnectionId) {
        if self.any() {
            let mut generations = self.generations.lock();
            generations.young.remove(connection);
            generations.old.remove(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_known_where_a_connection_has_moved_to_until_it_comes_back() {
        let moved = MovedConnections::default();
        assert_eq!((moved.any(), moved.node_of(&"c1".into())), (false, None));
        moved.note("c1".into(), Some("alice".into()), "n2".into());
        moved.note("c1".into(), Some("alice".into()), "n3".into());
        assert_eq!((moved.any(), moved.node_of(&"c1".into())), (true, Some("n3".into())));
        assert_eq!(moved.node_of(&"c2".into()), None);
        assert_eq!(moved.nodes_of_user(&"alice".into()), HashSet::from(["n3".into()]));
        moved.forget(&"c1".into());
        assert_eq!(moved.node_of(&"c1".into()), None);
        assert!(moved.nodes_of_user(&"alice".into()).is_empty());
        assert!(moved.generations.lock().young.users.is_empty());
    }

    #[test]
    fn no_more_than_two_generations_are_known() {
        let moved = MovedConnections::default();
        for number in 0..=2 * GENERATION_ENTRIES {
            moved.note(number.to_string().into(), None, "n2".into());
        }
        assert_eq!(moved.node_of(&"0".into()), None);
        assert!(moved.node_of(&GENERATION_ENTRIES.to_string().into()).is_some());
        let generations = moved.generations.lock();
        assert!(
            generations.young.connections.len() + generations.old.connections.len() <= 2 * GENERATION_ENTRIES
        );
    }
}
