//! The groups of one connection: why each is delivered to it, and the changes that wait for their turn. Changes of one
//! connection happen one after the other, in tasks of the node, so that a caller that stops waiting leaves none of them
//! half done. Carried out by `membership/changes.rs`.

use std::collections::VecDeque;

use hubward_hub::GroupError;
use hubward_types::GroupName;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How many changes that somebody asks for may wait for one connection. Whoever asks for more gets an error. Those of its
/// user and its end always wait: they are few, and a removal that was refused would leave the delivery going on.
const WAITING_CHANGES: usize = 1024;

/// A change of the groups that are delivered to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupChange {
    /// The connection itself joins.
    Join(GroupName),
    /// The connection itself leaves.
    Leave(GroupName),
    /// Its user is in these groups.
    UserJoined(Vec<GroupName>),
    /// Its user is no longer in this group.
    UserLeft(GroupName),
    /// Its user is in these groups and in no others.
    UserGroups(Vec<GroupName>),
    /// Its user is banned from this group, which may have ended its own membership.
    Banned(GroupName),
    /// Its own membership has to end, whatever the store says.
    Expelled(GroupName),
    /// The connection has closed.
    End,
    /// Another node has the connection, with its record.
    Moved,
}

impl GroupChange {
    /// Whether somebody asks for it, and it may be refused where too many wait, or where nothing answers.
    pub(crate) fn is_asked_for(&self) -> bool {
        matches!(self, Self::Join(_) | Self::Leave(_))
    }
}

/// Why a group is delivered to a connection. Delivery stops when no reason is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reasons {
    /// It joined itself.
    pub(crate) own: bool,
    /// Its user is a member.
    pub(crate) user: bool,
}

impl Reasons {
    pub(crate) fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// A change, and who waits for it.
pub(crate) struct WaitingChange {
    pub(crate) change: GroupChange,
    pub(crate) asked_at: Instant,
    /// Until when it may wait for the node's next life, where the store has ended the present one.
    pub(crate) deadline: Option<Instant>,
    pub(crate) done: oneshot::Sender<Result<(), GroupError>>,
}

#[derive(Default)]
pub(crate) struct ConnectionGroups {
    state: Mutex<GroupsState>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct GroupsState {
    delivered: Vec<(GroupName, Reasons)>,
    /// Present while a change is carried out.
    waiting: Option<VecDeque<WaitingChange>>,
    /// Whether changes wait until the connection is recorded.
    held: bool,
    ended: bool,
}

/// What has to be done about a change that was put in.
pub(crate) enum Queued {
    /// The caller carries out changes until none waits.
    First(WaitingChange),
    /// Somebody does already.
    Waiting,
    /// The connection has closed: there is nothing to change.
    Ended,
    /// Too many wait.
    Full,
}

impl ConnectionGroups {
    /// Waits until no change is being carried out, and holds up the next one.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Lets changes wait until [`release`](Self::release): the connection is not recorded yet.
    pub(crate) fn hold(&self) {
        let mut state = self.state.lock();
        state.held = true;
        state.waiting = Some(VecDeque::new());
    }

    /// Lets changes begin; returns the first one that waits, for the caller to carry out.
    pub(crate) fn release(&self) -> Option<WaitingChange> {
        let held = std::mem::take(&mut self.state.lock().held);
        if held { self.next() } else { None }
    }

    /// Puts in a change. Nothing is put in after [`GroupChange::End`] or [`GroupChange::Moved`].
    pub(crate) fn push(&self, change: WaitingChange) -> Queued {
        let mut state = self.state.lock();
        if state.ended {
            return Queued::Ended;
        }
        state.ended = matches!(change.change, GroupChange::End | GroupChange::Moved);
        let refusable = change.change.is_asked_for();
        match &mut state.waiting {
            None => {
                state.waiting = Some(VecDeque::new());
                Queued::First(change)
            }
            Some(waiting) if refusable && waiting.len() >= WAITING_CHANGES => Queued::Full,
            Some(waiting) => {
                waiting.push_back(change);
                Queued::Waiting
            }
        }
    }

    /// Takes the next change; `None` where no more waits, and the next one that is put in is the first again.
    pub(crate) fn next(&self) -> Option<WaitingChange> {
        let mut state = self.state.lock();
        let next = state.waiting.as_mut().and_then(|waiting| waiting.pop_front());
        if next.is_none() {
            state.waiting = None;
        }
        next
    }

