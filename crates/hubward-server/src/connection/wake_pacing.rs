//! When a round of wake-ups (`wake_portions.rs`) begins: at once, or a little later, so that more messages leave in each
//! write.
//!
//! Why: a write costs the kernel nearly as much with one message as with sixteen. Where large fan-outs follow each other
//! closely, a round that begins with the first of them writes that one alone to everybody. So after rounds in which each
//! task had several messages, the next one waits until about as many have come again, for a short time at most. That
//! raises throughput, and lowers latency under load, which is mostly waiting for writes. Where messages come one by one,
//! nothing waits, and neither does what follows a while later.

use std::time::Duration;

use tokio::time::Instant;

/// A round begins at the latest so many times after the round before as that took,
const PAUSE_PER_ROUND: u32 = 4;
/// and never later than this after it: what a person does not notice.
const LONGEST_PAUSE: Duration = Duration::from_millis(10);
/// The part of the messages that are expected for which a round waits. To wait for the last of them would often mean to
/// wait in vain.
const AWAITED_SHARE: f64 = 0.9;
/// From so many messages for each task on, rounds wait for each other. With one for each, there is nothing to save.
const SEVERAL: f64 = 1.5;
/// What the last round counts in the average; the others count the rest.
const LAST_ROUND_SHARE: f64 = 0.5;

#[derive(Default)]
pub(super) struct WakePacing {
    /// Messages for each task that was woken, on average.
    messages_per_task: f64,
    /// Until when a round would wait.
    pause_until: Option<Instant>,
}

/// A round that has ended.
pub(super) struct WakeRound {
    pub(super) took: Duration,
    /// How many tasks it woke.
    pub(super) tasks: usize,
    /// How many messages they had together.
    pub(super) messages: usize,
}

/// What a round waits for before it begins.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct WakePause {
    /// When it begins at the latest.
    pub(super) until: Instant,
    /// How many messages all its tasks together have before.
    pub(super) messages: usize,
}

impl WakePacing {
    /// Notes a round that has just ended.
    pub(super) fn end_round(&mut self, round: &WakeRound, now: Instant) {
        let messages_per_task = round.messages as f64 / round.tasks.max(1) as f64;
        self.messages_per_task += (messages_per_task - self.messages_per_task) * LAST_ROUND_SHARE;
        let pause = round.took.saturating_mul(PAUSE_PER_ROUND).min(LONGEST_PAUSE);
        self.pause_until = (self.messages_per_task >= SEVERAL).then(|| now + pause);
    }

    /// Returns what a round of so many tasks, which have so many messages already, waits for; `None` where it begins at
    /// once.
    pub(super) fn pause(&self, tasks: usize, messages: usize, now: Instant) -> Option<WakePause> {
        let until = self.pause_until.filter(|until| *until > now)?;
        let awaited = (self.messages_per_task * AWAITED_SHARE * tasks as f64) as usize;
        (messages < awaited).then_some(WakePause { until, messages: awaited })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOK: Duration = Duration::from_millis(1);

    fn after_rounds_with(messages_per_task: &[usize]) -> (WakePacing, Instant) {
        let (mut pacing, now) = (WakePacing::default(), Instant::now());
        for each in messages_per_task {
            pacing.end_round(&WakeRound { took: TOOK, tasks: 1_000, messages: each * 1_000 }, now);
        }
        (pacing, now)
    }

    #[test]
    fn messages_that_come_one_by_one_never_wait() {
        let (pacing, now) = after_rounds_with(&[]);
        assert_eq!(pacing.pause(1_000, 1_000, now), None);
        let (pacing, now) = after_rounds_with(&[1; 10]);
        assert_eq!(pacing.pause(1_000, 1_000, now), None);
    }

    #[test]
    fn after_rounds_of_many_messages_the_next_waits_for_nearly_as_many() {
        let (pacing, now) = after_rounds_with(&[16; 20]);
        let pause = pacing.pause(1_000, 1_000, now).unwrap();
        assert_eq!(pause.until, now + TOOK * PAUSE_PER_ROUND);
        assert!((14_300..=14_400).contains(&pause.messages), "{}", pause.messages);
        assert_eq!(pacing.pause(1_000, pause.messages, now), None);
        let fewer = pacing.pause(100, 100, now).unwrap();
        assert!((1_430..=1_440).contains(&fewer.messages), "{}", fewer.messages);
    }

    #[test]
    fn what_follows_a_while_later_does_not_wait() {
        let (pacing, now) = after_rounds_with(&[16; 20]);
        assert_eq!(pacing.pause(1_000, 1_000, now + TOOK * PAUSE_PER_ROUND), None);
    }

    #[test]
    fn no_pause_is_longer_than_the_longest() {
        let (mut pacing, now) = after_rounds_with(&[]);
        pacing.end_round(&WakeRound { took: Duration::from_secs(9), tasks: 1, messages: 99 }, now);
        assert_eq!(pacing.pause(1, 1, now).unwrap().until, now + LONGEST_PAUSE);
    }

    #[test]
    fn when_a_burst_is_over_a_few_rounds_wait_and_then_none() {
        let (mut pacing, now) = after_rounds_with(&[16; 20]);
        let mut waited = 0;
        while pacing.pause(1_000, 1_000, now).is_some() {
            waited += 1;
            pacing.end_round(&WakeRound { took: TOOK, tasks: 1_000, messages: 1_000 }, now);
        }
        assert_eq!(waited, 5);
    }
}
