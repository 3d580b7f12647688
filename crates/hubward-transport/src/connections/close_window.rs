//! The time that the closing of connections is spread over, for those that close by themselves: raw handlers, and WebSockets that are
//! passed on to other nodes. Those of hubs are closed by whoever drains the node.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The golden ratio as a fraction of 2^64: its multiples divide a window evenly, however many there are.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A window that opens once. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct CloseWindow {
    opened: Arc<watch::Sender<Option<Window>>>,
    turns: Arc<AtomicU64>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    from: Instant,
    length: Duration,
}

/// When in the window it is one connection's turn to close.
#[derive(Clone, Debug)]
pub(crate) struct CloseTurn {
    opened: watch::Receiver<Option<Window>>,
    /// Its place in the window, as a fraction of 2^64.
    place: u64,
}

impl CloseWindow {
    /// Opens the window. One that is open becomes as short as this.
    pub fn open(&self, length: Duration) {
        let now = Instant::now();
        self.opened.send_modify(|window| {
            let from = window.map_or(now, |window| window.from);
            *window = Some(Window { from, length });
        });
    }

    /// Waits until no connection is left that would close by itself.
    pub async fn all_closed(&self) {
        self.opened.closed().await;
    }

    /// Gives a connection its turn.
    pub(crate) fn turn(&self) -> CloseTurn {
        let number = self.turns.fetch_add(1, Ordering::Relaxed);
        CloseTurn { opened: self.opened.subscribe(), place: number.wrapping_mul(GOLDEN) }
    }
}

impl CloseTurn {
    /// Waits until it is this connection's turn.
    pub(crate) async fn come(&self) {
        let mut opened = self.opened.clone();
        loop {
            let window = *opened.borrow_and_update();
            let turn = async {
                match window {
                    Some(Window { from, length }) => {
                        let share = self.place as f64 / u64::MAX as f64;
                        tokio::time::sleep_until(from + length.mul_f64(share)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = turn => return,
                // Whoever could open it is gone, and so is the node.
                changed = opened.changed() => if changed.is_err() { return },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Waits for the turns of so many connections; returns after what time each came.
    async fn turns(window: &CloseWindow, count: usize) -> Vec<Duration> {
        let begun = Instant::now();
        let turns: Vec<_> = (0..count).map(|_| window.turn()).collect();
        join_all(turns.iter().map(async |turn| {
            turn.come().await;
            begun.elapsed()
        }))
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_spread_evenly_over_the_window() {
        let window = CloseWindow::default();
        window.open(seconds(5));
        let turns = turns(&window, 300).await;
        assert!(turns.iter().all(|turn| *turn <= seconds(5)), "{turns:?}");
        for from in (0..4_000).step_by(100).map(Duration::from_millis) {
            let within = turns.iter().filter(|turn| (from..from + seconds(1)).contains(*turn)).count();
            assert!((55..=65).contains(&within), "{within} after {from:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_turn_comes_before_the_window_opens_and_all_do_when_it_becomes_short() {
        let window = CloseWindow::default();
        let first = window.turn();
        assert!(first.come().now_or_never().is_none());
        let hurry = async {
            tokio::time::sleep(seconds(2)).await;
            window.open(seconds(3600));
            tokio::time::sleep(seconds(2)).await;
            window.open(Duration::ZERO);
        };
        let (turns, ()) = tokio::join!(turns(&window, 10), hurry);
        assert!(turns.iter().all(|turn| (seconds(2)..=seconds(5)).contains(turn)), "{turns:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn all_have_closed_when_no_turn_is_left() {
        let window = CloseWindow::default();
        assert!(window.all_closed().now_or_never().is_some());
        let turn = window.turn();
        assert!(window.all_closed().now_or_never().is_none());
        drop(turn);
        assert!(window.all_closed().now_or_never().is_some());
    }
}