    pub(crate) fn reasons(&self, group: &GroupName) -> Reasons {
        let state = self.state.lock();
        let found = state.delivered.iter().find(|(name, _)| name == group);
        found.map(|(_, reasons)| *reasons).unwrap_or_default()
    }

    /// Sets why a group is delivered; without a reason it is forgotten.
    pub(crate) fn set_reasons(&self, group: &GroupName, reasons: Reasons) {
        let mut state = self.state.lock();
        let place = state.delivered.iter().position(|(name, _)| name == group);
        match place {
            Some(place) if reasons.is_none() => {
                state.delivered.swap_remove(place);
                let (length, capacity) = (state.delivered.len(), state.delivered.capacity());
                if length < capacity / 4 {
                    state.delivered.shrink_to_fit();
                }
            }
            Some(place) => {
                if let Some((_, known)) = state.delivered.get_mut(place) {
                    *known = reasons;
                }
            }
            None if reasons.is_none() => {}
            None => state.delivered.push((group.clone(), reasons)),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.state.lock().delivered.len()
    }

    /// The groups, each with why it is delivered.
    pub(crate) fn all(&self) -> Vec<(GroupName, Reasons)> {
        self.state.lock().delivered.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Reasons = Reasons { own: true, user: false };
    const BOTH: Reasons = Reasons { own: true, user: true };

    fn waiting(change: GroupChange) -> WaitingChange {
        WaitingChange { change, asked_at: Instant::now(), deadline: None, done: oneshot::channel().0 }
    }

    #[test]
    fn a_group_is_delivered_for_as_long_as_a_reason_is_left() {
        let (groups, ward) = (ConnectionGroups::default(), GroupName::from("ward"));
        assert!(groups.reasons(&ward).is_none());
        groups.set_reasons(&ward, BOTH);
        groups.set_reasons(&ward, OWN);
        assert_eq!((groups.reasons(&ward), groups.len()), (OWN, 1));
        groups.set_reasons(&ward, Reasons::default());
        groups.set_reasons(&ward, Reasons::default());
        assert!(groups.reasons(&ward).is_none() && groups.all().is_empty());
    }

    #[test]
    fn changes_take_turns_in_order_and_none_follows_the_end() {
        let groups = ConnectionGroups::default();
        let push = |change| groups.push(waiting(change));
        assert!(matches!(push(GroupChange::Join("a".into())), Queued::First(_)));
        assert!(matches!(push(GroupChange::Leave("a".into())), Queued::Waiting));
        assert!(matches!(push(GroupChange::End), Queued::Waiting));
        assert!(matches!(push(GroupChange::Join("b".into())), Queued::Ended));
        assert_eq!(groups.next().map(|next| next.change), Some(GroupChange::Leave("a".into())));
        assert_eq!(groups.next().map(|next| next.change), Some(GroupChange::End));
        assert!(groups.next().is_none());
    }

    #[test]
    fn changes_wait_until_the_connection_is_recorded() {
        let groups = ConnectionGroups::default();
        let push = |change| groups.push(waiting(change));
        groups.hold();
        assert!(matches!(push(GroupChange::Join("a".into())), Queued::Waiting));
        assert!(matches!(push(GroupChange::Join("b".into())), Queued::Waiting));
        assert_eq!(groups.release().map(|next| next.change), Some(GroupChange::Join("a".into())));
        assert!(groups.release().is_none(), "it is held once");
        assert!(matches!(push(GroupChange::End), Queued::Waiting));
    }

    #[test]
    fn no_more_changes_wait_than_the_limit_but_those_of_the_user_and_the_end_always_do() {
        let groups = ConnectionGroups::default();
        let push = |change| groups.push(waiting(change));
        assert!(matches!(push(GroupChange::Join("a".into())), Queued::First(_)));
        for _ in 0..WAITING_CHANGES {
            assert!(matches!(push(GroupChange::Join("a".into())), Queued::Waiting));
        }
        assert!(matches!(push(GroupChange::Join("a".into())), Queued::Full));
        assert!(matches!(push(GroupChange::UserLeft("a".into())), Queued::Waiting));
        assert!(matches!(push(GroupChange::End), Queued::Waiting));
    }
}
