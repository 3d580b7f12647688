//! The queue of an outbox: messages in the order in which they were sent, each with what is known of its recipients.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{ready, try_join_all};
use hubward_backplane::{Backplane, BackplaneError, BoxFuture, Frames, Topic};
use hubward_hub::SendError;
use hubward_types::{ConnectionId, TraceContext, brief_causes};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::bounded::backplane::published;
use crate::cluster::link::NodeLink;

/// What a message takes in the queue beside its envelopes, and what a topic or a recipient does.
const MESSAGE_BYTES: usize = 256;
const NAME_BYTES: usize = 64;

/// How many messages that were held are published before their confirmations are awaited: at first enough for the way to the
/// broker, and so few that who sends meanwhile hardly waits for the lock.
const FIRST_MESSAGES: usize = 256;
const MOST_MESSAGES: usize = 4096;

/// What bounds a window in bytes, for each of its messages.
const BYTES_PER_MESSAGE: usize = 1024;

/// How many messages that were held have their recipients looked up at once.
const LOOKUPS_AT_ONCE: usize = 64;

/// One envelope, and on which topics it is published.
pub(crate) struct Parcel {
    pub(crate) topics: Vec<Topic>,
    pub(crate) envelope: Bytes,
}

/// A message whose recipients are connections of nodes that are not known yet.
#[derive(Clone)]
pub(crate) struct Lookup {
    pub(crate) connections: Vec<ConnectionId>,
    pub(crate) frames: Frames,
    pub(crate) trace: Option<TraceContext>,
}

/// What becomes of a message.
pub(crate) type Published = BoxFuture<'static, Result<(), SendError>>;

type Confirmation = BoxFuture<'static, Result<(), BackplaneError>>;

#[derive(Default)]
pub(super) struct Queue {
    pub(super) mode: Mode,
    /// The number of the first entry. Numbers wrap around.
    pub(super) first: u64,
    pub(super) entries: VecDeque<Entry>,
    pub(super) bytes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Mode {
    /// What is ready goes out.
    #[default]
    Open,
    /// Everything waits until the link is whole.
    Holding { since: Instant },
    /// Nothing is held any more.
    Refusing(HoldEnd),
}

/// Why nothing is held any more, although the link is interrupted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HoldEnd {
    /// It was held for longer than the hub wants.
    HeldTooLong,
    /// The node shuts down.
    ShuttingDown,
}

pub(super) struct Entry {
    pub(super) content: Content,
    pub(super) bytes: usize,
    pub(super) report: oneshot::Sender<Published>,
}

pub(super) enum Content {
    /// A task looks up the recipients.
    LookingUp,
    /// The recipients are looked up when the link is whole.
    Held(Lookup),
    Ready(Result<Vec<Parcel>, SendError>),
}

/// How much of what was held is published at once. It grows, and where the hub sends faster than that is confirmed it is all
/// there is, so that publishing comes to an end.
pub(crate) struct PublishWindow {
    messages: usize,
    /// How many messages were left behind the last one.
    left: usize,
}

/// A message that was held and is published.
pub(crate) struct Publishing {
    confirmations: Vec<Confirmation>,
    report: oneshot::Sender<Published>,
}

impl Queue {
    pub(super) fn next_number(&self) -> u64 {
        self.first.wrapping_add(self.entries.len() as u64)
    }

    pub(super) fn push(&mut self, content: Content, bytes: usize) -> oneshot::Receiver<Published> {
        let (report, published) = oneshot::channel();
        self.entries.push_back(Entry { content, bytes, report });
        self.bytes += bytes;
        published
    }

    /// Makes an entry ready, where it was not discarded.
    pub(super) fn resolve(&mut self, number: u64, parcels: Result<Vec<Parcel>, SendError>) {
        let place = usize::try_from(number.wrapping_sub(self.first)).unwrap_or(usize::MAX);
        if let Some(entry) = self.entries.get_mut(place) {
            entry.content = Content::Ready(parcels);
        }
    }

    /// Takes the first entry, if it is ready.
    pub(super) fn pop_ready(&mut self) -> Option<(Entry, Result<Vec<Parcel>, SendError>)> {
        let front = self.entries.front_mut()?;
        let Content::Ready(parcels) = &mut front.content else { return None };
        let parcels = std::mem::replace(parcels, Ok(Vec::new()));
        let entry = self.entries.pop_front()?;
        self.first = self.first.wrapping_add(1);
        self.bytes -= entry.bytes;
        Some((entry, parcels))
    }

    /// Puts an entry before all others.
    pub(super) fn put_first(&mut self, entry: Entry) {
        self.bytes += entry.bytes;
        self.first = self.first.wrapping_sub(1);
        self.entries.push_front(entry);
    }

    /// Removes all entries; returns how many they were.
    pub(super) fn discard(&mut self, error: impl Fn() -> SendError) -> usize {
        let entries = std::mem::take(&mut self.entries);
        self.first = self.first.wrapping_add(entries.len() as u64);
        self.bytes = 0;
        let discarded = entries.len();
        for entry in entries {
            let _ = entry.report.send(failed(error()));
        }
        discarded
    }

