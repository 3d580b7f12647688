//! What waits for one connection's task: messages to be written, and control messages of other tasks.
//!
//! Bounded in messages and bytes, in three steps:
//!
//! * From a quarter on, whoever can wait does: streams, sends to this connection alone, and the reading of the client's
//!   own calls, so that answers are bounded too.
//! * At the limit, a message closes the connection as a slow consumer if its client is known to take nothing: the task
//!   had its turn, and could not write. Otherwise the mailbox goes on taking messages, because it is not the client that
//!   is slow: the task has not had its turn, or the client is reading.
//! * At [`HARD_LIMIT`] times the limit, any message closes it.

mod fill;
#[cfg_attr(not(test), allow(dead_code, reason = "nothing hands a session over yet"))]
pub(crate) mod handing_over;
#[cfg_attr(not(test), allow(dead_code, reason = "nothing hands a session over yet"))]
pub(crate) mod moving;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Waker;

use hubward_proto::Frame;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot};

pub(crate) use self::fill::{Fill, MailboxLimits};
use self::moving::MovingMailbox;
use super::close_reason::CloseReason;
use super::taken::TakeRequest;
use super::wake_batch;
use crate::delivery::message_id::Source;

/// What another task notifies the connection's task of.
#[derive(Debug)]
pub(crate) enum ControlMessage {
    /// A call has ended: the next one may have its permit.
    CallEnded(u64),
    /// A call waits for a client result, and has no permit meanwhile.
    CallSuspended(u64),
    /// A call waits for a client result no more. It goes on when the sender has sent, or goes on already.
    CallResumes(u64, Option<oneshot::Sender<()>>),
    /// A call has ended, or a client result is not waited for any more, and the task waits for that.
    Settled,
    /// Somebody takes the session, for another node.
    Take(Box<TakeRequest>),
    /// A stream, or a call that could be cancelled, has finished.
    InvocationFinished(String),
    /// The node drains: the connection closes when its calls have ended.
    Finish,
    /// The same, but without waiting for its streams.
    FinishWithoutStreams,
    /// The connection has to close.
    Close(CloseReason),
}

/// Whoever can wait does while more than one part in this many of the mailbox is taken, and so never makes the client a
/// slow consumer.
const WAITING_SHARE: usize = 4;

/// How many times the limit is taken while nobody knows that the client does not read: enough for what others send
/// before a task has its turn, and still a bound.
const HARD_LIMIT: usize = 4;

/// Capacity for messages, and as many control messages, that an idle mailbox keeps; more is freed.
const KEPT_MESSAGES: usize = 16;

pub(crate) struct Mailbox {
    state: Mutex<State>,
    limits: MailboxLimits,
    /// One part in [`WAITING_SHARE`] of `limits`.
    share: MailboxLimits,
    /// A [`Fill`], so that it costs no lock.
    fill: AtomicU8,
    /// Notifies those that wait for room or for the task's turn.
    changed: Notify,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Frame>,
    controls: Vec<ControlMessage>,
    /// Bytes in `frames` and in what was taken last: what was taken counts until the next take, because only then has
    /// it been written to the client.
    bytes: usize,
    messages_taken: usize,
    bytes_taken: usize,
    closed: bool,
    /// Present while the connection moves to another node, or has come from one.
    moving: Option<Box<MovingMailbox>>,
    reader: Option<Waker>,
    /// Whether it was full already when a message was taken.
    overfull: bool,
    /// Whether it has become full, and the task has not had its turn since.
    turn_due: bool,
    /// Whether the task had its turn while it was full, and its client takes nothing.
    stalled: bool,
    /// Whether somebody waits to be notified.
    awaited: bool,
}

impl Mailbox {
    pub(crate) fn new(limits: MailboxLimits) -> Self {
        // Where there is no room for one message, nothing could ever be sent.
        let part = |parts: usize| MailboxLimits {
            messages: (limits.messages / parts).max(1),
            bytes: (limits.bytes / parts).max(1),
        };
        let (share, limits) = (part(WAITING_SHARE), part(1));
        Self { state: Mutex::default(), limits, share, fill: AtomicU8::new(0), changed: Notify::new() }
    }

    /// Has whoever can wait do so from so many bytes on, where that is less than its part of the limit.
    pub(crate) fn waiting_from(mut self, bytes: usize) -> Self {
        self.share.bytes = self.share.bytes.min(bytes);
        self
    }

    /// Puts in a message of the connection's own calls.
    pub(crate) fn push(&self, frame: Frame) -> Fill {
        self.push_from(frame, Source::Own)
    }

