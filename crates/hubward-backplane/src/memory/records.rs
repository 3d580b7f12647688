//! The state of the in-memory store, and what needs more than one part of it.

use std::time::Duration;

use hubward_types::{GroupName, HubName, NodeId, UserId};
use tokio::time::Instant;

use super::bans::Bans;
use super::claims::ClaimedIds;
use super::indexes::{Indexes, nodes_of};
use super::nodes::Nodes;
use super::parked::ParkedSessions;
use crate::group_store::{
    HeldConnection, MAX_PARKED_BYTES, OpenConnection, OpenedConnection, ParkedSession, Restored, StoreError,
    TakeOver, TakenOver, Unpark, Unparked, UserMembership,
};
use crate::owner::Owner;

/// The nodes' lives are locked before bans, and bans before the indexes, never after.
pub(super) struct Records {
    pub(super) indexes: Indexes,
    pub(super) bans: Bans,
    pub(super) claims: ClaimedIds,
    pub(super) parked: ParkedSessions,
    pub(super) nodes: Nodes,
}

impl Records {
    pub(super) fn new(lease: Duration) -> Self {
        Self {
            indexes: Indexes::default(),
            bans: Bans::default(),
            claims: ClaimedIds::default(),
            parked: ParkedSessions::default(),
            nodes: Nodes::new(lease),
        }
    }

    /// The nodes of those owners that live.
    pub(super) fn living(&self, owners: Vec<Owner>) -> Vec<NodeId> {
        nodes_of(owners.into_iter().filter(|owner| self.nodes.lives(owner)))
    }

    /// Records a connection for an owner whose life goes on.
    pub(super) fn open(
        &self,
        opening: OpenConnection,
        lives: impl Fn(&Owner) -> bool,
    ) -> Result<OpenedConnection, StoreError> {
        let OpenConnection { hub, connection, user, owner, claim } = opening;
        let (key, now) = ((hub.clone(), connection), Instant::now());
        let holder = self.indexes.connections.get(&key).map(|record| record.owner.clone());
        match holder.filter(|holder| lives(holder)) {
            // The call is repeated.
            Some(holder) if holder == owner => {}
            // Whether or not its token could still be used.
            Some(holder) => return Err(StoreError::Claimed { by: holder.node }),
            None => {
                let claimed = self.claims.claim(&key, &owner.node, now, now.checked_add(claim));
                claimed.map_err(|by| StoreError::Claimed { by })?;
                self.indexes.open(key, user.clone(), owner);
            }
        }
        Ok(OpenedConnection::new(user.map(|user| self.groups_of(&hub, &user)).unwrap_or_default()))
    }

    /// Puts back a connection for an owner whose life goes on.
    pub(super) fn restore(
        &self,
        owner: &Owner,
        mut held: HeldConnection,
        lives: impl Fn(&Owner) -> bool,
    ) -> Restored {
        let (key, now) = ((held.hub.clone(), held.connection.clone()), Instant::now());
        let banned = self.bans.read();
        let is_banned = |group: &GroupName| {
            held.user.as_ref().is_some_and(|user| banned.contains(&held.hub, group, user))
        };
        let (ended, groups) = std::mem::take(&mut held.groups).into_iter().partition(is_banned);
        held.groups = groups;
        let claimed = self.claims.claim_again(&key, &owner.node, now, now.checked_add(held.claim));
        if claimed.is_err() || !self.indexes.restore(owner, held, lives) {
            return Restored::new(vec![key], vec![]);
        }
        let ended: Vec<GroupName> = ended;
        let (hub, connection) = key;
        let ended = ended.into_iter().map(|group| (hub.clone(), connection.clone(), group));
        Restored::new(vec![], ended.collect())
    }

    /// Gives a connection to another owner, whose life goes on.
    pub(super) fn take_over(&self, taking: &TakeOver) -> Result<TakenOver, StoreError> {
        let key = (taking.hub.clone(), taking.connection.clone());
        // No ban ends a membership while it is returned.
        let _banned = self.bans.read();
        let (user, own_groups) = self.indexes.take_over(&key, &taking.from, &taking.to)?;
        self.claims.hand_over(&key, &taking.to.node);
        let user_groups = user.map(|user| self.groups_of(&taking.hub, &user)).unwrap_or_default();
        Ok(TakenOver::new(own_groups, user_groups))
    }

    /// Keeps a session for an owner whose life goes on.
    pub(super) fn park(&self, session: ParkedSession) -> Result<(), StoreError> {
        let (bytes, limit_bytes) = (session.sealed.len(), MAX_PARKED_BYTES);
        if bytes > limit_bytes {
            return Err(StoreError::TooLarge { bytes, limit_bytes });
        }
        let key = (session.hub, session.connection);
        let record = self.indexes.connections.get(&key).filter(|record| record.owner == session.owner);
        record.ok_or(StoreError::NotOwner)?;
        self.parked.put(key, session.sealed, Instant::now(), session.ttl);
        Ok(())
    }

    /// Gives a parked session to an owner whose life goes on.
    pub(super) fn unpark(&self, taking: Unpark, lives: impl Fn(&Owner) -> bool) -> Option<Unparked> {
        let Unpark { hub, connection, user, owner, claim } = taking;
        let (key, now) = ((hub.clone(), connection), Instant::now());
        let holder = self.indexes.connections.get(&key).map(|record| record.owner.clone());
        let holder = holder.filter(|holder| lives(holder));
        if holder.as_ref().is_some_and(|holder| *holder != owner) {
            return None;
        }
        let sealed = self.parked.take(&key, &owner, now, holder.is_some())?;
        if holder.is_none() {
            self.claims.hand_over(&key, &owner.node);
            // Whoever has claimed it was its former owner.
            let _ = self.claims.claim_again(&key, &owner.node, now, now.checked_add(claim));
            self.indexes.open(key, user.clone(), owner);
        }
        Some(Unparked::new(sealed, user.map(|user| self.groups_of(&hub, &user)).unwrap_or_default()))
    }

    /// The groups of a user that have not expired.
    pub(super) fn groups_of(&self, hub: &HubName, user: &UserId) -> Vec<UserMembership> {
        let now = Instant::now();
        let Some(user) = self.indexes.users.get(&(hub.clone(), user.clone())) else { return vec![] };
        let ttl = |expires_at: Option<Instant>| expires_at.map(|at| at.saturating_duration_since(now));
        let groups = user.groups.iter().map(|(group, expires_at)| (group.clone(), ttl(*expires_at)));
        groups.filter(|(_, ttl)| ttl.is_none_or(|ttl| !ttl.is_zero())).collect()
    }
}