    /// Returns the first lookups, with the numbers of their entries.
    pub(super) fn lookups(&self) -> Vec<(u64, Lookup)> {
        let window = self.entries.iter().take(FIRST_MESSAGES).enumerate();
        let held = window.filter_map(|(place, entry)| match &entry.content {
            Content::Held(lookup) => Some((self.first.wrapping_add(place as u64), lookup.clone())),
            Content::LookingUp | Content::Ready(_) => None,
        });
        held.take(LOOKUPS_AT_ONCE).collect()
    }

    /// Publishes what is ready, up to a window's size. What is not sent because the link is interrupted again stays.
    pub(super) fn publish_window(
        &mut self,
        backplane: &Arc<dyn Backplane>,
        link: &NodeLink,
        size: &PublishWindow,
    ) -> Vec<Publishing> {
        let (mut window, mut bytes) = (Vec::new(), 0);
        while size.has_room_for(window.len(), bytes) {
            let Some((entry, parcels)) = self.pop_ready() else { break };
            let parcels = match parcels {
                Ok(parcels) => parcels,
                Err(error) => {
                    let _ = entry.report.send(failed(error));
                    continue;
                }
            };
            match publish_held(backplane, link, parcels) {
                Ok(confirmations) => {
                    bytes += entry.bytes;
                    window.push(Publishing { confirmations, report: entry.report });
                }
                Err(Unsent(parcels)) => {
                    self.put_first(Entry { content: Content::Ready(Ok(parcels)), ..entry });
                    break;
                }
            }
        }
        window
    }
}

impl Default for PublishWindow {
    fn default() -> Self {
        Self { messages: FIRST_MESSAGES, left: usize::MAX }
    }
}

impl PublishWindow {
    fn has_room_for(&self, messages: usize, bytes: usize) -> bool {
        messages < self.messages && bytes < self.messages.saturating_mul(BYTES_PER_MESSAGE)
    }

    /// Grows for what is left.
    pub(super) fn grow(&mut self, left: usize) {
        self.messages =
            if left < self.left { self.messages.saturating_mul(2).min(MOST_MESSAGES) } else { usize::MAX };
        self.left = left;
    }
}

impl Parcel {
    pub(super) fn bytes(&self) -> usize {
        MESSAGE_BYTES + self.envelope.len() + self.topics.len() * NAME_BYTES
    }
}

impl Lookup {
    pub(super) fn bytes(&self) -> usize {
        let frames = [&self.frames.json, &self.frames.messagepack].into_iter().flatten();
        let state = self.trace.as_ref().and_then(TraceContext::state).map_or(0, str::len);
        MESSAGE_BYTES + frames.map(Bytes::len).sum::<usize>() + self.connections.len() * NAME_BYTES + state
    }
}

impl Publishing {
    /// Waits until it is published, and reports what became of it.
    pub(crate) async fn confirmed(self) {
        let result = try_join_all(self.confirmations).await.map(|_| ()).map_err(backplane_failed);
        // Nobody may wait for it; it was published all the same.
        let _ = self.report.send(Box::pin(ready(result)));
    }
}

/// Publishes now; the future reports what became of it.
pub(super) fn publish_all(backplane: &Arc<dyn Backplane>, parcels: Vec<Parcel>) -> Published {
    let publish = |parcel: Parcel| published(backplane.publish(parcel.topics, parcel.envelope));
    let publishing: Vec<_> = parcels.into_iter().map(publish).collect();
    Box::pin(async { try_join_all(publishing).await.map(|_| ()).map_err(backplane_failed) })
}

/// What was certainly not sent.
struct Unsent(Vec<Parcel>);

/// Publishes now what was held; fails where the link turns out to be interrupted again.
fn publish_held(
    backplane: &Arc<dyn Backplane>,
    link: &NodeLink,
    parcels: Vec<Parcel>,
) -> Result<Vec<Confirmation>, Unsent> {
    let mut confirmations: Vec<Confirmation> = Vec::with_capacity(parcels.len());
    let mut rest = parcels.into_iter();
    while let Some(parcel) = rest.next() {
        let publishing = backplane.publish(parcel.topics.clone(), parcel.envelope.clone());
        let mut publishing: Confirmation = Box::pin(published(publishing));
        match (&mut publishing).now_or_never() {
            Some(Err(BackplaneError::Unavailable(_))) if link.is_interrupted() => {
                return Err(Unsent([parcel].into_iter().chain(rest).collect()));
            }
            Some(result) => confirmations.push(Box::pin(ready(result))),
            None => confirmations.push(publishing),
        }
    }
    Ok(confirmations)
}

pub(super) fn failed(error: SendError) -> Published {
    Box::pin(ready(Err(error)))
}

fn backplane_failed(error: BackplaneError) -> SendError {
    SendError::Backplane { reason: brief_causes(&error).to_string() }
}
