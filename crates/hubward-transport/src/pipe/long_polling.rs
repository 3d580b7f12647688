//! Long polling as a pipe: what is written waits, bounded, for the client's next poll; bytes come in by POST. Of
//! several polls only the newest is answered with data.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hubward_proto::Frame;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::connections::resume::remember;
use crate::pipe::inbox::Inbox;
use crate::pipe::{Received, TransportEnd};
use crate::{PipeError, TransportOptions};

/// How much may wait for the next poll before the owner has to; SignalR's default for what a transport buffers.
const WAITING_BYTES: usize = 64 << 10;

/// The server's end of a long-polling connection.
pub(crate) struct LongPollingPipe {
    link: Arc<LongPoll>,
    closing: bool,
    /// When to look again whether the client polls, or after `closing`, when to give it up. Not moved by polls: it
    /// is set right when it is reached.
    deadline: Instant,
    options: Arc<TransportOptions>,
}

/// What polls and the pipe share.
pub(crate) struct LongPoll {
    inbox: Arc<Inbox>,
    state: Mutex<State>,
}

struct State {
    waiting: Vec<u8>,
    /// The number of the newest poll.
    newest: u64,
    active: bool,
    idle_since: Instant,
    poll: Option<Waker>,
    writer: Option<Waker>,
    /// Set by the owner: after what waits, polls are told that it is over.
    closing: bool,
    /// A poll was told, or none was there when a DELETE came: nobody needs to be told any more.
    told: bool,
    terminated: bool,
}

/// How a poll ends.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum PollResponse {
    Data(Vec<u8>),
    /// Nothing came within the poll timeout.
    Nothing,
    /// The connection is over, or a newer poll has taken this one's place.
    NoContent,
    /// The connection was ended by its client.
    Unknown,
}

impl LongPoll {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Self {
        let state = State {
            waiting: Vec::new(),
            newest: 0,
            active: false,
            idle_since: Instant::now(),
            poll: None,
            writer: None,
            closing: false,
            told: false,
            terminated: false,
        };
        Self { inbox, state: Mutex::new(state) }
    }

    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    /// Waits for what a poll is answered with.
    pub(crate) async fn poll(&self, timeout: Duration) -> PollResponse {
        let Some(poll) = ActivePoll::begin(self) else { return PollResponse::Unknown };
        tokio::time::timeout(timeout, poll_fn(|cx| poll.poll(cx))).await.unwrap_or(PollResponse::Nothing)
    }

    /// Ends the connection for its client. A poll that is pending still gets the owner's goodbye; no other begins.
    pub(crate) fn terminate(&self) {
        let writer = {
            let mut state = self.state.lock();
            state.terminated = true;
            state.told |= !state.active;
            state.writer.take()
        };
        writer.into_iter().for_each(Waker::wake);
        self.inbox.end(TransportEnd::Closed { code: None });
    }

    fn finish(&self) {
        let poll = {
            let mut state = self.state.lock();
            state.closing = true;
            state.poll.take()
        };
        if let Some(poll) = poll {
            poll.wake();
        }
    }
}

/// A poll that is being waited for. Dropped, it leaves the client idle, whether it was answered or went away.
struct ActivePoll<'a> {
    link: &'a LongPoll,
    number: u64,
}

impl<'a> ActivePoll<'a> {
    fn begin(link: &'a LongPoll) -> Option<Self> {
        let mut state = link.state.lock();
        if state.terminated {
            return None;
        }
        state.newest += 1;
        state.active = true;
        let (number, older) = (state.newest, state.poll.take());
        drop(state);
        if let Some(older) = older {
            older.wake();
        }
        Some(Self { link, number })
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<PollResponse> {
        let mut state = self.link.state.lock();
        if state.newest != self.number {
            return Poll::Ready(PollResponse::NoContent);
        }
        if !state.waiting.is_empty() {
            state.told |= state.terminated;
            let data = std::mem::take(&mut state.waiting);
            let writer = state.writer.take();
            drop(state);
            if let Some(writer) = writer {
                writer.wake();
            }
            return Poll::Ready(PollResponse::Data(data));
        }
        if state.closing {
            state.told = true;
            let writer = state.writer.take();
            drop(state);
            if let Some(writer) = writer {
                writer.wake();
            }
            return Poll::Ready(PollResponse::NoContent);
        }
        remember(&mut state.poll, cx);
        Poll::Pending
    }
}

impl Drop for ActivePoll<'_> {
    fn drop(&mut self) {
        let mut state = self.link.state.lock();
        if state.newest == self.number {
            state.active = false;
            state.told |= state.terminated;
            state.idle_since = Instant::now();
            state.poll = None;
            let writer = if state.told { state.writer.take() } else { None };
            drop(state);
            writer.into_iter().for_each(Waker::wake);
        }
    }
}

impl LongPollingPipe {
    pub(crate) fn new(link: Arc<LongPoll>, options: Arc<TransportOptions>) -> Self {
        Self { link, closing: false, deadline: Instant::now() + options.disconnect_timeout, options }
    }

    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>, input: &mut Vec<u8>) -> Poll<Received> {
        self.link.inbox.poll_receive(cx, input)
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        frames: &mut VecDeque<Frame>,
    ) -> Poll<Result<(), PipeError>> {
        if self.closing {
            return Poll::Ready(Err(PipeError::Closed));
        }
        let mut state = self.link.state.lock();
        if state.terminated && state.told {
            return Poll::Ready(Err(PipeError::Lost));
        }
        while state.waiting.len() < WAITING_BYTES {
            let Some(frame) = frames.pop_front() else { break };
            state.waiting.extend_from_slice(frame.message());
        }
        if !frames.is_empty() {
            remember(&mut state.writer, cx);
        }
        let poll = if state.waiting.is_empty() { None } else { state.poll.take() };
        drop(state);
        if let Some(poll) = poll {
            poll.wake();
        }
        if frames.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>, _code: u16) -> Poll<()> {
        if !self.closing {
            self.closing = true;
            self.deadline = Instant::now() + self.options.close_timeout;
            self.link.finish();
        }
        let mut state = self.link.state.lock();
        if state.told {
            return Poll::Ready(());
        }
        remember(&mut state.writer, cx);
        Poll::Pending
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }

    pub(crate) fn handle_deadline(&mut self, now: Instant) -> Result<(), PipeError> {
        if now < self.deadline {
            return Ok(());
        }
        if self.closing {
            return Err(PipeError::CloseTimeout);
        }
        let state = self.link.state.lock();
        let since = if state.active { now } else { state.idle_since };
        self.deadline = since + self.options.disconnect_timeout;
        if now < self.deadline { Ok(()) } else { Err(PipeError::DisconnectTimeout) }
    }
}

impl Drop for LongPollingPipe {
    fn drop(&mut self) {
        self.link.finish();
        self.link.inbox.end(TransportEnd::Lost);
    }
}