    /// Puts a message in, and returns how full the mailbox is then. One that does not fit closes the mailbox and the
    /// connection: a slow consumer. Where it comes from matters only while the connection moves to another node.
    #[inline]
    pub(crate) fn push_from(&self, frame: Frame, source: Source) -> Fill {
        let state = self.state.lock();
        // First: one that has moved is closed, and forwards all the same.
        if state.moving.is_some() {
            return self.push_moving(state, frame, source);
        }
        if state.closed {
            return Fill::Room;
        }
        self.push_open(state, frame)
    }

    #[inline]
    fn push_open(&self, mut state: MutexGuard<'_, State>, frame: Frame) -> Fill {
        let messages = state.frames.len() + state.messages_taken + 1;
        if messages < self.share.messages && state.bytes + frame.len() < self.share.bytes {
            // Nearly always: there was room before, and there still is.
            state.bytes += frame.len();
            state.frames.push_back(frame);
            let reader = state.reader.take();
            drop(state);
            reader.into_iter().for_each(wake_batch::wake);
            return Fill::Room;
        }
        self.push_crowded(state, frame)
    }

    fn push_crowded(&self, mut state: MutexGuard<'_, State>, frame: Frame) -> Fill {
        if self.reaches(&state, 1) {
            if state.stalled || self.reaches(&state, HARD_LIMIT) {
                self.close_slow(state);
                return Fill::Room;
            }
            state.overfull = true;
        }
        let fill = self.put(&mut state, frame);
        state.turn_due |= fill == Fill::Full;
        let reader = state.reader.take();
        drop(state);
        wake_reader(reader, fill);
        fill
    }

    /// Puts in the completion of a call, and a control message. Completions are bounded by the calls that are read, and
    /// none are while the mailbox is crowded; so only the hard limit closes.
    pub(crate) fn complete(&self, frame: Option<Frame>, control: Option<ControlMessage>) {
        if frame.is_none() && control.is_none() {
            // The task need not be woken where a call has ended at once and nobody wants its completion.
            return;
        }
        let mut state = self.state.lock();
        // A closed mailbox has its reason, and nothing after it is handled: what a hub method goes on to notify its
        // connection of would only pile up.
        if state.closed {
            return;
        }
        state.controls.extend(control);
        let mut fill = Fill::Room;
        if let Some(frame) = frame {
            if self.reaches(&state, HARD_LIMIT) {
                self.close_slow(state);
                return;
            }
            fill = self.put(&mut state, frame);
        }
        let reader = state.reader.take();
        drop(state);
        wake_reader(reader, fill);
    }

    /// Takes what is there into the empty `frames` and `controls`: messages until they fill `room` bytes. `reader` is
    /// woken when more comes; without one, nobody is.
    pub(crate) fn take(
        &self,
        room: usize,
        frames: &mut VecDeque<Frame>,
        controls: &mut Vec<ControlMessage>,
        reader: Option<&Waker>,
    ) {
        debug_assert!(frames.is_empty() && controls.is_empty());
        let mut state = self.state.lock();
        state.bytes -= state.bytes_taken;
        state.bytes_taken = state.take_frames(room, frames);
        state.messages_taken = frames.len();
        std::mem::swap(&mut state.controls, controls);
        // What a burst needed is freed when nothing has followed it: while messages come, each turn has some.
        if frames.is_empty() && frames.capacity().max(state.frames.capacity()) > KEPT_MESSAGES {
            (*frames, state.frames) = Default::default();
        }
        if controls.is_empty() && controls.capacity().max(state.controls.capacity()) > KEPT_MESSAGES {
            (*controls, state.controls) = Default::default();
        }
        match reader.filter(|_| frames.is_empty() && controls.is_empty()) {
            Some(reader) => match &mut state.reader {
                Some(known) if known.will_wake(reader) => {}
                known => *known = Some(reader.clone()),
            },
            None => state.reader = None,
        }
        (state.stalled, state.overfull) = (false, false);
        self.note_fill(&state);
        self.end_turn(state);
    }

    /// Takes control messages only, while messages cannot be written.
    pub(crate) fn take_controls(&self, controls: &mut Vec<ControlMessage>, reader: &Waker) {
        debug_assert!(controls.is_empty());
        let mut state = self.state.lock();
        std::mem::swap(&mut state.controls, controls);
        state.reader = Some(reader.clone());
        self.end_turn(state);
    }

