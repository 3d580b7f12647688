//! What waits for one connection's task: messages to be written, and control messages of other tasks.
//!
//! Bounded in messages and bytes. A full mailbox takes nothing more and closes its connection as a slow consumer;
//! whoever sends never waits. Streams, which can wait, wait for room first: that is their backpressure.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use hubward_proto::Frame;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::close_reason::CloseReason;
use super::wake_batch;

/// What another task notifies the connection's task of.
#[derive(Debug)]
pub(crate) enum ControlMessage {
    /// A call has ended: the next one may have its permit.
    CallEnded(u64),
    /// A call waits for a client result, and has no permit meanwhile.
    CallSuspended(u64),
    /// A call waits for a client result no more. It goes on when the sender has sent, or goes on already.
    CallResumes(u64, Option<oneshot::Sender<()>>),
    /// A stream, or a call that could be cancelled, has finished.
    InvocationFinished(String),
    /// The connection has to close.
    Close(CloseReason),
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MailboxLimits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// Streams pause while more than one part in this many of the mailbox is taken, so that they never make their own
/// client a slow consumer.
const STREAM_SHARE: usize = 4;

/// Capacity for messages that an idle mailbox keeps; more is freed.
const KEPT_MESSAGES: usize = 16;

pub(crate) struct Mailbox {
    state: Mutex<State>,
    limits: MailboxLimits,
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
    reader: Option<Waker>,
    waiting_for_room: Vec<Waker>,
}

impl Mailbox {
    pub(crate) fn new(limits: MailboxLimits) -> Self {
        Self { state: Mutex::default(), limits }
    }

    /// Puts a message in. One that does not fit closes the mailbox and the connection: a slow consumer.
    pub(crate) fn push(&self, frame: Frame) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        let bytes = state.bytes + frame.len();
        let messages = state.frames.len() + state.messages_taken;
        // One message alone always fits, however large: a consumer is slow only where messages pile up.
        if messages >= self.limits.messages || (messages > 0 && bytes > self.limits.bytes) {
            state.closed = true;
            state.controls.push(ControlMessage::Close(CloseReason::SlowConsumer));
        } else {
            state.bytes = bytes;
            state.frames.push_back(frame);
        }
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(wake_batch::wake);
    }

    /// Puts in the completion of a call, which is bounded by the calls that are running, and a control message.
    pub(crate) fn complete(&self, frame: Option<Frame>, control: Option<ControlMessage>) {
        let mut state = self.state.lock();
        if let Some(frame) = frame.filter(|_| !state.closed) {
            state.bytes += frame.len();
            state.frames.push_back(frame);
        }
        // A closed mailbox has its reason, and nothing after it is handled: what a hub method goes on to notify its
        // connection of would only pile up.
        let closed = state.closed;
        state.controls.extend(control.filter(|_| !closed));
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(wake_batch::wake);
    }

    /// Takes all that is there into the empty `frames` and `controls`. `reader` is woken when more comes; without
    /// one, nobody is.
    pub(crate) fn take(
        &self,
        frames: &mut VecDeque<Frame>,
        controls: &mut Vec<ControlMessage>,
        reader: Option<&Waker>,
    ) {
        debug_assert!(frames.is_empty() && controls.is_empty());
        let mut state = self.state.lock();
        state.bytes -= state.bytes_taken;
        std::mem::swap(&mut state.frames, frames);
        std::mem::swap(&mut state.controls, controls);
        state.bytes_taken = state.bytes;
        state.messages_taken = frames.len();
        if frames.is_empty() && frames.capacity() > KEPT_MESSAGES {
            *frames = VecDeque::new();
        }
        match reader.filter(|_| frames.is_empty() && controls.is_empty()) {
            Some(reader) => match &mut state.reader {
                Some(known) if known.will_wake(reader) => {}
                known => *known = Some(reader.clone()),
            },
            None => state.reader = None,
        }
        let waiting = if state.waiting_for_room.is_empty() || !self.has_room(&state) {
            Vec::new()
        } else {
            std::mem::take(&mut state.waiting_for_room)
        };
        drop(state);
        waiting.into_iter().for_each(wake_batch::wake);
    }

    /// Takes control messages only, while messages cannot be written.
    pub(crate) fn take_controls(&self, controls: &mut Vec<ControlMessage>, reader: &Waker) {
        debug_assert!(controls.is_empty());
        let mut state = self.state.lock();
        std::mem::swap(&mut state.controls, controls);
        state.reader = Some(reader.clone());
    }

    /// Waits until a stream may put its next item in; false when the mailbox is closed.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut state = self.state.lock();
        if state.closed || self.has_room(&state) {
            return Poll::Ready(!state.closed);
        }
        state.waiting_for_room.push(cx.waker().clone());
        Poll::Pending
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
        let waiting = std::mem::take(&mut state.waiting_for_room);
        drop(state);
        reader.into_iter().chain(waiting).for_each(wake_batch::wake);
    }

    /// Takes nothing more, and drops the messages that wait.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.frames = VecDeque::new();
        // Whoever waits for what it has sent here goes on.
        let controls = std::mem::take(&mut state.controls);
        let waiting = std::mem::take(&mut state.waiting_for_room);
        drop(state);
        drop(controls);
        waiting.into_iter().for_each(wake_batch::wake);
    }

    fn has_room(&self, state: &State) -> bool {
        state.frames.len() < self.limits.messages / STREAM_SHARE
            && state.bytes < self.limits.bytes / STREAM_SHARE
    }
}

#[cfg(test)]
mod tests;
