//! The changes of one user on this node happen one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use dashmap::DashMap;
use hubward_types::UserId;
use tokio::sync::{Mutex, MutexGuard};

/// ChangingUsers of whom something changes. An entry lasts as long as somebody uses it.
#[derive(Default)]
pub(crate) struct ChangingUsers(Arc<UserEntries>);

type UserEntries = DashMap<UserId, Arc<Entry>>;

#[derive(Default)]
struct Entry {
    /// How many use it. Changed only while the entry is locked in the map.
    uses: AtomicUsize,
    recording: Mutex<()>,
    turn: Mutex<()>,
    /// How many changes other nodes have announced.
    changes: AtomicU64,
    /// How often the user was disconnected.
    disconnects: AtomicU64,
}

/// A user of whom something changes, or may.
pub(crate) struct ChangingUser {
    users: Arc<UserEntries>,
    user: UserId,
    entry: Arc<Entry>,
    /// How many changes had been announced when this began.
    seen: u64,
    /// How often the user had been disconnected then.
    seen_disconnects: u64,
}

impl ChangingUsers {
    pub(crate) fn enter(&self, user: &UserId) -> ChangingUser {
        let entry = self.0.entry(user.clone()).or_default();
        entry.uses.fetch_add(1, Ordering::Relaxed);
        let entry = entry.clone();
        let seen = entry.changes.load(Ordering::SeqCst);
        let seen_disconnects = entry.disconnects.load(Ordering::SeqCst);
        ChangingUser { users: self.0.clone(), user: user.clone(), entry, seen, seen_disconnects }
    }

    /// Notes that changes of any user may have been missed: what was read from the store before may be out of date.
    pub(crate) fn announce_all(&self) {
        self.0.iter().for_each(|entry| _ = entry.changes.fetch_add(1, Ordering::SeqCst));
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl ChangingUser {
    /// Notes that a change was announced: what was read from the store before may be out of date.
    pub(crate) fn announce(&self) {
        self.entry.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether a change was announced since this began.
    pub(crate) fn is_outdated(&self) -> bool {
        self.entry.changes.load(Ordering::SeqCst) != self.seen
    }

    /// Notes that the user is disconnected: connections that open close when they have opened.
    pub(crate) fn disconnect(&self) {
        self.entry.disconnects.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether the user was disconnected since this began.
    pub(crate) fn is_disconnected(&self) -> bool {
        self.entry.disconnects.load(Ordering::SeqCst) != self.seen_disconnects
    }

    /// Waits until earlier changes of this node are recorded.
    pub(crate) async fn recording(&self) -> MutexGuard<'_, ()> {
        self.entry.recording.lock().await
    }

    /// Waits for this change's turn to be carried out here.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.entry.turn.lock().await
    }
}

impl Drop for ChangingUser {
    fn drop(&mut self) {
        self.users.remove_if(&self.user, |_, entry| entry.uses.fetch_sub(1, Ordering::Relaxed) == 1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn changes_of_one_user_take_turns_and_leave_nothing_behind() {
        let users = ChangingUsers::default();
        let (first, second) = (users.enter(&"alice".into()), users.enter(&"alice".into()));
        let other = users.enter(&"bob".into());
        let turn = first.turn().await;
        assert!(second.turn().now_or_never().is_none());
        assert!(other.turn().now_or_never().is_some());
        drop(turn);
        assert!(second.turn().now_or_never().is_some());
        drop((first, other));
        assert_eq!(users.len(), 1);
        drop(second);
        assert_eq!(users.len(), 0);
    }

    #[test]
    fn entries_that_are_left_at_the_same_time_are_removed() {
        let (users, arrived) = (ChangingUsers::default(), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for round in 1..=20_000 {
                        let user = users.enter(&format!("user{round}").into());
                        arrived.fetch_add(1, Ordering::SeqCst);
                        // Without a lock, whose wake-ups would let one leave before the other.
                        for spins in 0.. {
                            if arrived.load(Ordering::SeqCst) >= 2 * round {
                                break;
                            } else if spins > 10_000 {
                                // The other has no processor.
                                std::thread::yield_now();
                            }
                        }
                        drop(user);
                    }
                });
            }
        });
        assert_eq!(users.len(), 0);
    }

    #[test]
    fn whoever_began_before_a_change_was_announced_is_outdated() {
        let users = ChangingUsers::default();
        let before = users.enter(&"alice".into());
        assert!(!before.is_outdated());
        users.enter(&"alice".into()).announce();
        assert!(before.is_outdated());
        assert!(!users.enter(&"alice".into()).is_outdated());
    }
}
