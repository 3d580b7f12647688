//! Changes of users that other nodes could not be notified of, because the link to them was interrupted. Bounded; each is in
//! it once, and it is emptied when the link is whole again.

use std::collections::HashSet;

use hubward_backplane::Body;
use hubward_types::{GroupName, HubName, UserId};
use parking_lot::Mutex;

/// How many changes of one hub may wait: some megabytes of names.
const MAX_CHANGES: usize = 16 * 1024;

/// What has changed of a user and a group, and each node reads again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Changed {
    /// The user's membership.
    Membership,
    /// Whether the user is banned.
    Ban,
}

impl Changed {
    pub(crate) fn body(self, id: u64, hub: &HubName, user: &UserId, group: &GroupName) -> Body {
        let (hub, user, group) = (hub.clone(), user.clone(), group.clone());
        match self {
            Self::Membership => Body::UserChanged { id, hub, user, group },
            Self::Ban => Body::UserBanned { id, hub, user, group },
        }
    }
}

/// A change of a user.
pub(crate) type UnannouncedChange = (UserId, GroupName, Changed);

#[derive(Default)]
pub(crate) struct UnannouncedChanges(Mutex<State>);

#[derive(Default)]
struct State {
    changes: HashSet<UnannouncedChange>,
    /// Whether a task announces them.
    announcing: bool,
}

/// What became of a change that was to be added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AddedChange {
    /// The caller has to see to it that it is announced.
    First,
    /// Somebody does.
    Waits,
    /// There is no room for it.
    Refused,
}

impl UnannouncedChanges {
    pub(crate) fn add(&self, change: UnannouncedChange) -> AddedChange {
        let mut state = self.0.lock();
        if state.changes.len() >= MAX_CHANGES && !state.changes.contains(&change) {
            return AddedChange::Refused;
        }
        state.changes.insert(change);
        match std::mem::replace(&mut state.announcing, true) {
            true => AddedChange::Waits,
            false => AddedChange::First,
        }
    }

    /// Takes a change; `None` where none is left, and the next one has to be seen to again.
    pub(crate) fn take(&self) -> Option<UnannouncedChange> {
        let mut state = self.0.lock();
        let change = state.changes.iter().next().cloned();
        match &change {
            Some(change) => _ = state.changes.remove(change),
            None => *state = State::default(),
        }
        change
    }

    /// Puts back a change that could not be announced.
    pub(crate) fn put_back(&self, change: UnannouncedChange) {
        self.0.lock().changes.insert(change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(number: usize) -> UnannouncedChange {
        (number.to_string().into(), "g".into(), Changed::Membership)
    }

    #[test]
    fn a_change_waits_once_and_whoever_adds_the_first_one_sees_to_all() {
        let changes = UnannouncedChanges::default();
        assert_eq!(
            (changes.add(change(1)), changes.add(change(1))),
            (AddedChange::First, AddedChange::Waits)
        );
        let taken = changes.take().unwrap();
        changes.put_back(taken.clone());
        assert_eq!((changes.take(), changes.take()), (Some(taken), None));
        assert_eq!(changes.add(change(2)), AddedChange::First);
    }

    #[test]
    fn changes_are_bounded() {
        let changes = UnannouncedChanges::default();
        (0..MAX_CHANGES).for_each(|number| _ = changes.add(change(number)));
        assert_eq!(changes.add(change(MAX_CHANGES)), AddedChange::Refused);
        assert_eq!(changes.add(change(0)), AddedChange::Waits, "it waits already");
    }
}
