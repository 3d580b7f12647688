//! Connections of which the group store may have more than it should: what could not be removed is tried again. A bounded
//! queue, with one place for each connection, so that no client crowds out what others left.

use std::collections::{HashSet, VecDeque};

use hubward_types::ConnectionId;
use parking_lot::Mutex;

/// How many connections of one hub may wait. Of more, the oldest is given up: it is swept when the node's life ends.
const WAITING_CONNECTIONS: usize = 64 * 1024;

#[derive(Default)]
pub(crate) struct PendingRemovals(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<ConnectionId>,
    /// Those that wait, to find them.
    known: HashSet<ConnectionId>,
    /// The one that is being tried, and whether something else of it has failed meanwhile.
    trying: Option<(ConnectionId, bool)>,
    /// Whether a task tries them again.
    retrying: bool,
}

impl State {
    fn push(&mut self, connection: ConnectionId) {
        if self.known.insert(connection.clone()) {
            self.waiting.push_back(connection);
        }
        if self.waiting.len() > WAITING_CONNECTIONS
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    fn is_trying(&self, connection: &ConnectionId) -> bool {
        self.trying.as_ref().is_some_and(|(trying, _)| trying == connection)
    }
}

impl PendingRemovals {
    /// Puts in a connection of which something could not be removed. Returns whether nobody tries again: then the caller
    /// has to.
    pub(crate) fn push(&self, connection: &ConnectionId) -> bool {
        let mut state = self.0.lock();
        if state.is_trying(connection) {
            state.trying = Some((connection.clone(), true));
        } else {
            state.push(connection.clone());
        }
        !std::mem::replace(&mut state.retrying, true)
    }

    /// Whether the store may have more of a connection than it should.
    pub(crate) fn contains(&self, connection: &ConnectionId) -> bool {
        let state = self.0.lock();
        state.known.contains(connection) || state.is_trying(connection)
    }

    /// Takes the oldest, to be [`done`](Self::done) with; `None` where none is left, and the next one that is put in has
    /// to be seen to again.
    pub(crate) fn next(&self) -> Option<ConnectionId> {
        let mut state = self.0.lock();
        let next = state.waiting.pop_front();
        match &next {
            Some(connection) => {
                state.known.remove(connection);
                state.trying = Some((connection.clone(), false));
            }
            None => {
                *state = State::default();
            }
        }
        next
    }

    /// Notes whether all of the one that was taken is removed. If not, it goes behind the others, so that one that keeps
    /// failing does not hold them up.
    pub(crate) fn done(&self, removed: bool) {
        let mut state = self.0.lock();
        if let Some((connection, failed_again)) = state.trying.take()
            && (failed_again || !removed)
        {
            state.push(connection);
        }
    }

    /// How many connections wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.lock().waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> ConnectionId {
        format!("c{number}").into()
    }

    #[test]
    fn whoever_puts_in_the_first_one_sees_to_all() {
        let removals = PendingRemovals::default();
        assert!(removals.push(&id(1)));
        assert!(!removals.push(&id(2)));
        assert_eq!(removals.next(), Some(id(1)));
        assert!(removals.contains(&id(1)), "while it is tried");
        removals.done(true);
        assert!(!removals.contains(&id(1)));
        assert_eq!(removals.next(), Some(id(2)));
        removals.done(true);
        assert_eq!(removals.next(), None);
        assert!(removals.push(&id(3)));
    }

    #[test]
    fn one_that_fails_again_goes_behind_the_others() {
        let removals = PendingRemovals::default();
        removals.push(&id(1));
        removals.push(&id(2));
        assert_eq!(removals.next(), Some(id(1)));
        removals.done(false);
        assert_eq!(removals.next(), Some(id(2)));
    }

    #[test]
    fn one_of_which_more_fails_while_it_is_tried_is_tried_once_more() {
        let removals = PendingRemovals::default();
        removals.push(&id(1));
        removals.next();
        assert!(!removals.push(&id(1)));
        removals.done(true);
        assert_eq!(removals.next(), Some(id(1)));
        removals.done(true);
        assert_eq!(removals.next(), None);
    }

    #[test]
    fn a_connection_has_one_place() {
        let removals = PendingRemovals::default();
        (0..10).for_each(|_| _ = removals.push(&id(1)));
        assert_eq!(removals.len(), 1);
    }

    #[test]
    fn the_queue_is_bounded_and_gives_up_the_oldest() {
        let removals = PendingRemovals::default();
        for number in 0..=WAITING_CONNECTIONS {
            removals.push(&id(number));
        }
        assert_eq!(removals.len(), WAITING_CONNECTIONS);
        assert!(!removals.contains(&id(0)));
        assert_eq!(removals.next(), Some(id(1)));
    }
}
