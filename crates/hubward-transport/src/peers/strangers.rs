//! Connections to the internal listener that have not shown yet that they are another node's. Anybody who reaches the port can
//! make such: they are few, and a new one takes the place of the oldest, so that nodes are always let in.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::session::PeerSession;

/// How many there are at most: a node needs its place for a few round trips.
const MOST: usize = 1_024;

/// The ones that have waited for longest are at the front.
pub(crate) struct Strangers {
    most: usize,
    waiting: Mutex<VecDeque<Stranger>>,
}

struct Stranger {
    session: PeerSession,
    /// Cancelled when the connection has ended, or is to end.
    ended: CancellationToken,
}

impl Strangers {
    /// Leaves three fourths of a listener's connections to nodes.
    pub(crate) fn new(max_connections: usize) -> Self {
        Self { most: (max_connections / 4).clamp(1, MOST), waiting: Mutex::default() }
    }

    /// Adds a connection. Returns when it is to end, which is cancelled when the connection has ended by itself, and whether
    /// another one ends for it.
    pub(crate) fn add(&self, session: PeerSession) -> (CancellationToken, DropGuard, bool) {
        let ended = CancellationToken::new();
        let mut waiting = self.waiting.lock();
        waiting.retain(|stranger| !stranger.session.is_authentic() && !stranger.ended.is_cancelled());
        let oldest = if waiting.len() < self.most { None } else { waiting.pop_front() };
        waiting.push_back(Stranger { session, ended: ended.clone() });
        drop(waiting);
        // Not where it has shown just now who it is.
        let oldest = oldest.filter(|oldest| oldest.session.refuse());
        if let Some(oldest) = &oldest {
            oldest.ended.cancel();
        }
        (ended.clone(), ended.drop_guard(), oldest.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_stranger_makes_room_and_no_node_does() {
        let strangers = Strangers::new(12);
        let node = PeerSession::new();
        let (node_ended, _node_guard, _) = strangers.add(node.clone());
        assert!(node.is_new(1));
        let mut held = Vec::new();
        for _ in 0..3 {
            let (ended, guard, ends_another) = strangers.add(PeerSession::new());
            assert!(!ends_another);
            held.push((ended, guard));
        }
        let late = PeerSession::new();
        let (_ended, _guard, ends_another) = strangers.add(late.clone());
        assert!(ends_another && held[0].0.is_cancelled() && !held[1].0.is_cancelled());
        assert!(!node_ended.is_cancelled());
        drop(held.remove(1));
        let (_ended, _guard, ends_another) = strangers.add(PeerSession::new());
        assert!(!ends_another, "one has ended by itself");
        assert!(late.refuse() && !late.is_new(1), "what was refused stays so");
        assert!(!node.refuse());
    }
}
