//! The connection ids that were used, each until its token can no longer be used again.

use std::collections::{BTreeSet, HashMap};

use hubward_types::{ConnectionId, HubName, NodeId};
use parking_lot::Mutex;
use tokio::time::Instant;

type Key = (HubName, ConnectionId);

/// How many claims that have ended each new one removes: more than the one that it adds, so that they become fewer.
const REMOVED_AT_ONCE: usize = 16;

#[derive(Default)]
pub(super) struct ConnectionClaims(Mutex<State>);

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

impl ConnectionClaims {
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
        if let Some(claim) = state.by_key.get(key) {
            // One that has ended may not have had its turn to be removed.
            if claim.until.is_none_or(|until| until > now) {
                return Err(claim.by.clone());
            }
            let ended = claim.until;
            ended.map(|at| state.ending.remove(&(at, key.clone())));
        }
        if let Some(at) = until {
            state.ending.insert((at, key.clone()));
        }
        state.by_key.insert(key.clone(), Claim { by: by.clone(), until });
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().by_key.len()
    }
}

impl State {
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
