//! Long polling as a pipe: what is written waits, bounded, for the client's next poll; bytes come in by POST. Of
//! several polls only the newest is answered with data.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hubward_proto::Frame;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::inbox::Inbox;
use super::received::{Received, TransportEnd};
use super::wakers::{WakerSlot, unlock_and_wake};
use crate::absent::Absent;
use crate::error::PipeError;
use crate::options::TransportOptions;
use crate::pipe::deadline::{Deadline, NEVER, PIECE_BYTES, Pace};

/// How many bytes may wait for the next poll before the owner has to wait; SignalR's default for what a transport
/// buffers.
const OUTGOING_BYTES: usize = 64 << 10;

/// The server's end of a long-polling connection.
pub(crate) struct LongPollingPipe {
    channel: Arc<PollChannel>,
    closing: bool,
    /// When to check again whether the client polls or, while closing, when to give up. A poll does not move it: when
    /// it is reached, `idle_since` decides whether it still holds.
    deadline: Instant,
    /// Of what waits for the client to take what was written before.
    writing: Deadline,
    options: Arc<TransportOptions>,
}

/// One time between two polls, as long as it lasts.
pub(crate) struct Absence(Weak<PollChannel>);

/// What the pipe and the client's polls share.
pub(crate) struct PollChannel {
    inbox: Arc<Inbox>,
    state: Mutex<State>,
}

struct State {
    outgoing: Vec<u8>,
    /// How many bytes the HTTP server has taken since the pipe looked.
    taken: usize,
    /// The number of the newest poll.
    newest: u64,
    /// Whether the newest poll is pending.
    polled: bool,
    /// Since when no poll is pending.
    idle_since: Instant,
    /// Where it counts, while no poll is pending.
    absence: Option<Arc<Absence>>,
    /// Since when polls are pending, while some are.
    polled_since: Instant,
    /// How long polls were pending, less the time between them.
    present: Duration,
    poll: WakerSlot,
    /// The pipe's owner, which waits for room in `outgoing` or, while closing, for `client_notified`.
    owner: WakerSlot,
    /// Set by the pipe: after `outgoing`, a poll is answered with 204.
    closing: bool,
    /// The client knows that the connection is over: a poll was answered so, or none was pending when its DELETE came.
    client_notified: bool,
    /// The client has ended the connection with a DELETE.
    terminated: bool,
}

/// How a poll is answered.
pub(crate) enum PollResponse {
    Data(PollBody),
    /// Nothing came within the poll timeout.
    TimedOut,
    /// The connection is over, or a newer poll has taken this one's place.
    NoContent,
    /// The client has ended the connection.
    Terminated,
}

/// The data that a poll is answered with. Until it is written, the client is not idle: a large one takes its time.
pub(crate) struct PollBody {
    rest: Bytes,
    poll: PendingPoll,
}

/// A pending poll. When it is dropped, answered or not, the client is idle.
struct PendingPoll {
    channel: Arc<PollChannel>,
    absent: Arc<Absent<Absence>>,
    number: u64,
}

impl LongPollingPipe {
    pub(crate) fn new(channel: Arc<PollChannel>, options: Arc<TransportOptions>) -> Self {
        Self {
            channel,
            closing: false,
            deadline: Instant::now() + options.disconnect_timeout.min(NEVER),
            writing: Deadline::default(),
            options,
        }
    }

