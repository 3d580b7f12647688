//! What could not be removed from the group store and is tried again: a bounded queue.

use std::collections::VecDeque;

use hubward_types::{ConnectionId, GroupName};
use parking_lot::Mutex;

/// How many removals of one hub may wait. Of more, the oldest is given up: it is swept when the node's life ends.
const WAITING_REMOVALS: usize = 64 * 1024;

#[derive(Default)]
pub(crate) struct PendingRemovals(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Removal>,
    /// Whether a task tries them again.
    retrying: bool,
}

/// A connection that has ended, or one that has left a group.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Removal {
    pub(crate) connection: ConnectionId,
    /// `None`: from everything.
    pub(crate) group: Option<GroupName>,
}

impl PendingRemovals {
    /// Puts in a removal that failed. Returns whether nobody tries them again: then the caller has to.
    pub(crate) fn push(&self, removal: Removal) -> bool {
        let mut state = self.0.lock();
        if state.waiting.len() >= WAITING_REMOVALS {
            state.waiting.pop_front();
        }
        state.waiting.push_back(removal);
        !std::mem::replace(&mut state.retrying, true)
    }

    /// Takes the oldest; `None` where none is left, and the next one that is put in has to be seen to again.
    pub(crate) fn next(&self) -> Option<Removal> {
        let mut state = self.0.lock();
        let next = state.waiting.pop_front();
        state.retrying = next.is_some();
        next
    }

    /// Puts back one that failed again: it is the next.
    pub(crate) fn put_back(&self, removal: Removal) {
        self.0.lock().waiting.push_front(removal);
    }

    /// How many removals wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.lock().waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn removal(number: usize) -> Removal {
        Removal { connection: format!("c{number}").into(), group: None }
    }

    #[test]
    fn whoever_puts_in_the_first_one_sees_to_all() {
        let removals = PendingRemovals::default();
        assert!(removals.push(removal(1)));
        assert!(!removals.push(removal(2)));
        assert_eq!(removals.next(), Some(removal(1)));
        removals.put_back(removal(1));
        assert_eq!(removals.next(), Some(removal(1)));
        assert_eq!(removals.next(), Some(removal(2)));
        assert_eq!(removals.next(), None);
        assert!(removals.push(removal(3)));
    }

    #[test]
    fn the_queue_is_bounded_and_gives_up_the_oldest() {
        let removals = PendingRemovals::default();
        for number in 0..=WAITING_REMOVALS {
            removals.push(removal(number));
        }
        assert_eq!(removals.len(), WAITING_REMOVALS);
        assert_eq!(removals.next(), Some(removal(1)));
    }
}
