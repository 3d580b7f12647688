//! The draining node's side: a batch of sessions on its way to one other node. What fails leaves each session either here or there,
//! never on both; where nobody knows, its client is asked to reconnect.
//!
//! 1. Each session is recorded from now on, and nothing changes its groups.
//! 2. The other node makes places: it receives for them from now on.
//! 3. Markers go to it and come back on every topic. What was published before them has then arrived here; what came to the
//!    other node before them was not only here.
//! 4. The sessions are cut, and their contents go to the other node, which becomes their owner in the group store.
//! 5. Only then they are let go.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hubward_backplane::{StoreError, Topic};
use hubward_types::NodeId;
use tokio::time::{Instant, timeout};

use super::calls::{CallError, HandoverCall, HandoverPeers};
use super::leaving::{Leaving, Stays};
use super::place::{publish_marker, topics_of};
use super::targets::Targets;
use super::wire::{
    Adopt, AdoptOutcome, AdoptReply, BatchId, Cancel, CancelReply, GivenContent, MAX_BATCH_BYTES, Prepare,
    PrepareReply,
};
use crate::connection::handle::ConnectionHandle;
use crate::context::NodeContext;

/// How long a change of a connection's groups that is being carried out may hold up its batch.
const TURN_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the other node may take to make places, and to take the sessions.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(5);
const ADOPT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long markers may take. Where they do not come, the sessions stay: something may be missing.
const MARKER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the other node may take to hear that nothing comes.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(1);

/// What each step may take however little time is left: it has begun, and has to be decided.
const SHORTEST: Duration = Duration::from_millis(250);

/// How often the store is asked who has a session, where an answer was lost.
const LOOKUPS: usize = 3;

/// What came of a batch.
#[derive(Default)]
pub(super) struct Given {
    pub(super) moved: usize,
    /// Those that are still here, with the reason.
    pub(super) left: Vec<(Leaving, Stays)>,
    /// How many were asked to reconnect.
    pub(super) unclear: usize,
}

/// A batch on its way.
pub(super) struct Batch {
    pub(super) context: Arc<NodeContext>,
    pub(super) peers: HandoverPeers,
    pub(super) targets: Arc<Targets>,
    pub(super) node: NodeId,
    /// When the time for it is over.
    pub(super) until: Instant,
}

impl Batch {
    /// How long something may take.
    fn limit(&self, most: Duration) -> Duration {
        self.until.saturating_duration_since(Instant::now()).clamp(SHORTEST, most)
    }

    /// Hands sessions over. Comes to its end within a bounded time.
    pub(super) async fn give(&self, sessions: Vec<Leaving>) -> Given {
        let handles: Vec<_> = sessions.iter().map(|session| session.handle.clone()).collect();
        // Nothing changes their groups until it is decided who has them.
        let turns = handles.iter().map(async |handle: &Arc<ConnectionHandle>| {
            timeout(TURN_TIMEOUT, handle.groups.turn()).await.ok()
        });
        let turns = join_all(turns).await;
        let mut given = Given::default();
        let mut recorded = Vec::new();
        for (session, turn) in sessions.into_iter().zip(&turns) {
            match turn.is_some() && session.handle.mailbox.record().is_ok() {
                true => recorded.push(session),
                false => given.left.push((session, Stays::Itself)),
            }
        }
        self.give_recorded(recorded, &mut given).await;
        // They go on here, or to another node.
        given.left.iter().for_each(|(session, _)| session.handle.mailbox.stay());
        drop(turns);
        given
    }

