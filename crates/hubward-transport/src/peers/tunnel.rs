//! A WebSocket between a client and the node that holds its connection: bytes are copied both ways and not looked at. An idle
//! one owns no buffer. What one end does not take is not read from the other, but for what was read already.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::time::{Instant, Sleep};

use crate::pipe::scratch;
use crate::pipe::websocket::Io;
use crate::turn::poll_again_after_others;

/// How long one direction may stay open after the other has ended: the node closes within its close timeout.
const HALF_OPEN: Duration = Duration::from_secs(10);

/// How often a direction is read in one poll, so that others have their turn.
const READS: usize = 4;

/// One end, and what it sent that the other end has not taken yet.
pub(crate) struct End {
    pub(crate) io: Io,
    pub(crate) unwritten: Bytes,
}

/// Copies until one end has failed, both have ended, or the other end takes nothing for `send_timeout`.
pub(crate) async fn tunnel(client: End, node: End, send_timeout: Duration) {
    let mut tunnel = Tunnel {
        client: client.io,
        node: node.io,
        up: Direction::new(client.unwritten),
        down: Direction::new(node.unwritten),
        send_timeout,
        sleep: None,
    };
    poll_fn(|cx| tunnel.poll(cx)).await;
}

struct Tunnel {
    client: Io,
    node: Io,
    up: Direction,
    down: Direction,
    send_timeout: Duration,
    /// Only while there is a deadline: most tunnels have none most of the time.
    sleep: Option<Pin<Box<Sleep>>>,
}

struct Direction {
    /// What was read and not written.
    rest: Bytes,
    blocked_since: Option<Instant>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Nothing more comes, and the other end has yet to learn that.
    Ending,
    Ended(Instant),
}

/// One end failed: the tunnel ends.
struct Failed;

impl Tunnel {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let up = self.up.poll(cx, &mut self.client, &mut self.node);
        let down = self.down.poll(cx, &mut self.node, &mut self.client);
        match (up, down) {
            (Poll::Ready(Ok(())), Poll::Ready(Ok(())))
            | (Poll::Ready(Err(Failed)), _)
            | (_, Poll::Ready(Err(Failed))) => Poll::Ready(()),
            _ => self.poll_deadline(cx),
        }
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let deadlines = [&self.up, &self.down].map(|direction| direction.deadline(self.send_timeout));
            let Some(at) = deadlines.into_iter().flatten().min() else {
                self.sleep = None;
                return Poll::Pending;
            };
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            if sleep.deadline() != at {
                sleep.as_mut().reset(at);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // The system notifies of room only when there is much of it: a slow reader may have taken something.
            let now = Instant::now();
            let progressed = self.up.progresses(now, self.send_timeout, &self.node)
                || self.down.progresses(now, self.send_timeout, &self.client);
            if !progressed {
                return Poll::Ready(());
            }
        }
    }
}

impl Direction {
    fn new(rest: Bytes) -> Self {
        Self { rest, blocked_since: None, state: State::Open }
    }

    /// Copies what there is. Ready when this direction has ended.
    fn poll(&mut self, cx: &mut Context<'_>, from: &mut Io, to: &mut Io) -> Poll<Result<(), Failed>> {
        for _ in 0..READS {
            while !self.rest.is_empty() {
                match to.poll_write(cx, &self.rest) {
                    Poll::Ready(Ok(written)) => self.written(written),
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Failed)),
                    Poll::Pending => {
                        self.blocked_since.get_or_insert_with(Instant::now);
                        return Poll::Pending;
                    }
                }
            }
            match to.poll_flush(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Failed)),
                Poll::Pending if self.state != State::Open => return Poll::Pending,
                Poll::Pending => {}
            }
            match self.state {
                State::Open => {}
                State::Ending => {
                    if to.poll_shutdown(cx).is_pending() {
                        return Poll::Pending;
                    }
                    self.state = State::Ended(Instant::now());
                    return Poll::Ready(Ok(()));
                }
                State::Ended(_) => return Poll::Ready(Ok(())),
            }
            let read = scratch::with_read(|buffer| {
                from.poll_read(cx, buffer).map_ok(|read| {
                    self.rest = Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default());
                })
            });
            match read {
                Poll::Ready(Ok(())) if self.rest.is_empty() => self.state = State::Ending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Failed)),
                Poll::Pending => return Poll::Pending,
            }
        }
        poll_again_after_others(cx);
        Poll::Pending
    }

    fn written(&mut self, bytes: usize) {
        self.rest.advance(bytes.min(self.rest.len()));
        self.blocked_since = None;
        if self.rest.is_empty() {
            self.rest = Bytes::new();
        }
    }

    fn deadline(&self, send_timeout: Duration) -> Option<Instant> {
        let blocked = self.blocked_since.and_then(|since| since.checked_add(send_timeout));
        let half_open = match self.state {
            State::Ended(since) => since.checked_add(HALF_OPEN),
            State::Open | State::Ending => None,
        };
        [blocked, half_open].into_iter().flatten().min()
    }

    /// Whether a direction whose time to write is over gets some more of it.
    fn progresses(&mut self, now: Instant, send_timeout: Duration, to: &Io) -> bool {
        let is_over = self.blocked_since.is_some_and(|since| now.duration_since(since) >= send_timeout);
        let written = if is_over { to.write_now(&self.rest) } else { 0 };
        if written > 0 {
            self.written(written);
            if !self.rest.is_empty() {
                self.blocked_since = Some(now);
            }
        }
        written > 0
    }
}

#[cfg(test)]
mod tests;
