//! Who is banned from which group. Whatever could make a member of a user or of one of its connections runs while no ban
//! begins or ends, so that a ban finds all that was recorded before it.

use std::collections::{HashMap, HashSet};

use hubward_types::{GroupName, HubName, UserId};
use parking_lot::{RwLock, RwLockReadGuard};

/// Locked before the indexes, never after. Changes of members share the lock; a ban has it alone.
#[derive(Default)]
pub(super) struct Bans(RwLock<Banned>);

#[derive(Default)]
pub(super) struct Banned(HashMap<(HubName, UserId), HashSet<GroupName>>);

impl Bans {
    /// Holds off all that begins or ends bans.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Banned> {
        self.0.read()
    }

    /// Bans a user, and ends what `end` ends before anything else can be recorded.
    pub(super) fn ban<T>(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
        end: impl FnOnce() -> T,
    ) -> T {
        let mut banned = self.0.write();
        banned.0.entry((hub.clone(), user.clone())).or_default().insert(group.clone());
        end()
    }

    pub(super) fn unban(&self, hub: &HubName, group: &GroupName, user: &UserId) {
        let mut banned = self.0.write();
        let key = (hub.clone(), user.clone());
        if let Some(groups) = banned.0.get_mut(&key) {
            groups.remove(group);
            if groups.is_empty() {
                banned.0.remove(&key);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.read().0.len()
    }
}

impl Banned {
    pub(super) fn contains(&self, hub: &HubName, group: &GroupName, user: &UserId) -> bool {
        // What most calls find.
        if self.0.is_empty() {
            return false;
        }
        self.0.get(&(hub.clone(), user.clone())).is_some_and(|groups| groups.contains(group))
    }
}
