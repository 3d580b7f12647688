//! How far a node is: ready, or in which phase of its drain. Anybody may look and wait; only the drain changes it.

use std::fmt;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Where a node is between its start and its end, in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[non_exhaustive]
pub enum DrainPhase {
    /// It serves, and no drain has begun.
    #[default]
    Serving,
    /// It serves everything, and is not ready, so that load balancers send it no more.
    NotReady,
    /// It begins no connections, and hands sessions over to other nodes.
    HandingOver,
    /// Connections are closed, and may reconnect, spread over a window.
    Closing,
    /// Calls that still run are waited for.
    Ending,
    /// It has left the other nodes.
    Gone,
}

impl DrainPhase {
    /// Returns its name in logs and responses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::NotReady => "not_ready",
            Self::HandingOver => "handing_over",
            Self::Closing => "closing",
            Self::Ending => "ending",
            Self::Gone => "gone",
        }
    }
}

impl fmt::Display for DrainPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a drain has done so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct DrainReport {
    /// The phase that it is in.
    pub phase: DrainPhase,
    /// How many connections of hubs there were when it began.
    pub connections: usize,
    /// How many sessions other nodes have taken over.
    pub handed_over: usize,
    /// How many connections had a turn to close, at once or when their calls had ended.
    pub closed: usize,
    /// How many connections were closed though they had running calls, because the time was over.
    pub cut: usize,
    /// How many connections were still there when nothing was waited for any more.
    pub left: usize,
    /// How long each phase took that has ended.
    pub phases: Vec<(DrainPhase, Duration)>,
}

pub(crate) struct DrainProgress {
    report: watch::Sender<DrainReport>,
    /// When the phase began.
    began: parking_lot::Mutex<Option<Instant>>,
}

impl DrainProgress {
    pub(crate) fn new() -> Self {
        Self { report: watch::Sender::default(), began: parking_lot::Mutex::default() }
    }

    pub(crate) fn phase(&self) -> DrainPhase {
        self.report.borrow().phase
    }

    pub(crate) fn report(&self) -> DrainReport {
        self.report.borrow().clone()
    }

    /// Waits until a phase has begun.
    pub(crate) async fn reached(&self, phase: DrainPhase) -> DrainReport {
        let mut reports = self.report.subscribe();
        match reports.wait_for(|report| report.phase >= phase).await {
            Ok(report) => report.clone(),
            // Not while this is borrowed.
            Err(_) => self.report(),
        }
    }

    /// Notes what the drain has done.
    pub(crate) fn note(&self, change: impl FnOnce(&mut DrainReport)) {
        self.report.send_modify(change);
    }

    /// Goes on to the next phase. Returns how long the one before took.
    pub(super) fn enter(&self, phase: DrainPhase) -> Duration {
        let now = Instant::now();
        let began = self.began.lock().replace(now);
        let took = began.map_or(Duration::ZERO, |began| now.duration_since(began));
        self.report.send_modify(|report| {
            if began.is_some() {
                report.phases.push((report.phase, took));
            }
            report.phase = phase;
        });
        took
    }
}
