//! This node's link to the others: whether it is whole, and what was lost for its interruptions. What is held meanwhile is in
//! the outboxes of the hubs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NodeLinkState {
    Whole,
    Interrupted {
        since: Instant,
    },
    /// It is whole again, and what was held has yet to go out: the other nodes may not be subscribed again.
    Returning,
}

pub(crate) struct NodeLink {
    state: watch::Sender<NodeLinkState>,
    gaps: AtomicU64,
    discarded: AtomicU64,
    /// How many of the discarded messages were in a log line.
    reported: AtomicU64,
    /// Whether the log says last that the link is interrupted.
    logged: AtomicBool,
}

impl Default for NodeLink {
    fn default() -> Self {
        let [gaps, discarded, reported] = std::array::from_fn(|_| AtomicU64::new(0));
        let state = watch::Sender::new(NodeLinkState::Whole);
        Self { state, gaps, discarded, reported, logged: AtomicBool::new(false) }
    }
}

impl NodeLink {
    /// Notes an interruption, and returns how the link was before it.
    pub(crate) fn interrupt(&self) -> NodeLinkState {
        let mut before = NodeLinkState::Whole;
        self.state.send_if_modified(|state| {
            before = *state;
            let interrupted = matches!(before, NodeLinkState::Interrupted { .. });
            if !interrupted {
                *state = NodeLinkState::Interrupted { since: Instant::now() };
            }
            !interrupted
        });
        before
    }

    /// Notes that the link is whole again; returns how long it was interrupted, if it was.
    pub(crate) fn resume(&self) -> Option<Duration> {
        let mut gap = None;
        self.state.send_if_modified(|state| {
            if let NodeLinkState::Interrupted { since } = *state {
                gap = Some(since.elapsed());
                *state = NodeLinkState::Returning;
            }
            gap.is_some()
        });
        gap.is_some().then(|| self.count_gap());
        gap
    }

    /// Notes whether the log says that the link is interrupted; returns whether it did. Called before the state is looked at,
    /// and after it was changed, so that what the log says last is how the link is.
    pub(crate) fn set_logged(&self, logged: bool) -> bool {
        self.logged.swap(logged, Ordering::SeqCst)
    }

    /// Returns how many messages were discarded since that was logged last.
    pub(crate) fn take_unreported(&self) -> u64 {
        let discarded = self.discarded.load(Ordering::Relaxed);
        discarded.saturating_sub(self.reported.swap(discarded, Ordering::Relaxed))
    }

    /// Notes that nothing is held any more; false where the link has been interrupted again.
    pub(crate) fn has_returned(&self) -> bool {
        let mut interrupted = false;
        self.state.send_if_modified(|state| {
            interrupted = matches!(state, NodeLinkState::Interrupted { .. });
            if !interrupted {
                *state = NodeLinkState::Whole;
            }
            !interrupted
        });
        !interrupted
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        matches!(*self.state.borrow(), NodeLinkState::Interrupted { .. })
    }

    /// Follows the state. The receiver's changes end when the node is dropped.
    pub(crate) fn watch(&self) -> watch::Receiver<NodeLinkState> {
        self.state.subscribe()
    }

    /// Counts a time in which messages of other nodes may have been missed.
    pub(crate) fn count_gap(&self) {
        self.gaps.fetch_add(1, Ordering::Relaxed);
    }

    /// How often messages of other nodes may have been missed.
    pub(crate) fn gaps(&self) -> u64 {
        self.gaps.load(Ordering::Relaxed)
    }

    /// Counts messages that were held and will not go out.
    pub(crate) fn count_discarded(&self, messages: usize) {
        self.discarded.fetch_add(messages as u64, Ordering::Relaxed);
    }

    /// How many messages were held and did not go out.
    pub(crate) fn discarded(&self) -> u64 {
        self.discarded.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pass;

    #[tokio::test(start_paused = true)]
    async fn an_interruption_is_noted_once_each_way_with_what_was_lost() {
        let link = NodeLink::default();
        assert_eq!(link.resume(), None);
        for round in 1..3 {
            assert_eq!(link.interrupt(), NodeLinkState::Whole);
            assert!(matches!(link.interrupt(), NodeLinkState::Interrupted { .. }) && link.is_interrupted());
            pass(Duration::from_secs(round)).await;
            link.count_discarded(3);
            assert_eq!((link.resume(), link.resume()), (Some(Duration::from_secs(round)), None));
            assert_eq!((link.take_unreported(), link.take_unreported()), (3, 0));
            assert_eq!((link.gaps(), link.discarded()), (round, 3 * round));
            assert!(link.has_returned());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_is_interrupted_again_has_not_returned() {
        let link = NodeLink::default();
        link.interrupt();
        link.resume();
        assert_eq!(link.interrupt(), NodeLinkState::Returning);
        assert!(!link.has_returned());
        assert!(link.is_interrupted());
    }
}
