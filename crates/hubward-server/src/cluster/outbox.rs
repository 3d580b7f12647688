//! What a hub publishes, in the order in which it was sent. A message for a connection of another node waits until it is
//! known of which; what the hub sends meanwhile queues behind it. While the link to the other nodes is interrupted all of it
//! is held here, if the hub's options say so; `outage.rs` publishes it afterwards.

mod queue;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use hubward_backplane::{Backplane, Order};
use hubward_hub::{Outage, SendError, Sending};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use self::queue::{Content, Entry, Mode, Published, Publishing, Queue, failed, publish_all};
pub(crate) use self::queue::{HoldEnd, Lookup, Parcel, PublishWindow};
use super::link::NodeLink;

/// How much may queue for lookups, in messages and in bytes. More is refused: it would have to wait without bound. What is
/// held in an outage is bounded by the hub's options instead.
const QUEUED_MESSAGES: usize = 64 * 1024;
const QUEUED_BYTES: usize = 64 * 1024 * 1024;

pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    /// What each send looks at: [`IDLE`], [`LOOKING_UP`] or [`HOLDING`]. Whoever finds it idle publishes at once: all that
    /// was sent before it has been published.
    state: AtomicU8,
    /// How many bytes are held in an outage, and for how long; `None` where nothing is.
    hold: Option<(usize, Duration)>,
    /// Notifies whoever publishes what was held that recipients have been looked up.
    resolved: Notify,
}

/// Nothing queues.
const IDLE: u8 = 0;
/// Something queues behind a lookup.
const LOOKING_UP: u8 = 1;
/// Everything queues, or is refused.
const HOLDING: u8 = 2;

/// What becomes of a message whose recipients have to be looked up.
pub(crate) enum LookupTurn {
    /// The caller looks them up, for [`resolve`](Outbox::resolve) with this number.
    LookUp(u64, Lookup),
    /// It is held, or refused.
    Taken,
}

/// What is to be done next about what was held.
pub(crate) enum HeldStep {
    /// Nothing: the hub's messages go out at once again.
    Done,
    /// Nothing: the link has been interrupted again.
    Interrupted,
    /// Wait for [`resolved`](Outbox::resolved).
    Wait,
    /// Look these up, each for [`resolve`](Outbox::resolve) with its number.
    LookUp(Vec<(u64, Lookup)>),
    /// Wait until these are published.
    Publishing(Vec<Publishing>),
}

impl Outbox {
    pub(crate) fn new(on_outage: Outage) -> Self {
        let hold = match on_outage {
            Outage::Hold { max_bytes, max_wait } => Some((max_bytes, max_wait)),
            _ => None,
        };
        Self { queue: Mutex::default(), state: AtomicU8::new(IDLE), hold, resolved: Notify::new() }
    }

    /// Publishes on topics of groups and users in its turn: at once, where the backplane keeps no order between these and
    /// the topics of nodes, which the lookups are for.
    pub(crate) fn publish(&self, backplane: &Arc<dyn Backplane>, parcel: Parcel) -> Sending {
        let state = self.state.load(Ordering::Acquire);
        if state == IDLE || (state == LOOKING_UP && backplane.order() == Order::PerTopic) {
            return published_now(backplane, vec![parcel]);
        }
        self.publish_all(backplane, vec![parcel])
    }

    /// Publishes several envelopes in their turn.
    pub(crate) fn publish_all(&self, backplane: &Arc<dyn Backplane>, parcels: Vec<Parcel>) -> Sending {
        let mut queue = self.queue.lock();
        if queue.mode == Mode::Open && queue.entries.is_empty() {
            return published_now(backplane, parcels);
        }
        let bytes = parcels.iter().map(Parcel::bytes).sum();
        self.push(&mut queue, Content::Ready(Ok(parcels)), bytes)
    }

    /// Takes the turn of a message whose recipients are to be looked up.
    pub(crate) fn queue_lookup(&self, lookup: Lookup) -> (LookupTurn, Sending) {
        let bytes = lookup.bytes();
        let mut queue = self.queue.lock();
        if queue.mode != Mode::Open {
            return (LookupTurn::Taken, self.push(&mut queue, Content::Held(lookup), bytes));
        }
        let number = queue.next_number();
        let sending = self.push(&mut queue, Content::LookingUp, bytes);
        let refused = queue.next_number() == number;
        (if refused { LookupTurn::Taken } else { LookupTurn::LookUp(number, lookup) }, sending)
    }

    /// Makes an entry ready whose recipients are known now. It and all that waited for it are published, if it is their
    /// turn.
    pub(crate) fn resolve(
        &self,
        backplane: &Arc<dyn Backplane>,
        number: u64,
        parcels: Result<Vec<Parcel>, SendError>,
    ) {
        let mut queue = self.queue.lock();
        queue.resolve(number, parcels);
        if queue.mode != Mode::Open {
            self.resolved.notify_one();
            return;
        }
        while let Some((entry, parcels)) = queue.pop_ready() {
            let published = parcels.map_or_else(failed, |parcels| publish_all(backplane, parcels));
            // Nobody may wait for it; it is published all the same.
            let _ = entry.report.send(published);
        }
        self.note_state(&queue);
    }

    /// Holds everything from now on, if the hub wants that.
    pub(crate) fn hold(&self) {
        let mut queue = self.queue.lock();
        if self.hold.is_some() && queue.mode == Mode::Open {
            queue.mode = Mode::Holding { since: Instant::now() };
            self.note_state(&queue);
        }
    }