    /// Notes that the connection has opened only now: its client's time to poll again begins.
    pub(crate) fn opened(&mut self) {
        let now = Instant::now();
        self.deadline = now + self.options.disconnect_timeout.min(NEVER);
        self.channel.state.lock().idle_since = now;
    }

    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>, input: &mut Vec<u8>) -> Poll<Received> {
        self.channel.inbox.poll_receive(cx, input)
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        frames: &mut VecDeque<Frame>,
    ) -> Poll<Result<(), PipeError>> {
        if self.closing {
            return Poll::Ready(Err(PipeError::Closed));
        }
        let mut state = self.channel.state.lock();
        if state.terminated && state.client_notified {
            return Poll::Ready(Err(PipeError::Lost));
        }
        while state.outgoing.len() < OUTGOING_BYTES {
            let Some(frame) = frames.pop_front() else { break };
            state.outgoing.extend_from_slice(frame.message());
        }
        let taken = std::mem::take(&mut state.taken);
        if !frames.is_empty() {
            state.owner.store(cx);
        }
        if state.outgoing.is_empty() {
            drop(state);
        } else {
            unlock_and_wake(state, |state| [&mut state.poll]);
        }
        if frames.is_empty() {
            self.writing.write_done();
            return Poll::Ready(Ok(()));
        }
        let pace = self.pace();
        if taken > 0 {
            self.writing.write_progressed(taken, pace);
        }
        self.writing.write_blocked(pace);
        Poll::Pending
    }

    /// A client takes nothing between two polls, for as long as the disconnect timeout allows.
    fn pace(&self) -> Pace {
        let pace = self.options.pace();
        Pace { timeout: pace.timeout.max(self.options.disconnect_timeout), ..pace }
    }

    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.closing {
            self.closing = true;
            self.deadline = Instant::now() + self.options.close_timeout.min(NEVER);
            self.channel.finish();
        }
        let mut state = self.channel.state.lock();
        if state.client_notified {
            return Poll::Ready(());
        }
        state.owner.store(cx);
        Poll::Pending
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let writing = self.writing.at(self.pace()).filter(|_| !self.closing);
        Some(writing.map_or(self.deadline, |writing| writing.min(self.deadline)))
    }

    pub(crate) fn blocked_since(&self) -> Option<Instant> {
        self.writing.blocked_since()
    }

    pub(crate) fn options(&self) -> &TransportOptions {
        &self.options
    }

    pub(crate) fn handle_deadline(&mut self, now: Instant) -> Result<(), PipeError> {
        if !self.closing {
            let taken = std::mem::take(&mut self.channel.state.lock().taken);
            if taken > 0 {
                self.writing.write_progressed(taken, self.pace());
                self.writing.write_blocked(self.pace());
            }
            self.writing.check(now, self.pace())?;
        }
        if now < self.deadline {
            return Ok(());
        }
        if self.closing {
            return Err(PipeError::CloseTimeout);
        }
        let state = self.channel.state.lock();
        let since = if state.polled { now } else { state.idle_since };
        self.deadline = since + self.options.disconnect_timeout.min(NEVER);
        if now < self.deadline { Ok(()) } else { Err(PipeError::DisconnectTimeout) }
    }
}

impl Drop for LongPollingPipe {
    fn drop(&mut self) {
        self.channel.finish();
        self.channel.inbox.end(TransportEnd::Lost);
    }
}

impl PollChannel {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Self {
        let now = Instant::now();
        let state = State {
            outgoing: Vec::new(),
            taken: 0,
            newest: 0,
            polled: false,
            idle_since: now,
            absence: None,
            polled_since: now,
            present: Duration::ZERO,
            poll: WakerSlot::default(),
            owner: WakerSlot::default(),
            closing: false,
            client_notified: false,
            terminated: false,
        };
        Self { inbox, state: Mutex::new(state) }
    }

    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    /// Waits for what a poll is answered with, up to the poll timeout.
    pub(crate) async fn poll(
        self: Arc<Self>,
        timeout: Duration,
        absent: Arc<Absent<Absence>>,
    ) -> PollResponse {
        let Some(poll) = PendingPoll::begin(self, absent) else { return PollResponse::Terminated };
        match tokio::time::timeout(timeout, poll_fn(|cx| poll.poll(cx))).await {
            Ok(Some(data)) => PollResponse::Data(PollBody { rest: data.into(), poll }),
            Ok(None) => PollResponse::NoContent,
            Err(_) => PollResponse::TimedOut,
        }
    }

