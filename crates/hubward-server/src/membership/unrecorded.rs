//! Open connections that have to be recorded in the store: those that were accepted while it could not be reached, and
//! those that were recorded in an earlier life of the node. Bounded by the connections that are open.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

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
    /// How many of those that wait were recorded before, or are being recorded again: what each message of another node
    /// looks at.
    restoring: AtomicUsize,
    /// Notifies the task that records them that it should not wait longer.
    pub(crate) wake: Arc<Notify>,
    /// Whether `last_failure` is present: what each connection that opens looks at.
    outage: AtomicBool,
    /// When a connection last met the outage that was logged and has not ended.
    last_failure: Mutex<Option<Instant>>,
}

/// How an outage stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OutageState {
    /// There is none, or open connections still have to be recorded.
    NothingToLog,
    /// It may go on: until this time it is not known.
    Unclear(Instant),
    /// It is over.
    Over,
}

/// How long no connection may have met an outage before it is over. What comes and goes within this time is one outage,
/// so that a store that fails now and then does not fill the log.
const CALM: Duration = Duration::from_secs(10);

#[derive(Default)]
struct State {
    waiting: HashMap<u64, (Weak<ConnectionHandle>, Unrecorded)>,
    /// How many of those that wait were recorded before.
    held: usize,
    /// How many of those that were taken last were.
    held_taken: usize,
    /// Whether a task records them.
    recording: bool,
}

impl UnrecordedConnections {
    /// Adds connections. Returns whether nobody records them: then the caller has to see to it.
    pub(crate) fn add(&self, connections: impl IntoIterator<Item = UnrecordedConnection>) -> bool {
        let mut state = self.state.lock();
        for (connection, why) in connections {
            // Also one that closed while somebody tried to record it, and was removed before that failed.
            if connection.is_closed() {
                continue;
            }
            let before = state.waiting.get(&connection.key).map(|(_, why)| *why);
            // One whose id has yet to be claimed stays one, whatever else happens to it.
            let why = if before == Some(Unrecorded::Opened) { Unrecorded::Opened } else { why };
            state.held -= usize::from(before == Some(Unrecorded::Held));
            state.held += usize::from(why == Unrecorded::Held);
            state.waiting.insert(connection.key, (Arc::downgrade(&connection), why));
        }
        self.note_restoring(&state);
        !state.waiting.is_empty() && !std::mem::replace(&mut state.recording, true)
    }

    /// Removes a connection that has closed. In a long outage many come and go.
    pub(crate) fn remove(&self, connection: &ConnectionHandle) {
        let mut state = self.state.lock();
        if let Some((_, why)) = state.waiting.remove(&connection.key) {
            state.held -= usize::from(why == Unrecorded::Held);
            self.note_restoring(&state);
        }
    }

    /// Whether some are left that were recorded before: what happened to them since is not known yet.
    pub(crate) fn is_restoring(&self) -> bool {
        self.restoring.load(Ordering::Acquire) > 0
    }

    fn note_restoring(&self, state: &State) {
        self.restoring.store(state.held + state.held_taken, Ordering::Release);
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// Takes some that are still there; none where none is left, and the next one has to be seen to again.
    pub(crate) fn take(&self, limit: usize) -> Vec<UnrecordedConnection> {
        let mut state = self.state.lock();
        let mut taken = Vec::new();
        state.held_taken = 0;
        while taken.len() < limit {
            let Some(key) = state.waiting.keys().next().copied() else { break };
            let Some((connection, why)) = state.waiting.remove(&key) else { break };
            let was_held = usize::from(why == Unrecorded::Held);
            state.held -= was_held;
            state.held_taken += was_held;
            taken.extend(connection.upgrade().map(|connection| (connection, why)));
        }
        if taken.is_empty() {
            state.waiting.shrink_to_fit();
            state.recording = false;
            state.held_taken = 0;
        }
        self.note_restoring(&state);
        taken
    }

    /// Notes that a connection could not be made known because the store or the backplane cannot be reached; false where
    /// that was so before.
    pub(crate) fn outage_begins(&self) -> bool {
        let mut last_failure = self.last_failure.lock();
        self.outage.store(true, Ordering::Relaxed);
        last_failure.replace(Instant::now()).is_none()
    }

    /// Notes that all that was to be recorded is. An outage that is over is not any more afterwards.
    pub(crate) fn outage(&self) -> OutageState {
        if !self.outage.load(Ordering::Relaxed) || self.state.lock().recording {
            return OutageState::NothingToLog;
        }
        let mut last_failure = self.last_failure.lock();
        let Some(failed) = *last_failure else { return OutageState::NothingToLog };
        if failed.elapsed() < CALM {
            return OutageState::Unclear(failed + CALM);
        }
        *last_failure = None;
        self.outage.store(false, Ordering::Relaxed);
        OutageState::Over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{handle, pass};

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

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_noted_once_each_way_and_is_over_when_nobody_has_met_it_for_a_while() {
        let unrecorded = UnrecordedConnections::default();
        assert_eq!(unrecorded.outage(), OutageState::NothingToLog);
        assert!(unrecorded.outage_begins());
        pass(CALM / 2).await;
        assert!(!unrecorded.outage_begins());
        let calm = Instant::now() + CALM;
        pass(CALM / 2).await;
        assert_eq!(unrecorded.outage(), OutageState::Unclear(calm));
        pass(CALM / 2).await;
        let connection = handle("c1");
        unrecorded.add([(connection, Unrecorded::Opened)]);
        assert_eq!(unrecorded.outage(), OutageState::NothingToLog, "one has to be recorded");
        assert!(unrecorded.take(1).is_empty(), "it has gone");
        assert_eq!(unrecorded.outage(), OutageState::Over);
        assert_eq!(unrecorded.outage(), OutageState::NothingToLog);
    }
}
