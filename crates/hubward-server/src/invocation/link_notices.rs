//! Of which interruptions of the link to the other nodes a hub has still to be notified. Bounded: one interruption at a time;
//! a link that is interrupted again before the hub has been notified of its return was interrupted once, for longer.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

#[derive(Default)]
pub(crate) struct LinkNotices(Mutex<State>);

#[derive(Default)]
struct State {
    interruption: Option<Interruption>,
    /// Whether a task notifies the hub.
    notifying: bool,
}

struct Interruption {
    since: Instant,
    /// Whether the hub was notified that it began.
    noticed: bool,
    ended: Option<Instant>,
}

/// What a hub is to be notified of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LinkNotice {
    Interrupted,
    Resumed { gap: Duration },
}

impl LinkNotices {
    /// Notes an interruption. Returns whether nobody notifies the hub: then the caller has to see to it.
    pub(crate) fn interrupted(&self) -> bool {
        let mut state = self.0.lock();
        match &mut state.interruption {
            Some(interruption) => interruption.ended = None,
            none => *none = Some(Interruption { since: Instant::now(), noticed: false, ended: None }),
        }
        !std::mem::replace(&mut state.notifying, true)
    }

    /// Notes the end of an interruption. Returns whether nobody notifies the hub.
    pub(crate) fn resumed(&self) -> bool {
        let mut state = self.0.lock();
        let Some(interruption) = &mut state.interruption else { return false };
        interruption.ended = Some(Instant::now());
        !std::mem::replace(&mut state.notifying, true)
    }

    /// Takes what the hub is to be notified of next; `None` where that is nothing, and the next notice has to be seen to
    /// again.
    pub(crate) fn take(&self) -> Option<LinkNotice> {
        let mut state = self.0.lock();
        let notice = match &mut state.interruption {
            Some(interruption) if !interruption.noticed => {
                interruption.noticed = true;
                Some(LinkNotice::Interrupted)
            }
            Some(Interruption { since, ended: Some(ended), .. }) => {
                let gap = ended.duration_since(*since);
                state.interruption = None;
                Some(LinkNotice::Resumed { gap })
            }
            Some(_) | None => None,
        };
        state.notifying = notice.is_some();
        notice
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pass;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_hub_is_notified_once_each_way_however_short_the_interruption_was() {
        let notices = LinkNotices::default();
        assert!(!notices.resumed());
        assert!(notices.interrupted());
        assert!(!notices.resumed(), "somebody notifies already");
        assert_eq!(notices.take(), Some(LinkNotice::Interrupted));
        assert_eq!(notices.take(), Some(LinkNotice::Resumed { gap: Duration::ZERO }));
        assert_eq!(notices.take(), None);
        assert!(notices.interrupted(), "somebody has to see to it again");
        assert_eq!((notices.take(), notices.take()), (Some(LinkNotice::Interrupted), None));
        pass(SECOND).await;
        assert!(notices.resumed());
        assert_eq!(notices.take(), Some(LinkNotice::Resumed { gap: SECOND }));
    }

    #[tokio::test(start_paused = true)]
    async fn interruptions_that_a_hub_has_no_time_for_are_one() {
        let notices = LinkNotices::default();
        notices.interrupted();
        assert_eq!(notices.take(), Some(LinkNotice::Interrupted));
        for _ in 0..10 {
            pass(SECOND).await;
            notices.resumed();
            notices.interrupted();
        }
        assert_eq!(notices.take(), None, "it is still interrupted");
        notices.resumed();
        assert_eq!(notices.take(), Some(LinkNotice::Resumed { gap: 10 * SECOND }));
        assert_eq!(notices.take(), None);
    }
}
