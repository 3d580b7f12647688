//! The connection ids that were used, each until its token can no longer be used again.

use std::collections::{BTreeSet, HashMap};

use hubward_types::{ConnectionId, HubName, NodeId};
use parking_lot::Mutex;
use tokio::time::Instant;

type Key = (HubName, ConnectionId);

/// How many claims that have ended each new one removes: more than the one that it adds, so that they become fewer.
const REMOVED_AT_ONCE: usize = 16;

#[derive(Default)]
pub(super) struct ClaimedIds(Mutex<State>);

#[derive(Default)]
struct State {
    by_key: HashMap<Key, Claim>,
    /// The claims by when they end.
    ending: BTreeSet<(Instant, Key)>,
}

struct Claim {
    by: NodeId,
    /// `None`: beyond the range of the clock.
    until: Option<Instant>,
}

impl ClaimedIds {
    /// Claims a connection id until `until`; `None`: for ever.
    ///
    /// # Errors
    ///
    /// The node that claimed it before.
    pub(super) fn claim(
        &self,
        key: &Key,
        by: &NodeId,
        now: Instant,
        until: Option<Instant>,
    ) -> Result<(), NodeId> {
        let mut state = self.0.lock();
        state.remove_ended(now);
        if let Some(claim) = state.claim_of(key, now) {
            return Err(claim.by.clone());
        }
        state.set(key, Claim { by: by.clone(), until });
        Ok(())
    }

    /// Claims a connection id that the same node may have claimed before: until the later of both times.
    ///
    /// # Errors
    ///
    /// Another node that claimed it before.
    pub(super) fn claim_again(
        &self,
        key: &Key,
        by: &NodeId,
        now: Instant,
        until: Option<Instant>,
    ) -> Result<(), NodeId> {
        let mut state = self.0.lock();
        state.remove_ended(now);
        let until = match state.claim_of(key, now) {
            Some(claim) if claim.by != *by => return Err(claim.by.clone()),
            Some(claim) => claim.until.zip(until).map(|(before, until)| before.max(until)),
            None => until,
        };
        state.set(key, Claim { by: by.clone(), until });
        Ok(())
    }

    /// Notes that another node has the connection of a claim.
    pub(super) fn hand_over(&self, key: &Key, to: &NodeId) {
        if let Some(claim) = self.0.lock().by_key.get_mut(key) {
            claim.by = to.clone();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().by_key.len()
    }
}

impl State {
    /// The claim of an id. One that has ended may not have had its turn to be removed.
    fn claim_of(&self, key: &Key, now: Instant) -> Option<&Claim> {
        self.by_key.get(key).filter(|claim| claim.until.is_none_or(|until| until > now))
    }

    fn set(&mut self, key: &Key, claim: Claim) {
        if let Some(at) = claim.until {
            self.ending.insert((at, key.clone()));
        }
        let until = claim.until;
        if let Some(Claim { until: Some(before), .. }) = self.by_key.insert(key.clone(), claim)
            && until != Some(before)
        {
            self.ending.remove(&(before, key.clone()));
        }
    }

    fn remove_ended(&mut self, now: Instant) {
        for _ in 0..REMOVED_AT_ONCE {
            if self.ending.first().is_none_or(|(at, _)| *at > now) {
                return;
            }
            if let Some((_, key)) = self.ending.pop_first() {
                self.by_key.remove(&key);
            }
        }
    }
}
