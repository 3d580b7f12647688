//! Which topics are to be subscribed to, which are, and who waits to know. What is wanted is decided by each call at once;
//! [`subscriptions`](super::subscriptions) makes it so.

use std::collections::HashMap;
use std::sync::Arc;

use hubward_backplane::{BackplaneError, Topic};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::status::{BackplaneStatus, unavailable};
use crate::error::RedisFailure;

/// The name of a channel.
pub(super) type Channel = Arc<[u8]>;

#[derive(Default)]
pub(super) struct Topics {
    state: Mutex<TopicsState>,
    changed: Notify,
}

#[derive(Default)]
struct TopicsState {
    status: BackplaneStatus,
    entries: HashMap<Channel, Entry>,
    /// Channels where what is wanted may not be what is; each once.
    changed: Vec<Channel>,
}

struct Entry {
    topic: Topic,
    is_wanted: bool,
    /// Whether a subscription was confirmed and has not been ended since: it outlives the session.
    is_kept: bool,
    actual: Actual,
    is_changed: bool,
    /// Who waits for what is wanted now, and for what is under way.
    waiting: Vec<Waiter>,
    under_way: Vec<Waiter>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Actual {
    Unsubscribed,
    Changing(SubscriptionChange),
    Subscribed,
}

/// What is asked of Redis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SubscriptionChange {
    Subscribe,
    Unsubscribe,
}

enum Waiter {
    Subscribed(oneshot::Sender<Result<(), RedisFailure>>),
    Unsubscribed(oneshot::Sender<()>),
}

impl Topics {
    /// Wants topics. What became of each is to be awaited with [`confirmed`].
    pub(super) fn subscribe(&self, channels: impl Iterator<Item = (Channel, Topic)>) -> Vec<Subscribing> {
        let mut state = self.state.lock();
        let subscribing = channels.map(|(channel, topic)| state.subscribe(channel, topic)).collect();
        drop(state);
        self.changed.notify_one();
        subscribing
    }

    /// Wants topics no more; each future is ready when Redis has confirmed it, or when it does not matter any more.
    pub(super) fn unsubscribe(
        &self,
        channels: impl Iterator<Item = (Channel, Topic)>,
    ) -> Vec<oneshot::Receiver<()>> {
        let mut state = self.state.lock();
        let unsubscribing = channels.filter_map(|(channel, _)| state.unsubscribe(&channel)).collect();
        drop(state);
        self.changed.notify_one();
        unsubscribing
    }

    /// Waits until something is to be changed.
    pub(super) async fn changed(&self) {
        while self.state.lock().changed.is_empty() {
            self.changed.notified().await;
        }
    }

    /// Takes what is to be changed next, at most so much.
    pub(super) fn take_changes(&self, limit: usize) -> Vec<(Channel, SubscriptionChange)> {
        let mut state = self.state.lock();
        let mut changes = Vec::new();
        while changes.len() < limit {
            let Some(channel) = state.changed.pop() else { break };
            if let Some(change) = state.begin(&channel) {
                changes.push((channel, change));
            }
        }
        changes
    }

    /// Notes what became of a change.
    pub(super) fn finish(
        &self,
        channel: &Channel,
        change: SubscriptionChange,
        result: Result<(), RedisFailure>,
    ) {
        let mut state = self.state.lock();
        state.finish(channel, change, result);
        if !state.changed.is_empty() {
            self.changed.notify_one();
        }
    }

    /// Calls `take` with the topic of each channel that is wanted.
    pub(super) fn of_channels<T>(
        &self,
        messages: Vec<T>,
        channel: impl Fn(&T) -> &[u8],
        mut take: impl FnMut(T, &Topic),
    ) {
        let state = self.state.lock();
        for message in messages {
            if let Some(entry) = state.entries.get(channel(&message)).filter(|entry| entry.is_wanted) {
                take(message, &entry.topic);
            }
        }
    }

    /// Whether a channel is being unsubscribed from.
    pub(super) fn is_unsubscribing(&self, channel: &[u8]) -> bool {
        let changing = Actual::Changing(SubscriptionChange::Unsubscribe);
        self.state.lock().entries.get(channel).is_some_and(|entry| entry.actual == changing)
    }

    pub(super) fn set_status(&self, status: BackplaneStatus) {
        let mut state = self.state.lock();
        if !state.status.is_stopped() {
            state.status = status;
        }
    }

    /// Nothing is subscribed to any more: what was is to be subscribed to anew, what waits has failed.
    pub(super) fn interrupt(&self, failure: &RedisFailure) {
        let mut state = self.state.lock();
        if !state.status.is_stopped() {
            state.status = BackplaneStatus::Down(failure.clone());
        }
        state.changed.clear();
        let mut waiters = Vec::new();
        state.entries.retain(|_, entry| {
            waiters.append(&mut entry.waiting);
            waiters.append(&mut entry.under_way);
            entry.actual = Actual::Unsubscribed;
            entry.is_changed = false;
            entry.is_wanted && entry.is_kept
        });
        let TopicsState { entries, changed, .. } = &mut *state;
        for (channel, entry) in entries {
            entry.is_changed = true;
            changed.push(Arc::clone(channel));
        }
        drop(state);
        for waiter in waiters {
            waiter.notify(|| Err(failure.clone()));
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        let mut state = self.state.lock();
        state.changed.clear();
        let entries = std::mem::take(&mut state.entries);
        drop(state);
        drop(entries);
    }
}

/// A topic that is subscribed to, or whose confirmation is to come, or why it cannot be.
pub(super) type Subscribing = Result<Option<oneshot::Receiver<Result<(), RedisFailure>>>, BackplaneError>;

impl TopicsState {
    fn subscribe(&mut self, channel: Channel, topic: Topic) -> Subscribing {
        self.status.check()?;
        let entry = self.entries.entry(Arc::clone(&channel)).or_insert_with(|| Entry {
            topic,
            is_wanted: false,
            is_kept: false,
            actual: Actual::Unsubscribed,
            is_changed: false,
            waiting: Vec::new(),
            under_way: Vec::new(),
        });
        entry.is_wanted = true;
        if entry.is_kept && entry.actual == Actual::Subscribed {
            return Ok(None);
        }
        let (confirm, confirmed) = oneshot::channel();
        entry.wait(Waiter::Subscribed(confirm));
        self.note_change(channel);
        Ok(Some(confirmed))
    }

