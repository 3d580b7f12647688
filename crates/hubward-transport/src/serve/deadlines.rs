//! What a connection waits for its client to do, and until when: the head of a request, its body, the next request, or
//! taking a response. The socket and the bodies note what happens; the connection's task looks at the nearest deadline
//! after each poll, so that nothing here wakes anybody.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::options::ServeOptions;

/// How many bytes a client that is slow to read has to take for each second more: below any usable line, and enough to
/// end one that keeps a response open with a byte now and then.
const LEAST_BYTES_PER_SECOND: u64 = 256;

/// The deadlines of one connection.
pub(crate) struct SocketDeadlines {
    head_timeout: Duration,
    idle_timeout: Duration,
    body_timeout: Duration,
    write_timeout: Duration,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    body: Option<BodyWait>,
    blocked: Option<Blocked>,
    aborted: bool,
}

/// Where the connection is between two requests.
enum Phase {
    Head(Instant),
    Idle(Instant),
    Busy,
}

/// The waiting for a request's body: since when, and what is left of the time.
struct BodyWait {
    since: Option<Instant>,
    left: Duration,
}

/// A response that the client does not take, or not all of.
struct Blocked {
    since: Instant,
    taken: u64,
    /// Since when it takes nothing at all. What it took before earns no time to take nothing.
    stalled_since: Instant,
    /// Whether it has taken something after that; the next time that the write is blocked is the new one, so that
    /// progress costs no look at the clock.
    progressed: bool,
}

impl SocketDeadlines {
    pub(super) fn new(options: &ServeOptions) -> Self {
        Self {
            head_timeout: options.head_timeout,
            idle_timeout: options.idle_timeout,
            body_timeout: options.body_timeout,
            write_timeout: options.write_timeout,
            state: Mutex::new(State {
                phase: Phase::Head(Instant::now()),
                body: None,
                blocked: None,
                aborted: false,
            }),
        }
    }

    /// Returns the nearest deadline, and whether it is that of a response.
    pub(super) fn nearest(&self) -> Option<(Instant, bool)> {
        let state = self.state.lock();
        let phase = match state.phase {
            Phase::Head(since) => since.checked_add(self.head_timeout),
            // The response is complete for the handler, and not for the client.
            Phase::Idle(_) if state.blocked.is_some() => None,
            Phase::Idle(since) => since.checked_add(self.idle_timeout),
            Phase::Busy => None,
        };
        let body =
            state.body.as_ref().and_then(|body| body.since.and_then(|since| since.checked_add(body.left)));
        let write = state.blocked.as_ref().and_then(|blocked| {
            let earned = Duration::from_secs(blocked.taken / LEAST_BYTES_PER_SECOND);
            let taken_by = blocked.since.checked_add(self.write_timeout.saturating_add(earned));
            let progress_by = blocked.stalled_since.checked_add(self.write_timeout);
            [taken_by, progress_by].into_iter().flatten().min()
        });
        let reading = [phase, body].into_iter().flatten().min().map(|at| (at, false));
        [reading, write.map(|at| (at, true))].into_iter().flatten().min()
    }

    /// Makes the next write fail, and reset the connection.
    pub(super) fn abort(&self) {
        self.state.lock().aborted = true;
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.state.lock().aborted
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

    /// Notes that a write is blocked.
    pub(super) fn write_blocked(&self) {
        match &mut self.state.lock().blocked {
            Some(blocked) => {
                if std::mem::take(&mut blocked.progressed) {
                    blocked.stalled_since = Instant::now();
                }
            }
            unblocked => {
                let since = Instant::now();
                *unblocked = Some(Blocked { since, taken: 0, stalled_since: since, progressed: false });
            }
        }
    }

    /// Notes that the client took some of what is written.
    pub(super) fn written(&self, bytes: usize) {
        if let Some(blocked) = &mut self.state.lock().blocked {
            blocked.taken = blocked.taken.saturating_add(bytes as u64);
            blocked.progressed = true;
        }
    }

    /// Notes that all is written.
    pub(super) fn all_written(&self) {
        let mut state = self.state.lock();
        if state.blocked.take().is_some()
            && let Phase::Idle(since) = &mut state.phase
        {
            *since = Instant::now();
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
        assert_eq!(deadlines.nearest(), Some((began + SECOND, false)));
        deadlines.request_begins();
        assert_eq!(deadlines.nearest(), None);
        deadlines.response_ends();
        assert_eq!(deadlines.nearest(), Some((began + 4 * SECOND, false)));
        tokio::time::advance(SECOND).await;
        deadlines.received();
        tokio::time::advance(SECOND / 2).await;
        deadlines.received();
        assert_eq!(deadlines.nearest(), Some((began + 2 * SECOND, false)));
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
        assert_eq!(deadlines.nearest(), Some((Instant::now() + SECOND, false)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_blocked_write_earns_time_by_what_is_taken_and_ends_when_all_is() {
        let (deadlines, began) = (SocketDeadlines::new(&options()), Instant::now());
        deadlines.request_begins();
        deadlines.write_blocked();
        deadlines.written(100);
        deadlines.write_blocked();
        assert_eq!(deadlines.nearest(), Some((began + SECOND, true)), "a trickle");
        tokio::time::advance(SECOND / 2).await;
        deadlines.written(412);
        deadlines.write_blocked();
        assert_eq!(deadlines.nearest(), Some((began + SECOND * 3 / 2, true)));
        tokio::time::advance(SECOND).await;
        deadlines.written(1);
        deadlines.write_blocked();
        assert_eq!(deadlines.nearest(), Some((began + SECOND * 5 / 2, true)));
        deadlines.all_written();
        assert_eq!(deadlines.nearest(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_taken_earns_no_time_to_take_nothing() {
        let deadlines = SocketDeadlines::new(&options());
        deadlines.request_begins();
        deadlines.write_blocked();
        tokio::time::advance(SECOND / 2).await;
        deadlines.written(100 << 20);
        deadlines.write_blocked();
        assert_eq!(deadlines.nearest(), Some((Instant::now() + SECOND, true)));
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
            assert_eq!(deadlines.nearest(), Some((Instant::now() + SECOND, true)));
        }
        deadlines.all_written();
        assert_eq!(deadlines.nearest(), Some((Instant::now() + 4 * SECOND, false)));
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
        deadlines.body_awaited();
        assert_eq!(deadlines.nearest(), None);
        deadlines.response_ends();
        assert_eq!(deadlines.nearest(), None);
    }
}