    /// Notes whether the task, in its turn, found that the client takes nothing. Where messages were taken beyond the limit
    /// meanwhile, that closes the connection as a slow consumer.
    pub(crate) fn set_stalled(&self, stalled: bool) {
        let mut state = self.state.lock();
        state.stalled = stalled;
        if stalled && state.overfull {
            self.close_slow(state);
        }
    }

    /// How full it is, as its own task sees it: others may change it at any time.
    pub(crate) fn fill(&self) -> Fill {
        match self.fill.load(Ordering::Relaxed) {
            0 => Fill::Room,
            1 => Fill::Crowded,
            _ => Fill::Full,
        }
    }

    /// How many messages wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().frames.len()
    }

    /// Waits until there is room for whoever can wait for it; false when the mailbox is closed.
    pub(crate) async fn room(&self) -> bool {
        self.until(|mailbox, state| mailbox.fill_of(state) == Fill::Room).await
    }

    /// Waits until the task of a full mailbox has had its turn. That is a matter of scheduling: no client can prolong it.
    pub(crate) async fn turn(&self) {
        self.until(|_, state| !state.turn_due).await;
    }

    async fn until(&self, reached: impl Fn(&Self, &State) -> bool) -> bool {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.state.lock();
                if state.closed || reached(self, &state) {
                    return !state.closed;
                }
                state.awaited = true;
            }
            changed.await;
        }
    }

    /// Puts in a control message after which no message is taken any more. Those before it stay. A closed mailbox stays
    /// as it is: the first reason counts.
    pub(crate) fn close_with(&self, control: ControlMessage) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        state.closed = true;
        state.controls.push(control);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(wake_batch::wake);
        self.changed.notify_waiters();
    }

    /// Takes nothing more, and drops the messages that wait.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.frames = VecDeque::new();
        // Whoever waits for what it has sent here goes on.
        let controls = std::mem::take(&mut state.controls);
        drop(state);
        drop(controls);
        self.changed.notify_waiters();
    }

    fn close_slow(&self, state: MutexGuard<'_, State>) {
        drop(state);
        self.close_with(ControlMessage::Close(CloseReason::SlowConsumer));
    }

    fn put(&self, state: &mut State, frame: Frame) -> Fill {
        state.bytes += frame.len();
        state.frames.push_back(frame);
        self.note_fill(state)
    }

    fn note_fill(&self, state: &State) -> Fill {
        let fill = self.fill_of(state);
        if fill != self.fill() {
            self.fill.store(fill as u8, Ordering::Relaxed);
        }
        fill
    }

    fn fill_of(&self, state: &State) -> Fill {
        if self.reaches(state, 1) {
            Fill::Full
        } else if state.frames.len() >= self.share.messages || state.bytes >= self.share.bytes {
            Fill::Crowded
        } else {
            Fill::Room
        }
    }

    /// Whether so many times the limit are there. Before the limit one message always fits, however large: a consumer is
    /// slow only where messages pile up.
    fn reaches(&self, state: &State, times: usize) -> bool {
        let messages = state.frames.len() + state.messages_taken;
        let limit = |limit: usize| limit.saturating_mul(times);
        messages >= limit(self.limits.messages) || state.bytes >= limit(self.limits.bytes)
    }

    /// Notifies those that waited for this turn of the task, or for the room that it made.
    fn end_turn(&self, mut state: MutexGuard<'_, State>) {
        let was_due = std::mem::take(&mut state.turn_due);
        let notifies = state.awaited && (was_due || self.fill_of(&state) == Fill::Room);
        state.awaited &= !notifies;
        drop(state);
        if notifies {
            self.changed.notify_waiters();
        }
    }
}

impl State {
    /// Takes messages until they fill `room` bytes; returns how many bytes they have.
    fn take_frames(&mut self, mut room: usize, frames: &mut VecDeque<Frame>) -> usize {
        if room == usize::MAX {
            std::mem::swap(&mut self.frames, frames);
            return self.bytes;
        }
        let mut bytes = 0;
        while room > 0 {
            let Some(frame) = self.frames.pop_front() else { break };
            room = room.saturating_sub(frame.message().len());
            bytes += frame.len();
            frames.push_back(frame);
        }
        if self.frames.is_empty() && self.frames.capacity() > KEPT_MESSAGES {
            self.frames = VecDeque::new();
        }
        bytes
    }
}

/// Wakes the task: soon, where its mailbox fills.
fn wake_reader(reader: Option<Waker>, fill: Fill) {
    reader.into_iter().for_each(wake_batch::wake);
    if fill != Fill::Room {
        wake_batch::hurry();
    }
}

#[cfg(test)]
mod tests;