    /// Takes back what was published before everything that is held, and has not been sent; `None` where nothing is held. It
    /// is bounded by what the backplane accepts: as long as it fills the room of what is sent now, that is refused.
    pub(crate) fn take_back(&self, parcel: Parcel) -> Option<Published> {
        let (mut queue, bytes) = (self.queue.lock(), parcel.bytes());
        if !matches!(queue.mode, Mode::Holding { .. }) {
            return None;
        }
        let (report, published) = oneshot::channel();
        queue.put_first(Entry { content: Content::Ready(Ok(vec![parcel])), bytes, report });
        Some(in_turn(published))
    }

    /// Returns when what is held is to be discarded; `None` where nothing is held, or without end.
    pub(crate) fn expires_at(&self) -> Option<Instant> {
        match self.queue.lock().mode {
            Mode::Holding { since } => since.checked_add(self.hold?.1),
            Mode::Open | Mode::Refusing(_) => None,
        }
    }

    /// Returns whether messages are held.
    pub(crate) fn is_holding(&self) -> bool {
        let queue = self.queue.lock();
        matches!(queue.mode, Mode::Holding { .. }) && !queue.entries.is_empty()
    }

    /// Discards what is held, and refuses everything from now on. Returns how many messages were held.
    pub(crate) fn refuse(&self, refusal: HoldEnd) -> usize {
        let mut queue = self.queue.lock();
        if queue.mode == Mode::Open {
            return 0;
        }
        queue.mode = Mode::Refusing(refusal);
        queue.discard(|| self.refused(refusal))
    }

    /// Holds messages again where they were refused: the link is whole.
    pub(crate) fn hold_again(&self) {
        let mut queue = self.queue.lock();
        if matches!(queue.mode, Mode::Refusing(_)) {
            queue.mode = Mode::Holding { since: Instant::now() };
        }
    }

    /// Lets messages go out at once again, without those that are held. Returns how many they were.
    pub(crate) fn give_up(&self, reason: &str) -> usize {
        let mut queue = self.queue.lock();
        queue.mode = Mode::Open;
        let discarded = queue.discard(|| SendError::Backplane { reason: reason.to_owned() });
        self.note_state(&queue);
        discarded
    }

    /// Waits until recipients have been looked up.
    pub(crate) async fn resolved(&self) {
        self.resolved.notified().await;
    }

    /// Does what is to be done next about what was held, as far as nothing has to be awaited.
    pub(crate) fn next(
        &self,
        backplane: &Arc<dyn Backplane>,
        link: &NodeLink,
        window: &mut PublishWindow,
    ) -> HeldStep {
        let mut queue = self.queue.lock();
        if !matches!(queue.mode, Mode::Holding { .. }) {
            return HeldStep::Done;
        }
        if link.is_interrupted() {
            return HeldStep::Interrupted;
        }
        match queue.entries.front().map(|entry| &entry.content) {
            Some(Content::LookingUp) => return HeldStep::Wait,
            Some(Content::Held(_)) => return HeldStep::LookUp(queue.lookups()),
            Some(Content::Ready(_)) | None => {}
        }
        let publishing = queue.publish_window(backplane, link, window);
        window.grow(queue.entries.len());
        if queue.entries.is_empty() {
            // What is sent next goes out behind the window, which has taken its place.
            queue.mode = Mode::Open;
            self.note_state(&queue);
        }
        HeldStep::Publishing(publishing)
    }

    fn push(&self, queue: &mut Queue, content: Content, bytes: usize) -> Sending {
        let room = |limit: usize| queue.bytes.saturating_add(bytes) <= limit;
        let may_wait = match (queue.mode, self.hold) {
            (Mode::Refusing(refusal), _) => return Sending::done(Err(self.refused(refusal))),
            (Mode::Holding { .. }, Some((limit_bytes, _))) => {
                if !room(limit_bytes) {
                    return Sending::done(Err(SendError::HeldTooMuch { limit_bytes }));
                }
                // From half on whoever can wait does.
                !room(limit_bytes / 2)
            }
            (Mode::Open | Mode::Holding { .. }, _) => {
                if queue.entries.len() >= QUEUED_MESSAGES || !room(QUEUED_BYTES) {
                    return Sending::done(Err(overloaded()));
                }
                true
            }
        };
        let published = in_turn(queue.push(content, bytes));
        self.note_state(queue);
        if may_wait { Sending::later(published) } else { Sending::held(published) }
    }

    fn refused(&self, refusal: HoldEnd) -> SendError {
        match refusal {
            HoldEnd::HeldTooLong => {
                SendError::HeldTooLong { limit: self.hold.map_or(Duration::ZERO, |(_, max_wait)| max_wait) }
            }
            HoldEnd::ShuttingDown => {
                let reason = "the node shuts down while its link to the other nodes is interrupted";
                SendError::Backplane { reason: reason.to_owned() }
            }
        }
    }

    fn note_state(&self, queue: &Queue) {
        let state = match queue.mode {
            Mode::Open if queue.entries.is_empty() => IDLE,
            Mode::Open => LOOKING_UP,
            Mode::Holding { .. } | Mode::Refusing(_) => HOLDING,
        };
        self.state.store(state, Ordering::Release);
    }
}

/// Publishes at once. Whoever awaits it waits for the message broker where others do already.
fn published_now(backplane: &Arc<dyn Backplane>, parcels: Vec<Parcel>) -> Sending {
    let published = publish_all(backplane, parcels);
    if backplane.is_busy() { Sending::later(published) } else { Sending::accepted(published) }
}

fn overloaded() -> SendError {
    let reason = "too many messages wait for their recipients to be looked up in the group store";
    SendError::Backplane { reason: reason.to_owned() }
}

fn in_turn(published: oneshot::Receiver<Published>) -> Published {
    Box::pin(async {
        match published.await {
            Ok(published) => published.await,
            Err(_) => Err(SendError::Backplane { reason: "the node has been shut down".to_owned() }),
        }
    })
}

#[cfg(test)]
mod tests;
