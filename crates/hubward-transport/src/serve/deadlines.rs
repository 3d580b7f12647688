//! What a connection waits for its client to do, and until when: the head of a request, its body, the next request, or
//! taking a response. The socket and the bodies note what happens; the connection's task looks at the nearest deadline
//! after each poll, so that nothing here wakes anybody.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::options::ServeOptions;
use crate::pipe::deadline::{Deadline, Pace};

/// How many bytes a second a client has to take of a response, past the first `write_timeout`: below any usable line, and
/// enough to end one that keeps a response open with a byte now and then.
const LEAST_BYTES_PER_SECOND: u32 = 256;

/// How often a blocked write asks the system whether there is room. It notifies of that only when half of what it buffers
/// is sent, which a client on a slow line takes long for; whoever writes has to learn sooner that it reads.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// The deadlines of one connection.
pub(crate) struct SocketDeadlines {
    head_timeout: Duration,
    idle_timeout: Duration,
    body_timeout: Duration,
    pace: Pace,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    body: Option<BodyWait>,
    /// Whether a request's body was not read to its end.
    is_body_left: bool,
    /// Of a response that the client does not take.
    writing: Deadline,
    attempt: Option<Attempt>,
    /// When the system was asked last.
    probed_at: Option<Instant>,
}

/// What the next write does although nothing notified of room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Attempt {
    /// Asks the system whether there is room.
    Probe,
    /// The same for the last time: if there is none, the connection is reset.
    Last,
}

/// What a client has to do until a deadline.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Awaited {
    /// Send the rest of a request, or let the server stop.
    Request,
    /// Send another request, where the last response was written.
    NextRequest,
    /// Take what is written.
    Room,
}

/// Where the connection is between two requests.
enum Phase {
    Head(Instant),
    Idle(Instant),
    Busy,
    /// No further request came.
    Ended(Instant),
}

/// The waiting for a request's body: since when, and what is left of the time.
struct BodyWait {
    since: Option<Instant>,
    left: Duration,
}

impl SocketDeadlines {
    pub(super) fn new(options: &ServeOptions) -> Self {
        Self {
            head_timeout: options.head_timeout,
            idle_timeout: options.idle_timeout,
            body_timeout: options.body_timeout,
            pace: Pace { timeout: options.write_timeout, minimum_rate: LEAST_BYTES_PER_SECOND },
            state: Mutex::new(State {
                phase: Phase::Head(Instant::now()),
                body: None,
                is_body_left: false,
                writing: Deadline::default(),
                attempt: None,
                probed_at: None,
            }),
        }
    }

    /// Returns the nearest deadline, and of what it is.
    pub(super) fn nearest(&self) -> Option<(Instant, Awaited)> {
        let state = self.state.lock();
        let phase = match state.phase {
            Phase::Head(since) => since.checked_add(self.head_timeout).map(|at| (at, Awaited::Request)),
            // The response is complete for the handler, and not for the client.
            Phase::Idle(_) if state.writing.blocked_since().is_some() => None,
            Phase::Idle(since) => since.checked_add(self.idle_timeout).map(|at| (at, Awaited::NextRequest)),
            Phase::Ended(since) => since.checked_add(self.pace.timeout).map(|at| (at, Awaited::Request)),
            Phase::Busy => None,
        };
        let body =
            state.body.as_ref().and_then(|body| body.since.and_then(|since| since.checked_add(body.left)));
        let write = state.writing.blocked_since().map(|since| {
            let probe = state.probed_at.map_or(since, |at| at.max(since)) + PROBE_INTERVAL;
            state.writing.at(self.pace).map_or(probe, |at| at.min(probe))
        });
        let body = body.map(|at| (at, Awaited::Request));
        let write = write.map(|at| (at, Awaited::Room));
        [phase, body, write].into_iter().flatten().min()
    }

    /// Has the next write ask the system for room, for the last time where the client's time is over. Returns whether the
    /// last time was before.
    pub(super) fn has_missed_write(&self) -> bool {
        let (mut state, now) = (self.state.lock(), Instant::now());
        if state.attempt == Some(Attempt::Last) {
            return true;
        }
        let is_over = state.writing.check(now, self.pace).is_err();
        state.attempt = Some(if is_over { Attempt::Last } else { Attempt::Probe });
        state.probed_at = Some(now);
        false
    }

