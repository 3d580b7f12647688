//! The connections of a node that drains, each with when it is its turn to close. A turn is not the end: a connection closes when
//! its calls have ended.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::schedule;
use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// Held weakly: those that have closed are not kept for the others.
pub(super) struct ClosingTurns(Vec<(Duration, Weak<ConnectionHandle>)>);

impl ClosingTurns {
    /// Gives each connection that there is a turn within a window.
    pub(super) fn of(hubs: &[Arc<Engine>], window: Duration) -> Self {
        let mut connections = Vec::new();
        for hub in hubs {
            hub.index.for_all(|connection| connections.push(Arc::downgrade(connection)));
        }
        schedule::shuffle(&mut connections);
        Self(schedule::offsets(connections.len(), window).zip(connections).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The connections in their order, each with how long after the first its turn is.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Duration, &Weak<ConnectionHandle>)> {
        self.0.iter().map(|(after, connection)| (*after, connection))
    }
}
