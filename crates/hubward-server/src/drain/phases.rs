//! The phases of a drain, in order. Each ends when nothing is left to do in it, or at its deadline, and has one line in the log.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hubward_backplane::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

use super::options::DrainDeadlines;
use super::progress::DrainPhase;
use super::turns::ClosingTurns;
use crate::connection::wake_batch::{self, WakeBatch};
use crate::context::NodeContext;
use crate::engine::Engine;
use crate::handover::hand_over;
use crate::lives;

/// The last of those that only have streams closes so much of the time for calls before the end of that, in its turn.
const PARTS_BEFORE_CUT: u32 = 8;

/// How long what has begun to be handed over may take beyond the time for it.
const HAND_OVER_ENDS_WITHIN: Duration = Duration::from_secs(1);

pub(super) struct Draining {
    context: Arc<NodeContext>,
    hubs: Vec<Arc<Engine>>,
    deadlines: watch::Receiver<Option<DrainDeadlines>>,
}

impl Draining {
    pub(super) fn new(
        context: Arc<NodeContext>,
        hubs: Vec<Arc<Engine>>,
        deadlines: watch::Receiver<Option<DrainDeadlines>>,
    ) -> Self {
        Self { context, hubs, deadlines }
    }

    /// The node is not ready any more.
    pub(super) fn begin(&self) {
        let connections = self.connections();
        self.context.progress.enter(DrainPhase::NotReady);
        self.context.progress.note(|report| report.connections = connections);
        tracing::info!(node = %self.context.id, connections, "The node drains: it is not ready any more.");
    }

    /// Goes through the phases from there on. `leave` is how the node leaves the others.
    pub(super) async fn run(self, leave: BoxFuture<'static, ()>) {
        let context = self.context.clone();
        // Nothing waits for it but the end, so that a registry that hangs holds up no phase.
        drop(self.context.spawn(async move { lives::announce_drain(&context).await }));
        self.until(|deadlines| Some(deadlines.serve_until)).await;

        self.enter(DrainPhase::HandingOver);
        self.context.refusing.cancel();
        let until = self.now().hand_over_until;
        tokio::select! {
            () = hand_over(&self.context, &self.hubs, until) => {}
            () = self.until(|deadlines| deadlines.hand_over_until.checked_add(HAND_OVER_ENDS_WITHIN)) => {}
        }

        self.enter(DrainPhase::Closing);
        let (turns, first) = (ClosingTurns::of(&self.hubs, self.now().close_window), Instant::now());
        self.context.progress.note(|report| report.closed = turns.len());
        let mut without_streams = pin!(self.close_without_streams(&turns, first));
        tokio::select! {
            () = self.close_in_turn(&turns, first) => {}
            () = &mut without_streams => {}
        }

        self.enter(DrainPhase::Ending);
        self.context.tasks.close();
        tokio::select! {
            () = self.context.tasks.wait() => {}
            () = lives::outlast_shutdown(&self.context) => {}
            () = without_streams => {}
            () = self.cut(first) => {}
        }
        let left = self.connections();
        self.context.progress.note(|report| report.left = left);
        tokio::select! {
            () = leave => {}
            () = self.until(|deadlines| deadlines.gone_at) => {
                tracing::warn!("The node could not leave the others in time; they take it for dead when its lease has ended.");
            }
        }
        self.enter(DrainPhase::Gone);
    }

    /// Each connection closes in its turn, as soon as its calls have ended; then whatever has opened meanwhile.
    async fn close_in_turn(&self, turns: &ClosingTurns, first: Instant) {
        let window = self.now().close_window;
        self.context.close_window.open(window);
        if window.is_zero() {
            self.finish_all();
        }
        for (after, connection) in turns.iter() {
            self.until(|now| first.checked_add(now.close_window.min(after))).await;
            if let Some(connection) = connection.upgrade() {
                connection.finish();
            }
            // Also where all are due at once, other tasks have their turn.
            tokio::task::coop::consume_budget().await;
        }
        // Raw handlers, whose connections nobody else closes.
        tokio::select! {
            () = self.context.close_window.all_closed() => {}
            () = self.until(|now| first.checked_add(now.close_window)) => {}
        }
        // From now on a connection closes when its handshake is done, and one whose handshake is not done at once.
        self.context.shutdown.cancel();
        self.finish_all();
    }

    /// A connection that only has streams does not wait for them as long as for its other calls: they may never end, and would
    /// all be cut at the same time. All have the same time, after their turns. Does not end.
    async fn close_without_streams(&self, turns: &ClosingTurns, first: Instant) {
        for (after, connection) in turns.iter() {
            self.until(|now| {
                let left = now.cut_at?.saturating_duration_since(first + now.close_window);
                let time = left - left / PARTS_BEFORE_CUT;
                first.checked_add(time + now.close_window.min(after))
            })
            .await;
            if let Some(connection) = connection.upgrade() {
                connection.finish_without_streams();
            }
            tokio::task::coop::consume_budget().await;
        }
        std::future::pending().await
    }

    /// Closes what still has calls when the time is over, and waits for them no longer than it takes to write that.
    async fn cut(&self, first: Instant) {
        self.until(|deadlines| deadlines.cut_at).await;
        let cut = self.connections();
        // Where there was no time, nobody has been waited for.
        if self.now().cut_at.is_some_and(|at| at > first) {
            self.context.progress.note(|report| report.cut = cut);
        }
        self.hubs.iter().for_each(|hub| hub.close_all());
        self.until(|deadlines| deadlines.end_at).await;
    }

    fn finish_all(&self) {
        for hub in &self.hubs {
            let _batch = WakeBatch::open();
            hub.index.for_all(|connection| connection.finish());
            wake_batch::divide(&self.context.wake_portions, hub.index.len());
        }
    }

    /// Goes on to the next phase, and logs the one that has ended.
    fn enter(&self, next: DrainPhase) {
        let ended = self.context.progress.phase();
        let took_ms = self.context.progress.enter(next).as_millis() as u64;
        let report = self.context.progress.report();
        let (handed_over, closed, cut, left) = (report.handed_over, report.closed, report.cut, report.left);
        let connections = self.connections();
        match next {
            DrainPhase::HandingOver | DrainPhase::Closing => {
                tracing::info!(
                    phase = ended.name(),
                    took_ms,
                    connections,
                    handed_over,
                    "A phase of the drain has ended."
                );
            }
            _ => {
                tracing::info!(
                    phase = ended.name(),
                    took_ms,
                    connections,
                    handed_over,
                    closed,
                    cut,
                    left,
                    "A phase of the drain has ended."
                );
            }
        }
    }

    fn connections(&self) -> usize {
        self.hubs.iter().map(|hub| hub.connection_count()).sum()
    }

    /// The deadlines as they are now: somebody may have made them earlier.
    fn now(&self) -> DrainDeadlines {
        self.deadlines.borrow().unwrap_or_else(|| DrainDeadlines::at_once(Instant::now()))
    }

    /// Waits for a deadline, which may become earlier meanwhile; without one, for ever.
    async fn until(&self, deadline: impl Fn(&DrainDeadlines) -> Option<Instant>) {
        let mut changes = self.deadlines.clone();
        loop {
            changes.mark_unchanged();
            let at = deadline(&self.now());
            if at.is_some_and(|at| at <= Instant::now()) {
                return;
            }
            let passed = async {
                match at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = passed => return,
                changed = changes.changed() => {
                    // The node, which has the other end, is dropped: so is this, soon.
                    if changed.is_err() {
                        return std::future::pending().await;
                    }
                }
            }
        }
    }
}
