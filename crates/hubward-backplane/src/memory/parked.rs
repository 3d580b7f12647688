//! The sessions that are kept for clients that come back, each for a time.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::indexes::ConnectionKey;
use crate::owner::Owner;

#[derive(Default)]
pub(super) struct ParkedSessions(Mutex<State>);

#[derive(Default)]
struct State {
    by_key: HashMap<ConnectionKey, Parked>,
    /// The sessions by when they end. Each call removes those that have.
    ending: BTreeSet<(Instant, ConnectionKey)>,
}

struct Parked {
    sealed: Bytes,
    until: Instant,
    /// Who has taken it, and may do so again.
    taken_by: Option<Owner>,
}

impl ParkedSessions {
    pub(super) fn put(&self, key: ConnectionKey, sealed: Bytes, now: Instant, ttl: Duration) {
        let Some(until) = now.checked_add(ttl) else { return };
        let mut state = self.0.lock();
        state.remove_ended(now);
        let parked = Parked { sealed, until, taken_by: None };
        if let Some(before) = state.by_key.insert(key.clone(), parked) {
            state.ending.remove(&(before.until, key.clone()));
        }
        state.ending.insert((until, key));
    }

    /// Takes a session, or takes it again where the same owner has taken it and `holds` its connection.
    pub(super) fn take(&self, key: &ConnectionKey, by: &Owner, now: Instant, holds: bool) -> Option<Bytes> {
        let mut state = self.0.lock();
        state.remove_ended(now);
        let parked = state.by_key.get_mut(key)?;
        match &parked.taken_by {
            Some(taker) if taker == by && holds => {}
            None if !holds => parked.taken_by = Some(by.clone()),
            _ => return None,
        }
        Some(parked.sealed.clone())
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().by_key.len()
    }
}

impl State {
    fn remove_ended(&mut self, now: Instant) {
        while self.ending.first().is_some_and(|(until, _)| *until <= now) {
            if let Some((_, key)) = self.ending.pop_first() {
                self.by_key.remove(&key);
            }
        }
    }
}
