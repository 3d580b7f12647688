//! How long a drain may take, and when each phase of it ends.

use std::time::Duration;

use tokio::time::Instant;

/// How spread out the closing of connections is, unless it is set: no more than this.
const LONGEST_WINDOW: Duration = Duration::from_secs(10);
/// How much of the grace time is kept to leave the other nodes, and how much before that for the last Close messages to be
/// written: a part of it, and no more than this.
const LONGEST_LEAVING: Duration = Duration::from_secs(1);
const LONGEST_WRITING: Duration = Duration::from_secs(2);
const PARTS_KEPT: u32 = 10;

/// How a node drains. Whatever does not fit into the grace time is shortened.
///
/// ```
/// use std::time::Duration;
/// use hubward_server::DrainOptions;
///
/// let options = DrainOptions { delay: Duration::from_secs(10), ..DrainOptions::default() };
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainOptions {
    /// How long the node serves everything, new connections included, after it has turned not ready: as long as load balancers
    /// take to notice. Default: 5 s.
    pub delay: Duration,
    /// How long all of it takes at most, the delay included. Default: 25 s, which leaves 5 s of the 30 s that Kubernetes gives
    /// a pod.
    pub grace: Duration,
    /// The time that the closing of connections is spread over, so that their clients do not all reconnect at once. Default:
    /// half of what the delay leaves of the grace time, and 10 s at most.
    pub close_window: Option<Duration>,
}

impl Default for DrainOptions {
    fn default() -> Self {
        Self { delay: Duration::from_secs(5), grace: Duration::from_secs(25), close_window: None }
    }
}

impl DrainOptions {
    /// No delay and no window: all connections are closed at once, as soon as their calls have ended, which may take as long as
    /// the grace time.
    pub fn without_delay(grace: Duration) -> Self {
        Self { delay: Duration::ZERO, grace, close_window: Some(Duration::ZERO) }
    }
}

/// When each phase of a drain ends at the latest; `None` is never.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DrainDeadlines {
    /// From then on no connections begin.
    pub(crate) serve_until: Instant,
    /// Then no more sessions are handed over; at once, where the drain has no end.
    pub(crate) hand_over_until: Instant,
    /// What closing is spread over.
    pub(crate) close_window: Duration,
    /// Then connections close whether or not they have running calls.
    pub(crate) cut_at: Option<Instant>,
    /// Then nothing is waited for any more.
    pub(crate) end_at: Option<Instant>,
    /// Then the node has left the others, or does not wait for that either.
    pub(crate) gone_at: Option<Instant>,
}

impl DrainDeadlines {
    pub(crate) fn of(options: DrainOptions, now: Instant) -> Self {
        let grace = options.grace;
        let part = grace / PARTS_KEPT;
        let to_end = grace - part.min(LONGEST_LEAVING);
        let to_cut = to_end - part.min(LONGEST_WRITING);
        let delay = options.delay.min(to_cut);
        let left = to_cut - delay;
        let window = options.close_window.unwrap_or((left / 2).min(LONGEST_WINDOW)).min(left);
        Self {
            serve_until: at(now, delay).unwrap_or(now),
            // With the default window that leaves a quarter of the time for calls, too.
            hand_over_until: at(now, delay + (left - window) / 2).unwrap_or(now),
            close_window: window,
            cut_at: at(now, to_cut),
            end_at: at(now, to_end),
            gone_at: at(now, grace),
        }
    }

    /// Closes everything at once, and waits for what runs without an end.
    pub(crate) fn at_once(now: Instant) -> Self {
        Self {
            serve_until: now,
            hand_over_until: now,
            close_window: Duration::ZERO,
            cut_at: Some(now),
            end_at: None,
            gone_at: None,
        }
    }

    /// Returns the earlier end of each phase.
    pub(crate) fn earlier(self, other: Self) -> Self {
        let earlier = |one: Option<Instant>, two: Option<Instant>| one.into_iter().chain(two).min();
        Self {
            serve_until: self.serve_until.min(other.serve_until),
            hand_over_until: self.hand_over_until.min(other.hand_over_until),
            close_window: self.close_window.min(other.close_window),
            cut_at: earlier(self.cut_at, other.cut_at),
            end_at: earlier(self.end_at, other.end_at),
            gone_at: earlier(self.gone_at, other.gone_at),
        }
    }
}

/// Returns when a time has passed; `None` where that is never.
fn at(now: Instant, after: Duration) -> Option<Instant> {
    now.checked_add(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(from: Instant, to: Instant) -> f64 {
        to.duration_since(from).as_secs_f64()
    }

    /// The seconds after which the phases end: serving, handing over, then the window, the cut and the ends.
    fn check(delay: u64, grace: u64, window: Option<u64>, expected: [f64; 6]) {
        let now = Instant::now();
        let [delay, grace] = [delay, grace].map(Duration::from_secs);
        let close_window = window.map(Duration::from_secs);
        let deadlines = DrainDeadlines::of(DrainOptions { delay, grace, close_window }, now);
        let of = |at: Option<Instant>| seconds(now, at.unwrap());
        let ends = [
            seconds(now, deadlines.serve_until),
            seconds(now, deadlines.hand_over_until),
            deadlines.close_window.as_secs_f64(),
            of(deadlines.cut_at),
            of(deadlines.end_at),
            of(deadlines.gone_at),
        ];
        assert_eq!(ends, expected, "{delay:?} {grace:?} {window:?}");
    }

    #[test]
    fn all_phases_are_within_the_grace_time_whatever_the_options() {
        check(5, 25, None, [5.0, 9.25, 8.5, 22.0, 24.0, 25.0]);
        check(0, 10, None, [0.0, 2.0, 4.0, 8.0, 9.0, 10.0]);
        check(0, 100, None, [0.0, 43.5, 10.0, 97.0, 99.0, 100.0]);
        check(0, 100, Some(60), [0.0, 18.5, 60.0, 97.0, 99.0, 100.0]);
        check(30, 10, Some(5), [8.0, 8.0, 0.0, 8.0, 9.0, 10.0]);
        check(0, 10, Some(60), [0.0, 0.0, 8.0, 8.0, 9.0, 10.0]);
        check(0, 0, None, [0.0; 6]);
    }

    #[test]
    fn a_grace_time_without_end_has_none() {
        let now = Instant::now();
        let deadlines = DrainDeadlines::of(DrainOptions::without_delay(Duration::MAX), now);
        assert_eq!((deadlines.serve_until, deadlines.hand_over_until), (now, now));
        assert_eq!((deadlines.cut_at, deadlines.end_at, deadlines.gone_at), (None, None, None));
    }

    #[test]
    fn of_two_drains_the_earlier_end_of_each_phase_counts() {
        let now = Instant::now();
        let slow = DrainDeadlines::of(DrainOptions::default(), now);
        let hurried = slow.earlier(DrainDeadlines::at_once(now));
        assert_eq!(hurried, DrainDeadlines::at_once(now).earlier(slow));
        let expected =
            DrainDeadlines { end_at: slow.end_at, gone_at: slow.gone_at, ..DrainDeadlines::at_once(now) };
        assert_eq!(hurried, expected);
    }
}