    fn unsubscribe(&mut self, channel: &Channel) -> Option<oneshot::Receiver<()>> {
        let entry = self.entries.get_mut(channel)?;
        entry.is_wanted = false;
        entry.is_kept = false;
        let (confirm, confirmed) = oneshot::channel();
        entry.wait(Waiter::Unsubscribed(confirm));
        self.note_change(Arc::clone(channel));
        Some(confirmed)
    }

    fn note_change(&mut self, channel: Channel) {
        let Some(entry) = self.entries.get_mut(&channel) else { return };
        // What is under way is followed by another look.
        if !entry.is_changed && !matches!(entry.actual, Actual::Changing(_)) {
            entry.is_changed = true;
            self.changed.push(channel);
        }
    }

    /// Begins what is needed for what is wanted; `None` where it is so already.
    fn begin(&mut self, channel: &Channel) -> Option<SubscriptionChange> {
        let entry = self.entries.get_mut(channel)?;
        entry.is_changed = false;
        let change = match (entry.is_wanted, entry.actual) {
            (true, Actual::Unsubscribed) => SubscriptionChange::Subscribe,
            (false, Actual::Subscribed) => SubscriptionChange::Unsubscribe,
            (_, Actual::Changing(_)) => return None,
            (is_wanted, Actual::Subscribed | Actual::Unsubscribed) => {
                entry.is_kept = is_wanted;
                entry.waiting.drain(..).for_each(|waiter| waiter.notify(|| Ok(())));
                if !is_wanted {
                    self.entries.remove(channel);
                }
                return None;
            }
        };
        entry.actual = Actual::Changing(change);
        entry.under_way.append(&mut entry.waiting);
        Some(change)
    }

    fn finish(&mut self, channel: &Channel, change: SubscriptionChange, result: Result<(), RedisFailure>) {
        let Some(entry) = self.entries.get_mut(channel) else { return };
        entry.actual = match (change, &result) {
            (SubscriptionChange::Subscribe, Ok(())) | (SubscriptionChange::Unsubscribe, Err(_)) => {
                Actual::Subscribed
            }
            (SubscriptionChange::Subscribe, Err(_)) | (SubscriptionChange::Unsubscribe, Ok(())) => {
                Actual::Unsubscribed
            }
        };
        match (change, &result) {
            // Whether or not it is wanted any more is seen below.
            (SubscriptionChange::Subscribe, Ok(())) => entry.is_kept = entry.is_wanted,
            // Whoever has asked since may have better luck.
            (SubscriptionChange::Subscribe, Err(_)) => entry.is_wanted &= !entry.waiting.is_empty(),
            // It is not wanted, so that nothing is delivered for it.
            (SubscriptionChange::Unsubscribe, _) => {}
        }
        let waiters = std::mem::take(&mut entry.under_way);
        let is_settled = entry.is_wanted == (entry.actual == Actual::Subscribed);
        let is_over = is_settled || (change == SubscriptionChange::Unsubscribe && result.is_err());
        if is_over && !entry.is_wanted && entry.waiting.is_empty() {
            self.entries.remove(channel);
        } else if !is_over || !entry.waiting.is_empty() {
            self.note_change(Arc::clone(channel));
        }
        for waiter in waiters {
            waiter.notify(|| result.clone());
        }
    }
}

impl Entry {
    fn wait(&mut self, waiter: Waiter) {
        // Those whose callers have gone do not add up.
        if self.waiting.len() > 16 {
            self.waiting.retain(|waiter| !waiter.is_gone());
        }
        self.waiting.push(waiter);
    }
}

impl Waiter {
    fn is_gone(&self) -> bool {
        match self {
            Self::Subscribed(confirm) => confirm.is_closed(),
            Self::Unsubscribed(confirm) => confirm.is_closed(),
        }
    }

    fn notify(self, result: impl FnOnce() -> Result<(), RedisFailure>) {
        match self {
            Self::Subscribed(confirm) => _ = confirm.send(result()),
            Self::Unsubscribed(confirm) => _ = confirm.send(()),
        }
    }
}

/// Waits until Redis has confirmed a subscription.
pub(super) async fn confirmed(subscribing: Subscribing) -> Result<(), BackplaneError> {
    match subscribing? {
        None => Ok(()),
        Some(confirmed) => confirmed.await.map_err(|_| BackplaneError::Stopped)?.map_err(unavailable),
    }
}
