//! A node's graceful end, in phases that are named and bounded: not ready, handing over, closing, ending, gone. Begun once; a
//! later call can only shorten it.

pub(crate) mod options;
mod phases;
pub(crate) mod progress;
mod schedule;
mod turns;

use std::sync::Arc;

use hubward_backplane::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::options::DrainDeadlines;
use self::phases::Draining;
use self::progress::{DrainPhase, DrainReport};
use crate::context::NodeContext;
use crate::engine::Engine;

/// The drain of a node. It runs in a task of its own, since whoever asks for it may go away; dropped, it ends where it is. That
/// task is not one of the node's, which it waits for.
#[derive(Default)]
pub(crate) struct Drain {
    task: Mutex<JoinSet<()>>,
    /// `None` until it has begun.
    deadlines: watch::Sender<Option<DrainDeadlines>>,
}

impl Drain {
    /// Begins the drain, or ends the phases of one that has begun no later than these deadlines say. `leave` is its last step.
    pub(crate) fn begin(
        &self,
        context: &Arc<NodeContext>,
        hubs: impl FnOnce() -> Vec<Arc<Engine>>,
        leave: BoxFuture<'static, ()>,
        deadlines: DrainDeadlines,
    ) {
        let mut task = self.task.lock();
        let begun = *self.deadlines.borrow();
        self.deadlines.send_replace(Some(begun.map_or(deadlines, |begun| begun.earlier(deadlines))));
        if begun.is_some() {
            return;
        }
        let draining = Draining::new(context.clone(), hubs(), self.deadlines.subscribe());
        // When this returns, nobody takes the node for ready any more.
        draining.begin();
        let run = draining.run(leave);
        match context.runtime.driven() {
            Some(runtime) => task.spawn_on(run, &runtime),
            None => task.spawn(run),
        };
    }

    /// Waits until the node is gone.
    pub(crate) async fn ended(&self, context: &NodeContext) -> DrainReport {
        context.progress.reached(DrainPhase::Gone).await
    }
}

#[cfg(test)]
mod tests;