    /// Ends the connection for its client. A pending poll still gets what the owner writes last, such as a Close
    /// message; no other poll begins.
    pub(crate) fn terminate(&self) {
        let mut state = self.state.lock();
        state.terminated = true;
        state.client_notified |= !state.polled;
        unlock_and_wake(state, |state| [&mut state.owner]);
        self.inbox.end(TransportEnd::Closed { code: None });
    }

    /// Notes that the client is between two polls. Where too many are, those that are so for longest are lost.
    pub(crate) fn note_absent(self: &Arc<Self>, absent: &Absent<Absence>) {
        let absence = Arc::new(Absence(Arc::downgrade(self)));
        let mut state = self.state.lock();
        let is_awaited = !state.polled && !state.closing && !state.terminated;
        if !is_awaited || !absent.counts(state.present) {
            return;
        }
        state.absence = Some(absence.clone());
        drop(state);
        let lost = absent.add(&absence);
        for absence in lost {
            if let Some(channel) = absence.0.upgrade() {
                channel.lose(&absence);
            }
        }
    }

    /// Ends the connection as one whose client has not come back in time, unless it has: it may have left again since.
    fn lose(&self, absence: &Arc<Absence>) {
        let mut state = self.state.lock();
        if !state.absence.as_ref().is_some_and(|present| Arc::ptr_eq(present, absence)) {
            return;
        }
        state.absence = None;
        (state.terminated, state.client_notified) = (true, true);
        state.outgoing = Vec::new();
        unlock_and_wake(state, |state| [&mut state.owner]);
        self.inbox.end(TransportEnd::Lost);
    }

    /// Ends polling once what waits has been delivered.
    fn finish(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        state.absence = None;
        unlock_and_wake(state, |state| [&mut state.poll]);
    }
}

impl PendingPoll {
    /// Begins the newest poll, which wakes the one before it. `None` where the client has ended the connection.
    fn begin(channel: Arc<PollChannel>, absent: Arc<Absent<Absence>>) -> Option<Self> {
        let mut state = channel.state.lock();
        if state.terminated {
            return None;
        }
        state.newest += 1;
        if !std::mem::replace(&mut state.polled, true) {
            state.absence = None;
            state.polled_since = Instant::now();
            let between = state.polled_since.duration_since(state.idle_since);
            state.present = state.present.saturating_sub(between);
        }
        let number = state.newest;
        unlock_and_wake(state, |state| [&mut state.poll]);
        Some(Self { channel, absent, number })
    }

    /// Waits for data; for `None` where there will be none.
    fn poll(&self, cx: &Context<'_>) -> Poll<Option<Vec<u8>>> {
        let mut state = self.channel.state.lock();
        if state.newest != self.number {
            return Poll::Ready(None);
        }
        if !state.outgoing.is_empty() {
            state.client_notified |= state.terminated;
            let data = std::mem::take(&mut state.outgoing);
            unlock_and_wake(state, |state| [&mut state.owner]);
            return Poll::Ready(Some(data));
        }
        if state.closing {
            state.client_notified = true;
            unlock_and_wake(state, |state| [&mut state.owner]);
            return Poll::Ready(None);
        }
        state.poll.store(cx);
        Poll::Pending
    }
}

impl http_body::Body for PollBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = PIECE_BYTES.min(self.rest.len());
        let piece = self.rest.split_to(length);
        self.poll.channel.state.lock().taken += length;
        Poll::Ready(Some(Ok(http_body::Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.rest.len() as u64)
    }
}

impl Drop for PendingPoll {
    fn drop(&mut self) {
        let mut state = self.channel.state.lock();
        if state.newest == self.number {
            state.polled = false;
            state.client_notified |= state.terminated;
            let now = Instant::now();
            state.idle_since = now;
            state.present = state.present.saturating_add(now.duration_since(state.polled_since));
            state.poll.clear();
            if state.client_notified {
                unlock_and_wake(state, |state| [&mut state.owner]);
            } else {
                drop(state);
                self.channel.note_absent(&self.absent);
            }
        }
    }
}

#[cfg(test)]
mod tests;
