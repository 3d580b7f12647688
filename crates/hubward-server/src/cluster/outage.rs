//! An outage of the link to the other nodes: from its interruption until all that the hubs have held is published. One task
//! of the node, however often the link comes and goes meanwhile.
//!
//! When a broker is back, each node is in its own time, and what is published to one that is not yet subscribed again is
//! lost. So what was held goes out when each other node has confirmed that its link is whole. One whose link was never
//! interrupted confirms at once; one that is not back yet is asked again when it says so. Who does not confirm in time is
//! waited for no longer.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use hubward_backplane::{Backplane, Body};
use hubward_types::NodeId;
use tokio::sync::watch;
use tokio::time::Instant;

use super::link::NodeLinkState;
use super::outbox::{HeldStep, HoldEnd, Lookup, PublishWindow};
use super::pending::Settled;
use super::send::find;
use crate::bounded::CALL_TIMEOUT;
use crate::context::NodeContext;
use crate::engine::Engine;

/// How long the other nodes may take to be back: twice as long as a backplane may reasonably pause before it tries again. What is
/// held should not wait longer for one that is not there.
const RETURN_TIMEOUT: Duration = Duration::from_secs(4);

/// How long what is held may delay a shutdown: as long as any call of the backplane.
const SHUTDOWN_TIMEOUT: Duration = CALL_TIMEOUT;

struct Outage {
    context: Weak<NodeContext>,
    hubs: Vec<Weak<Engine>>,
    link: watch::Receiver<NodeLinkState>,
    /// The other nodes as they were known before: a registry that comes back without its data knows none.
    peers: BTreeSet<NodeId>,
}

/// Begins an outage, whose hubs hold their messages already.
pub(crate) fn begin(context: &Arc<NodeContext>, hubs: Vec<Weak<Engine>>) {
    let (link, peers) = (context.link.watch(), context.peers.all());
    let outage = Outage { context: Arc::downgrade(context), hubs, link, peers };
    context.tasks.spawn(outage.run());
}

impl Outage {
    async fn run(mut self) {
        while self.is_over().await {
            let Some(context) = self.context.upgrade() else { return };
            self.hubs().for_each(|engine| engine.outbox.hold_again());
            tokio::select! {
                () = self.others_are_back(&context) => {}
                () = interrupted(self.link.clone()) => continue,
            }
            join_all(self.hubs().map(|engine| publish_held(engine, self.link.clone()))).await;
            if context.link.has_returned() {
                return;
            }
        }
    }

    fn hubs(&self) -> impl Iterator<Item = Arc<Engine>> {
        self.hubs.iter().filter_map(Weak::upgrade)
    }

    /// Waits until the link is whole, and discards meanwhile what has been held for too long. False where nothing is to be
    /// waited for any more: the node is gone, or shuts down and holds nothing.
    async fn is_over(&mut self) -> bool {
        let Some(shutdown) = self.context.upgrade().map(|context| context.shutdown.clone()) else {
            return false;
        };
        let mut shutting_down = None;
        loop {
            if !matches!(*self.link.borrow_and_update(), NodeLinkState::Interrupted { .. }) {
                return true;
            }
            if shutting_down.is_some() && !self.hubs().any(|engine| engine.outbox.is_holding()) {
                self.refuse(HoldEnd::ShuttingDown, |_| true);
                return false;
            }
            let expires = self.hubs().filter_map(|engine| engine.outbox.expires_at()).min();
            tokio::select! {
                changed = self.link.changed() => {
                    if changed.is_err() {
                        return false;
                    }
                }
                () = at(expires) => {
                    let now = Instant::now();
                    let due = |engine: &Engine| engine.outbox.expires_at().is_some_and(|expires| expires <= now);
                    self.refuse(HoldEnd::HeldTooLong, due);
                }
                () = at(shutting_down) => self.refuse(HoldEnd::ShuttingDown, |_| true),
                () = shutdown.cancelled(), if shutting_down.is_none() => {
                    shutting_down = Some(Instant::now() + SHUTDOWN_TIMEOUT);
                }
            }
        }
    }

    /// Discards what hubs hold.
    fn refuse(&self, refusal: HoldEnd, which: impl Fn(&Engine) -> bool) {
        for engine in self.hubs().filter(|engine| which(engine)) {
            let messages = engine.outbox.refuse(refusal);
            engine.context.link.count_discarded(messages);
            if messages > 0 {
                tracing::debug!(hub = %engine.name(), messages, ?refusal, "Messages for other nodes that were held are discarded.");
            }
        }
    }

    /// Waits until every other node has confirmed that its link is whole, but not for ever.
    async fn others_are_back(&self, context: &NodeContext) {
        let mut peers = context.peers.all();
        peers.extend(self.peers.iter().cloned());
        let all = join_all(peers.iter().map(|node| is_back(context, node)));
        let _ = tokio::time::timeout(RETURN_TIMEOUT, all).await;
    }
}

/// Waits until a node has confirmed that its link is whole.
async fn is_back(context: &NodeContext, node: &NodeId) {
    loop {
        let mut confirmation = context.pending.confirmations.expect(node);
        context.notify(node.clone(), Body::ConfirmLink { id: confirmation.id });
        match confirmation.wait().await {
            Settled::Reply(_) => return,
            // It is back now, or this node is. One that is gone may only be gone from a registry that has lost its data.
            Settled::Interrupted | Settled::Gone => {}
        }
    }
}

/// Publishes what a hub has held; afterwards what it sends goes out at once. It ends as well where the link is interrupted
/// again.
async fn publish_held(engine: Arc<Engine>, link: watch::Receiver<NodeLinkState>) {
    let Some(backplane) = engine.context.backplane.clone() else { return };
    let publishing = publish_in_turn(&engine, &backplane, link);
    if AssertUnwindSafe(publishing).catch_unwind().await.is_err() {
        // Nothing here runs code of a hub; should it panic all the same, the hub's later messages are not held for ever.
        engine.context.link.count_discarded(engine.outbox.give_up("publishing what was held panicked"));
        tracing::error!(hub = %engine.name(), "Messages for other nodes that were held could not be published.");
    }
}

async fn publish_in_turn(
    engine: &Engine,
    backplane: &Arc<dyn Backplane>,
    link: watch::Receiver<NodeLinkState>,
) {
    let mut window = PublishWindow::default();
    loop {
        match engine.outbox.next(backplane, &engine.context.link, &mut window) {
            HeldStep::Done | HeldStep::Interrupted => return,
            HeldStep::Wait => tokio::select! {
                () = engine.outbox.resolved() => {}
                () = interrupted(link.clone()) => {}
            },
            HeldStep::LookUp(lookups) => look_up(engine, backplane, lookups).await,
            HeldStep::Publishing(all) => {
                for publishing in all {
                    publishing.confirmed().await;
                }
                // They may all have been confirmed at once.
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Finds the recipients of messages that were held. What cannot be found because of another interruption is held on.
async fn look_up(engine: &Engine, backplane: &Arc<dyn Backplane>, lookups: Vec<(u64, Lookup)>) {
    let finding = lookups.into_iter().map(async |(number, lookup)| {
        let parcels = find(engine, lookup).await;
        if parcels.is_ok() || !engine.context.link.is_interrupted() {
            engine.outbox.resolve(backplane, number, parcels);
        }
    });
    join_all(finding).await;
}

async fn interrupted(mut link: watch::Receiver<NodeLinkState>) {
    // It ends as well where the node is dropped.
    let _ = link.wait_for(|state| matches!(state, NodeLinkState::Interrupted { .. })).await;
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
