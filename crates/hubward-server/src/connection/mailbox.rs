//! What waits for one connection: messages to be written, and word from other tasks.
//!
//! Bounded in messages and bytes. A mailbox that is full takes nothing more and tells its connection that it is
//! too slow; whoever sends never waits. Streams, which can wait, ask for room first.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use hubward_proto::Frame;
use parking_lot::Mutex;

use crate::connection::close_reason::CloseReason;
use crate::connection::wake_batch;

/// Word from another task.
#[derive(Debug)]
pub(crate) enum Control {
    /// A spawned call has finished; its permit is free.
    Done(u64),
    /// A call waits for a client; its permit is free meanwhile.
    Released(u64),
    /// A stream, or a call that could be cancelled, has finished.
    Finished(String),
    /// The connection has to end.
    Close(CloseReason),
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MailboxLimits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// Streams pause while more than this part of the mailbox is taken.
const STREAM_SHARE: usize = 4;

/// Room for messages that an idle mailbox keeps; more is given back.
const KEPT_MESSAGES: usize = 16;

pub(crate) struct Mailbox {
    state: Mutex<State>,
    limits: MailboxLimits,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Frame>,
    controls: Vec<Control>,
    /// Bytes in `frames` and in what was taken last: that counts until the next take.
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

    /// Puts a message in. One that does not fit closes the mailbox and the connection.
    pub(crate) fn push(&self, frame: Frame) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        let bytes = state.bytes + frame.len();
        let messages = state.frames.len() + state.messages_taken;
        // One message alone always fits, however large: only what piles up is a slow client's.
        if messages >= self.limits.messages || (messages > 0 && bytes > self.limits.bytes) {
            state.closed = true;
            state.controls.push(Control::Close(CloseReason::SlowConsumer));
        } else {
            state.bytes = bytes;
            state.frames.push_back(frame);
        }
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(wake_batch::wake);
    }

    /// Puts an answer in, which is bounded by the calls that are running, and word that the call is done.
    pub(crate) fn answer(&self, frame: Option<Frame>, control: Option<Control>) {
        let mut state = self.state.lock();
        if let Some(frame) = frame.filter(|_| !state.closed) {
            state.bytes += frame.len();
            state.frames.push_back(frame);
        }
        state.controls.extend(control);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(wake_batch::wake);
    }

    /// Takes all that is there into the empty `frames` and `controls`. `reader` is woken when there is more;
    /// without one, nobody is.
    pub(crate) fn take(
        &self,
        frames: &mut VecDeque<Frame>,
        controls: &mut Vec<Control>,
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

    /// Takes word from other tasks only, while messages cannot be written.
    pub(crate) fn take_controls(&self, controls: &mut Vec<Control>, reader: &Waker) {
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

    /// Puts word in after which no message is taken any more. Those before it stay.
    pub(crate) fn seal(&self, control: Control) {
        let mut state = self.state.lock();
        state.closed = true;
        state.controls.push(control);
        let reader = state.reader.take();
        let waiting = std::mem::take(&mut state.waiting_for_room);
        drop(state);
        reader.into_iter().chain(waiting).for_each(wake_batch::wake);
    }

    /// Takes nothing more.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.frames = VecDeque::new();
        let waiting = std::mem::take(&mut state.waiting_for_room);
        drop(state);
        waiting.into_iter().for_each(wake_batch::wake);
    }

    fn has_room(&self, state: &State) -> bool {
        state.frames.len() < self.limits.messages / STREAM_SHARE
            && state.bytes < self.limits.bytes / STREAM_SHARE
    }
}

#[cfg(test)]
mod tests {
    use hubward_proto::Protocol;
    use hubward_proto::encode::completion;

    use super::*;

    fn frame() -> Frame {
        completion(Protocol::Json, "1", &"text").unwrap()
    }

    fn take(mailbox: &Mailbox) -> (usize, Vec<Control>) {
        let (mut frames, mut controls) = (VecDeque::new(), Vec::new());
        mailbox.take(&mut frames, &mut controls, None);
        (frames.len(), controls)
    }

    #[test]
    fn what_was_taken_counts_until_the_next_take() {
        let mailbox = Mailbox::new(MailboxLimits { messages: 3, bytes: 1 << 20 });
        mailbox.push(frame());
        mailbox.push(frame());
        assert_eq!(take(&mailbox).0, 2);
        mailbox.push(frame());
        assert_eq!(take(&mailbox).0, 1);
        mailbox.push(frame());
        mailbox.push(frame());
        assert_eq!(take(&mailbox).0, 2);
    }

    #[test]
    fn a_mailbox_that_is_full_closes_its_connection_and_takes_nothing_more() {
        let mailbox = Mailbox::new(MailboxLimits { messages: 2, bytes: 1 << 20 });
        for _ in 0..4 {
            mailbox.push(frame());
        }
        let (frames, controls) = take(&mailbox);
        assert_eq!(frames, 2);
        assert!(matches!(controls[..], [Control::Close(CloseReason::SlowConsumer)]));
    }

    #[test]
    fn bytes_are_bounded_but_one_message_always_fits() {
        let mailbox = Mailbox::new(MailboxLimits { messages: 100, bytes: 10 });
        mailbox.push(frame());
        mailbox.push(frame());
        let (frames, controls) = take(&mailbox);
        assert_eq!((frames, controls.len()), (1, 1));
    }

    #[test]
    fn what_comes_before_the_seal_is_taken_and_what_comes_after_is_not() {
        let mailbox = Mailbox::new(MailboxLimits { messages: 10, bytes: 1 << 20 });
        mailbox.push(frame());
        mailbox.seal(Control::Close(CloseReason::Aborted));
        mailbox.push(frame());
        mailbox.answer(Some(frame()), Some(Control::Done(1)));
        let (frames, controls) = take(&mailbox);
        assert_eq!(frames, 1);
        assert!(matches!(controls[..], [Control::Close(CloseReason::Aborted), Control::Done(1)]));
    }

    #[test]
    fn an_answer_is_never_refused_for_want_of_room() {
        let mailbox = Mailbox::new(MailboxLimits { messages: 1, bytes: 10 });
        mailbox.push(frame());
        mailbox.answer(Some(frame()), Some(Control::Done(1)));
        let (frames, controls) = take(&mailbox);
        assert_eq!((frames, controls.len()), (2, 1));
    }
}