    async fn give_recorded(&self, sessions: Vec<Leaving>, given: &mut Given) {
        let gaps = self.context.link.gaps();
        // What was delivered here before, and not recorded, has been published before the markers.
        self.context.sends.until_published().await;
        let (mut offered, mut offers) = (Vec::new(), Vec::new());
        for session in sessions {
            match session.offer() {
                Some(offer) => {
                    offers.push(offer);
                    offered.push(session);
                }
                None => given.left.push((session, Stays::Itself)),
            }
        }
        if offered.is_empty() {
            return;
        }
        let (id, marker) = (BatchId::new(), self.context.next_key());
        let prepare = Prepare::new(id.clone(), &self.context.owner(), marker, offers);
        let prepared: Result<PrepareReply, _> =
            self.peers.call(&self.node, HandoverCall::Prepare, &prepare, self.limit(PREPARE_TIMEOUT)).await;
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                self.failed(&error);
                if matches!(error, CallError::NoAnswer(_)) {
                    self.cancel(id).await;
                }
                given.left.extend(offered.into_iter().map(|session| (session, Stays::NoNode)));
                return;
            }
        };
        let mut accepted = Vec::new();
        for (place, session) in offered.into_iter().enumerate() {
            match prepared.refusal(place) {
                None => accepted.push((place as u32, session)),
                Some(refusal) => {
                    tracing::debug!(node = %self.node, reason = refusal.name(), "Another node does not take a session.");
                    self.targets.refused(&self.node, session.engine.name(), refusal);
                    given.left.push((session, Stays::NoNode));
                }
            }
        }
        if accepted.is_empty() {
            return;
        }
        let has_all = self.exchange_markers(&accepted, marker, prepared.marker).await;
        // After an interruption nobody knows what came in between.
        if !has_all || self.context.link.gaps() != gaps {
            tracing::debug!(node = %self.node, "Markers did not come in time; sessions are not handed over.");
            self.targets.exclude(&self.node);
            self.cancel(id).await;
            given.left.extend(accepted.into_iter().map(|(_, session)| (session, Stays::NoNode)));
            return;
        }
        self.give_contents(id, accepted, given).await;
    }

    /// Publishes the marker on every topic of the sessions, and waits until the other node has answered it there. Returns
    /// whether it has.
    async fn exchange_markers(&self, sessions: &[(u32, Leaving)], ours: u64, theirs: u64) -> bool {
        let Some((_, first)) = sessions.first() else { return false };
        let topics = |(_, session): &(u32, Leaving)| topics_of(session.engine.name(), &session.handle);
        let topics: HashSet<Topic> = sessions.iter().flat_map(topics).collect();
        // What it sent to a connection alone came before it made its places.
        let answered = topics.iter().cloned().chain([Topic::Node(self.context.id.clone())]);
        let expected = self.context.markers.expect(&self.node, theirs, answered);
        // All are of one hub. Where it is not published, nothing comes back.
        publish_marker(&first.engine, topics.into_iter().collect(), ours);
        let has_come = timeout(self.limit(MARKER_TIMEOUT), expected.arrived()).await.is_ok();
        has_come && !first.engine.held.is_holding()
    }

    /// Cuts the sessions, and gives their contents to the other node.
    async fn give_contents(&self, id: BatchId, sessions: Vec<(u32, Leaving)>, given: &mut Given) {
        let (mut cut, mut contents, mut bytes) = (Vec::new(), Vec::<GivenContent>::new(), 0);
        for (place, session) in sessions {
            let content = session.cut(&self.node, place);
            let fits = content.as_ref().is_some_and(|content| {
                bytes += content.content.len();
                contents.is_empty() || bytes <= 2 * MAX_BATCH_BYTES
            });
            match content.filter(|_| fits) {
                Some(content) => {
                    contents.push(content);
                    cut.push(session);
                }
                // More came meanwhile than could be recorded, or than moves.
                None => given.left.push((session, Stays::Itself)),
            }
        }
        if cut.is_empty() {
            self.cancel(id).await;
            return;
        }
        cut.iter_mut().for_each(|session| session.set_in_doubt(true));
        let adopt = Adopt { batch: id.clone(), sessions: contents };
        let adopted: Result<AdoptReply, _> =
            self.peers.call(&self.node, HandoverCall::Adopt, &adopt, self.limit(ADOPT_TIMEOUT)).await;
        let outcomes: Vec<_> = match &adopted {
            Ok(adopted) => (0..cut.len()).map(|place| adopted.outcome(place)).collect(),
            Err(error) => {
                self.failed(error);
                let outcome = match error {
                    CallError::NoAnswer(_) => AdoptOutcome::Unclear,
                    CallError::NotSent(_) | CallError::Refused(_) => AdoptOutcome::NotAdopted,
                };
                vec![outcome; cut.len()]
            }
        };
        if outcomes.contains(&AdoptOutcome::NotAdopted) && adopted.is_err() {
            self.cancel(id).await;
        }
        let decided = cut.into_iter().zip(outcomes).map(async |(session, outcome)| match outcome {
            AdoptOutcome::Unclear => (self.ask_store(&session).await, session),
            outcome => (Some(outcome), session),
        });
        for (outcome, mut session) in join_all(decided).await {
            match outcome {
                Some(AdoptOutcome::Adopted) => {
                    given.moved += 1;
                    session.let_go(&self.node);
                }
                Some(_) => {
                    session.set_in_doubt(false);
                    given.left.push((session, Stays::NoNode));
                }
                None => {
                    given.unclear += 1;
                    session.close();
                }
            }
        }
    }

    /// Asks the store who has a session, where the other node has not said so. `None` where it is not certain: a session that is still this
    /// node's may become the other one's at any time, so it is not taken back; its client starts anew.
    async fn ask_store(&self, session: &Leaving) -> Option<AdoptOutcome> {
        for _ in 0..LOOKUPS {
            match self.context.store.owner(session.engine.name(), &session.handle.id).await {
                Ok(Some(owner)) if owner.node == self.node => return Some(AdoptOutcome::Adopted),
                Ok(_) => return None,
                Err(StoreError::Unavailable(_)) => tokio::time::sleep(TURN_TIMEOUT / 4).await,
                Err(_) => return None,
            }
        }
        None
    }

    async fn cancel(&self, batch: BatchId) {
        let cancel = Cancel { batch };
        let cancelled: Result<CancelReply, _> =
            self.peers.call(&self.node, HandoverCall::Cancel, &cancel, CANCEL_TIMEOUT).await;
        if let Err(error) = cancelled {
            // It undoes what was prepared by itself, later.
            tracing::debug!(node = %self.node, %error, "Another node did not hear that nothing is handed over.");
        }
    }

    fn failed(&self, error: &CallError) {
        tracing::warn!(node = %self.node, %error, "Sessions could not be handed over to another node; others are tried.");
        self.targets.exclude(&self.node);
    }
}