    /// Returns what the next write has to attempt.
    pub(super) fn attempt(&self) -> Option<Attempt> {
        self.state.lock().attempt
    }

    /// Notes that there is no room.
    pub(super) fn end_probe(&self) {
        self.state.lock().attempt = None;
    }

    /// Notes that no further request came.
    pub(super) fn end(&self) {
        self.state.lock().phase = Phase::Ended(Instant::now());
    }

    /// Returns how long the system may go on sending what is left, where the connection ends because no further request
    /// came: its client has had the time of [`ServeOptions::idle_timeout`] for it.
    pub(super) fn time_for_rest(&self) -> Option<Duration> {
        matches!(self.state.lock().phase, Phase::Ended(_)).then_some(self.pace.timeout)
    }

    /// Notes that bytes came.
    pub(super) fn received(&self) {
        let mut state = self.state.lock();
        if matches!(state.phase, Phase::Idle(_)) {
            state.phase = Phase::Head(Instant::now());
        }
    }

    /// Notes that a request's head is complete.
    pub(super) fn request_begins(&self) {
        self.state.lock().phase = Phase::Busy;
    }

    /// Notes that a response is complete, or dropped.
    pub(super) fn response_ends(&self) {
        let mut state = self.state.lock();
        state.phase = Phase::Idle(Instant::now());
        state.body = None;
    }

    /// Notes that somebody waits for more of a request's body.
    pub(super) fn body_awaited(&self) {
        let mut state = self.state.lock();
        let body = state.body.get_or_insert(BodyWait { since: None, left: self.body_timeout });
        body.since.get_or_insert_with(Instant::now);
    }

    /// Notes that some of a request's body came.
    pub(super) fn body_came(&self) {
        if let Some(body) = &mut self.state.lock().body
            && let Some(since) = body.since.take()
        {
            body.left = body.left.saturating_sub(since.elapsed());
        }
    }

    /// Notes that nobody reads the rest of a request's body.
    pub(super) fn body_left(&self) {
        self.state.lock().is_body_left = true;
    }

    /// Whether nobody has read the rest of a request's body, so that the connection ends with its response.
    pub(super) fn is_body_left(&self) -> bool {
        self.state.lock().is_body_left
    }

    /// Whether a write is blocked.
    pub(super) fn is_write_blocked(&self) -> bool {
        self.state.lock().writing.blocked_since().is_some()
    }

    /// Notes that a write is blocked.
    pub(super) fn write_blocked(&self) {
        self.state.lock().writing.write_blocked(self.pace);
    }

    /// Notes that the client took some of what is written.
    pub(super) fn written(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.writing.write_progressed(bytes, self.pace);
        // There may be more room than this.
        state.attempt = state.attempt.and(Some(Attempt::Probe));
    }

