//! Open connections that have to be recorded in the store: those that were accepted while it could not be reached, and
//! those that were recorded in an earlier life of the node. Bounded by the connections that are open.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::connection::handle::ConnectionHandle;

/// Why a connection has to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unrecorded {
    /// It may never have been: its id has yet to be claimed.
    Opened,
    /// It was, in an earlier life of the node.
    Held,
}

/// A connection, and why it has to be recorded.
pub(crate) type UnrecordedConnection = (Arc<ConnectionHandle>, Unrecorded);

#[derive(Default)]
pub(crate) struct UnrecordedConnections {
    state: Mutex<State>,
    /// Notifies the task that records them that it should not wait longer.
    pub(crate) wake: Arc<Notify>,
    /// Whether an outage was logged that has not ended.
    outage: AtomicBool,
}

#[derive(Default)]
struct State {
    waiting: HashMap<u64, (Weak<ConnectionHandle>, Unrecorded)>,
    /// Whether a task records them.
    recording: bool,
}

impl UnrecordedConnections {
    /// Adds connections. Returns whether nobody records them: then the caller has to see to it.
    pub(crate) fn add(&self, connections: impl IntoIterator<Item = UnrecordedConnection>) -> bool {
        let mut state = self.state.lock();
        for (connection, why) in connections {
            let (_, known) =
                state.waiting.entry(connection.key).or_insert_with(|| (Arc::downgrade(&connection), why));
            // One whose id has yet to be claimed stays one, whatever else happens to it.
            if why == Unrecorded::Opened {
                *known = why;
            }
        }
        !state.waiting.is_empty() && !std::mem::replace(&mut state.recording, true)
    }

    /// Takes some that are still there; none where none is left, and the next one has to be seen to again.
    pub(crate) fn take(&self, limit: usize) -> Vec<UnrecordedConnection> {
        let mut state = self.state.lock();
        let mut taken = Vec::new();
        while taken.len() < limit {
            let Some(key) = state.waiting.keys().next().copied() else { break };
            let Some((connection, why)) = state.waiting.remove(&key) else { break };
            taken.extend(connection.upgrade().map(|connection| (connection, why)));
        }
        if taken.is_empty() {
            state.waiting.shrink_to_fit();
            state.recording = false;
        }
        taken
    }

    /// Notes that the store or the backplane cannot be reached; false where that was noted before.
    pub(crate) fn outage_begins(&self) -> bool {
        !self.outage.swap(true, Ordering::Relaxed)
    }

    /// Notes that both can be reached; false where nothing else was noted.
    pub(crate) fn outage_ends(&self) -> bool {
        self.outage.load(Ordering::Relaxed) && self.outage.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::handle;

    #[test]
    fn whoever_adds_the_first_one_sees_to_all_and_each_is_taken_once() {
        let unrecorded = UnrecordedConnections::default();
        assert!(!unrecorded.add([]));
        let (first, second) = (handle("c1"), handle("c2"));
        assert!(unrecorded.add([(first.clone(), Unrecorded::Opened)]));
        let all = [(first, Unrecorded::Held), (second, Unrecorded::Held), (handle("gone"), Unrecorded::Held)];
        assert!(!unrecorded.add(all));
        // Those that nobody else holds are gone.
        assert!(unrecorded.take(3).is_empty());
        let (first, second) = (handle("c1"), handle("c2"));
        assert!(unrecorded.add([(first.clone(), Unrecorded::Held), (second.clone(), Unrecorded::Held)]));
        assert!(!unrecorded.add([(first, Unrecorded::Opened)]));
        let mut taken = [unrecorded.take(1), unrecorded.take(3)].concat();
        taken.sort_by_key(|(connection, _)| connection.key);
        let taken: Vec<_> = taken.iter().map(|(connection, why)| (connection.id.as_str(), *why)).collect();
        // Of the first one nobody but the queue knew.
        assert_eq!(taken, [("c2", Unrecorded::Held)]);
        assert!(unrecorded.take(1).is_empty());
        assert!(unrecorded.add([(second, Unrecorded::Held)]), "somebody has to see to it again");
    }

    #[test]
    fn an_outage_is_noted_once_each_way() {
        let unrecorded = UnrecordedConnections::default();
        assert!(!unrecorded.outage_ends());
        assert!(unrecorded.outage_begins() && !unrecorded.outage_begins());
        assert!(unrecorded.outage_ends() && !unrecorded.outage_ends());
    }
}
