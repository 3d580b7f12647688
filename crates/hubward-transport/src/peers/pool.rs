//! Connections to other nodes that wait for their next request.

use std::collections::VecDeque;
use std::time::Duration;

use hubward_types::NodeId;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::connection::PeerConnection;

/// How many connections wait, to all nodes: each is two files, here and there. Of more, the one that has waited for longest is
/// closed.
const IDLE_CONNECTIONS: usize = 256;

/// How long one waits: less than the internal listener keeps an idle connection (75 s), so that a request does not meet the end.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The ones that were used last are at the back.
#[derive(Default)]
pub(super) struct Pool(Mutex<VecDeque<PeerConnection>>);

impl Pool {
    /// Takes the connection to a node that was used last.
    pub(super) fn take(&self, node: &NodeId) -> Option<PeerConnection> {
        let mut idle = self.0.lock();
        let at = idle.iter().rposition(|connection| connection.node == *node)?;
        let taken = idle.remove(at)?;
        drop(idle);
        (taken.used.elapsed() < IDLE_TIMEOUT).then_some(taken)
    }

    /// Keeps a connection for its next request.
    pub(super) fn put(&self, mut connection: PeerConnection) {
        connection.used = Instant::now();
        let mut idle = self.0.lock();
        idle.push_back(connection);
        let mut old = Vec::new();
        let is_over = |idle: &VecDeque<PeerConnection>| {
            let first = idle.front();
            idle.len() > IDLE_CONNECTIONS || first.is_some_and(|first| first.used.elapsed() >= IDLE_TIMEOUT)
        };
        while is_over(&idle) {
            old.extend(idle.pop_front());
        }
        // They close when they are dropped: not inside of the lock.
        drop(idle);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Closes all.
    pub(super) fn clear(&self) {
        let idle = std::mem::take(&mut *self.0.lock());
        drop(idle);
    }
}