    /// Notes that all is written.
    pub(super) fn all_written(&self) {
        let mut state = self.state.lock();
        if state.writing.blocked_since().is_some() {
            state.writing.write_done();
            state.attempt = None;
            if let Phase::Idle(since) = &mut state.phase {
                *since = Instant::now();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn options() -> ServeOptions {
        ServeOptions {
            head_timeout: SECOND,
            idle_timeout: 4 * SECOND,
            body_timeout: 2 * SECOND,
            write_timeout: SECOND,
            ..ServeOptions::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_from_the_accept_and_from_each_first_byte() {
        let (deadlines, began) = (SocketDeadlines::new(&options()), Instant::now());
        assert_eq!(deadlines.nearest(), Some((began + SECOND, Awaited::Request)));
        deadlines.request_begins();
        assert_eq!(deadlines.nearest(), None);
        deadlines.response_ends();
        assert_eq!(deadlines.nearest(), Some((began + 4 * SECOND, Awaited::NextRequest)));
        tokio::time::advance(SECOND).await;
        deadlines.received();
        tokio::time::advance(SECOND / 2).await;
        deadlines.received();
        assert_eq!(deadlines.nearest(), Some((began + 2 * SECOND, Awaited::Request)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_of_a_response_has_its_time_where_no_further_request_comes() {
        let deadlines = SocketDeadlines::new(&options());
        deadlines.request_begins();
        deadlines.response_ends();
        assert_eq!(deadlines.time_for_rest(), None);
        deadlines.end();
        assert_eq!(deadlines.time_for_rest(), Some(SECOND));
        assert_eq!(deadlines.nearest(), Some((Instant::now() + SECOND, Awaited::Request)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_its_time_in_all_and_only_while_it_is_awaited() {
        let deadlines = SocketDeadlines::new(&options());
        deadlines.request_begins();
        deadlines.body_awaited();
        tokio::time::advance(SECOND).await;
        deadlines.body_came();
        assert_eq!(deadlines.nearest(), None);
        tokio::time::advance(5 * SECOND).await;
        deadlines.body_awaited();
        assert_eq!(deadlines.nearest(), Some((Instant::now() + SECOND, Awaited::Request)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_blocked_write_has_its_time_from_its_latest_progress_at_the_least_rate() {
        let (deadlines, began) = (SocketDeadlines::new(&options()), Instant::now());
        deadlines.request_begins();
        deadlines.write_blocked();
        tokio::time::advance(SECOND / 2).await;
        deadlines.written(64);
        deadlines.write_blocked();
        assert_eq!(deadlines.nearest(), Some((began + SECOND + SECOND / 4, Awaited::Room)), "a trickle");
        deadlines.written(1 << 20);
        deadlines.write_blocked();
        let progressed = Some((began + SECOND / 2 + SECOND, Awaited::Room));
        assert_eq!(
            deadlines.nearest(),
            progressed,
            "what was taken before gives no more time to take nothing"
        );
        deadlines.all_written();
        assert_eq!(deadlines.nearest(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_blocked_write_is_attempted_now_and_then_and_for_the_last_time_until_something_is_taken() {
        let write_timeout = 3 * PROBE_INTERVAL;
        let deadlines = SocketDeadlines::new(&ServeOptions { write_timeout, ..options() });
        deadlines.request_begins();
        deadlines.write_blocked();
        for attempt in [Attempt::Probe, Attempt::Probe, Attempt::Last] {
            assert_eq!(deadlines.nearest(), Some((Instant::now() + PROBE_INTERVAL, Awaited::Room)));
            tokio::time::advance(PROBE_INTERVAL).await;
            assert!(!deadlines.has_missed_write());
            assert_eq!(deadlines.attempt(), Some(attempt));
            if attempt == Attempt::Probe {
                deadlines.end_probe();
                assert_eq!(deadlines.attempt(), None);
            }
        }
        assert!(deadlines.has_missed_write());
        deadlines.written(4096);
        assert_eq!(deadlines.attempt(), Some(Attempt::Probe), "there may be more room");
        deadlines.end_probe();
        deadlines.write_blocked();
        assert_eq!(deadlines.nearest(), Some((Instant::now() + PROBE_INTERVAL, Awaited::Room)));
        assert!(!deadlines.has_missed_write());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_when_its_response_is_written_and_not_before() {
        let deadlines = SocketDeadlines::new(&options());
        deadlines.request_begins();
        deadlines.response_ends();
        deadlines.write_blocked();
        for _ in 0..20 {
            tokio::time::advance(SECOND / 2).await;
            deadlines.written(4096);
            deadlines.write_blocked();
            assert_eq!(deadlines.nearest(), Some((Instant::now() + SECOND, Awaited::Room)));
        }
        deadlines.all_written();
        assert_eq!(deadlines.nearest(), Some((Instant::now() + 4 * SECOND, Awaited::NextRequest)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_without_end_has_no_deadline() {
        let never = Duration::MAX;
        let options = ServeOptions {
            head_timeout: never,
            idle_timeout: never,
            body_timeout: never,
            write_timeout: never,
            ..ServeOptions::default()
        };
        let deadlines = SocketDeadlines::new(&options);
        deadlines.write_blocked();
        deadlines.written(10_000);
        deadlines.write_blocked();
        deadlines.body_awaited();
        tokio::time::advance(Duration::from_secs(20 * 365 * 24 * 3600)).await;
        assert!(!deadlines.has_missed_write());
        assert_eq!(deadlines.attempt(), Some(Attempt::Probe));
        deadlines.all_written();
        deadlines.response_ends();
        assert_eq!(deadlines.nearest(), None);
    }
}
