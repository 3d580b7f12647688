//! The deadlines of a session, in one table. It only keeps them; `timeouts` does what is due when one has passed.

use std::time::Instant;

/// A deadline of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Timer {
    /// The handshake must be done. After the transport was lost: the peer's Sequence must have arrived on another one.
    Connect,
    /// The next Ping is due.
    Ping,
    /// It is time to check how long the peer has been silent.
    Silence,
    /// An Ack is due for what has been received.
    Ack,
    /// The peer must have acknowledged enough to make room in a full buffer.
    AckTimeout,
}

impl Timer {
    /// All timers, in the order in which those that are due together expire.
    pub(super) const ALL: [Self; 5] = [Self::Connect, Self::Ping, Self::Silence, Self::Ack, Self::AckTimeout];
}

/// When each timer expires. `None` is a timer that does not run, or one whose deadline is later than the clock can
/// express.
#[derive(Debug, Default)]
pub(super) struct TimerTable([Option<Instant>; Timer::ALL.len()]);

impl TimerTable {
    #[expect(clippy::indexing_slicing, reason = "the table has a slot for each timer")]
    pub(super) fn set(&mut self, timer: Timer, deadline: Option<Instant>) {
        self.0[timer as usize] = deadline;
    }

    pub(super) fn stop(&mut self, timer: Timer) {
        self.set(timer, None);
    }

    pub(super) fn stop_all(&mut self) {
        *self = Self::default();
    }

    #[expect(clippy::indexing_slicing, reason = "the table has a slot for each timer")]
    pub(super) fn get(&self, timer: Timer) -> Option<Instant> {
        self.0[timer as usize]
    }

    /// Returns whether a timer runs and its deadline has come.
    pub(super) fn is_due(&self, timer: Timer, now: Instant) -> bool {
        self.get(timer).is_some_and(|deadline| deadline <= now)
    }

    /// Returns the earliest deadline.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Timer, TimerTable};
    use crate::testing;

    #[test]
    fn the_earliest_deadline_comes_first_and_a_stopped_one_never() {
        let now = testing::now();
        let after = |seconds| now.checked_add(Duration::from_secs(seconds));
        let mut table = TimerTable::default();
        assert_eq!(table.next_timeout(), None);
        for (index, timer) in Timer::ALL.into_iter().enumerate() {
            assert_eq!(timer as usize, index, "each timer has its own slot");
            table.set(timer, after(9 - index as u64));
        }
        assert_eq!(table.next_timeout(), after(5));
        assert!(table.is_due(Timer::AckTimeout, now + Duration::from_secs(5)));
        assert!(!table.is_due(Timer::Ack, now + Duration::from_secs(5)));
        table.stop(Timer::AckTimeout);
        assert!(!table.is_due(Timer::AckTimeout, now + Duration::from_secs(5)));
        assert_eq!(table.next_timeout(), after(6));
        table.stop_all();
        assert_eq!(table.next_timeout(), None);
    }
}
