//! The other nodes, as far as this one knows them from the node registry: no call of the registry is needed to know whom to
//! ask when it has just come back, and perhaps without its data, nor to pass a request on.
//!
//! Where a node is reached is believed to the registry's list only: whoever can publish can forge events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hubward_transport::{LivePeer, PeerDirectory};
use hubward_types::NodeId;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::draining_peers::DrainingPeers;

/// How many there are at most: more than any cluster has. Of more that are announced, some are forged.
const MAX_PEERS: usize = 1_000;

/// How many nodes are remembered that are gone. Their ids never come back.
const MAX_GONE: usize = 1_000;

/// How long a node that is not known yet is waited for: the nodes are listed at once then.
const LIST_TIMEOUT: Duration = Duration::from_secs(1);

/// Bounded by the nodes that live: `lives/others.rs` adds and removes them.
pub(crate) struct Peers {
    known: Mutex<Known>,
    /// How often the nodes were listed.
    listings: watch::Sender<u64>,
    /// Notified where somebody waits for a list.
    wanted: Notify,
}

#[derive(Default)]
struct Known {
    peers: BTreeMap<NodeId, Entry>,
    gone: BTreeSet<NodeId>,
}

struct Entry {
    /// `None` until the node was listed.
    address: Option<Option<String>>,
    gone: CancellationToken,
    /// Since when it is missing from the list, though nobody says that it has gone: the registry may have lost its data.
    missing_since: Option<Instant>,
}

impl Default for Peers {
    fn default() -> Self {
        Self { known: Mutex::default(), listings: watch::Sender::new(0), wanted: Notify::new() }
    }
}

impl Peers {
    pub(crate) fn joined(&self, node: NodeId) {
        self.known.lock().add(node, None);
    }

    /// Removes one, and cuts off what goes there; returns whether it was there.
    pub(crate) fn gone(&self, node: &NodeId) -> bool {
        let mut known = self.known.lock();
        let removed = known.peers.remove(node);
        known.remember_gone(node.clone());
        drop(known);
        let Some(entry) = removed else { return false };
        entry.gone.cancel();
        entry.missing_since.is_none()
    }

    /// Replaces them by those that were listed, each with its address. One that is missing without a reason is gone when it
    /// has been for `timeout`. Returns whether some are missing.
    pub(crate) fn listed(
        &self,
        nodes: impl IntoIterator<Item = (NodeId, Option<String>)>,
        timeout: Duration,
    ) -> bool {
        let now = Instant::now();
        let mut known = self.known.lock();
        let mut missing: BTreeSet<NodeId> = known.peers.keys().cloned().collect();
        let mut cut = Vec::new();
        for (node, address) in nodes.into_iter().take(MAX_PEERS) {
            missing.remove(&node);
            known.gone.remove(&node);
            // Of a node that has begun another life elsewhere, what it was before is gone.
            let has_moved = |entry: &Entry| entry.address.as_ref().is_some_and(|known| *known != address);
            if known.peers.get(&node).is_some_and(has_moved) {
                cut.extend(known.peers.remove(&node));
            }
            known.add(node, Some(address));
        }
        let mut are_missing = false;
        for node in missing {
            let Some(entry) = known.peers.get_mut(&node) else { continue };
            if now.duration_since(*entry.missing_since.get_or_insert(now)) >= timeout {
                cut.extend(known.peers.remove(&node));
                known.remember_gone(node);
            } else {
                are_missing = true;
            }
        }
        drop(known);
        cut.iter().for_each(|entry| entry.gone.cancel());
        self.listings.send_modify(|listings| *listings += 1);
        are_missing
    }

    /// Waits until somebody needs a list of the nodes.
    pub(crate) async fn list_wanted(&self) {
        self.wanted.notified().await;
    }

    pub(crate) fn contains(&self, node: &NodeId) -> bool {
        self.known.lock().peers.get(node).is_some_and(|entry| entry.missing_since.is_none())
    }

    pub(crate) fn all(&self) -> BTreeSet<NodeId> {
        let known = self.known.lock();
        let present = known.peers.iter().filter(|(_, entry)| entry.missing_since.is_none());
        present.map(|(node, _)| node.clone()).collect()
    }

    /// Returns where a node is reached: `Err` where only a list can say.
    fn reached(&self, node: &NodeId) -> Result<Option<LivePeer>, ()> {
        let known = self.known.lock();
        match known.peers.get(node) {
            Some(Entry { address: Some(address), gone, .. }) => {
                Ok(Some(LivePeer { address: address.clone(), stays: true, gone: gone.clone() }))
            }
            None if known.gone.contains(node) => Ok(None),
            _ => Err(()),
        }
    }
}

impl Known {
    fn add(&mut self, node: NodeId, address: Option<Option<String>>) {
        if let Some(entry) = self.peers.get_mut(&node) {
            entry.missing_since = None;
            if address.is_some() {
                entry.address = address;
            }
        } else if self.peers.len() < MAX_PEERS {
            self.peers.insert(node, Entry { address, gone: CancellationToken::new(), missing_since: None });
        }
    }

    fn remember_gone(&mut self, node: NodeId) {
        if self.gone.len() >= MAX_GONE {
            self.gone.clear();
        }
        self.gone.insert(node);
    }
}

/// The directory for the way to the other nodes.
#[derive(Clone)]
pub(crate) struct Directory {
    pub(crate) peers: Arc<Peers>,
    pub(crate) draining: Arc<DrainingPeers>,
}

impl Directory {
    fn reached(&self, node: &NodeId) -> Result<Option<LivePeer>, ()> {
        let reached = self.peers.reached(node)?;
        Ok(reached.map(|peer| LivePeer { stays: !self.draining.contains(node), ..peer }))
    }
}

impl PeerDirectory for Directory {
    fn find(&self, node: &NodeId) -> BoxFuture<'static, Option<LivePeer>> {
        if let Ok(found) = self.reached(node) {
            return Box::pin(std::future::ready(found));
        }
        let (directory, node) = (self.clone(), node.clone());
        Box::pin(async move {
            let mut listings = directory.peers.listings.subscribe();
            directory.peers.wanted.notify_one();
            let _ = tokio::time::timeout(LIST_TIMEOUT, listings.changed()).await;
            directory.reached(&node).unwrap_or(None)
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn list(peers: &Peers, nodes: &[&str]) -> bool {
        let nodes = nodes.iter().map(|node| (NodeId::from(*node), Some(format!("{node}:1"))));
        peers.listed(nodes, TIMEOUT)
    }

    fn find(peers: &Arc<Peers>, node: &str) -> BoxFuture<'static, Option<LivePeer>> {
        Directory { peers: peers.clone(), draining: Arc::default() }.find(&node.into())
    }

    #[tokio::test]
    async fn where_a_node_is_reached_is_believed_to_the_list_only() {
        let peers = Arc::<Peers>::default();
        peers.joined("n1".into());
        let mut finding = find(&peers, "n1");
        assert!((&mut finding).now_or_never().is_none());
        peers.list_wanted().await;
        list(&peers, &["n1"]);
        assert_eq!(finding.await.unwrap().address.unwrap(), "n1:1");
        assert!(find(&peers, "n1").now_or_never().is_some(), "it is known now");
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_nobody_knows_is_waited_for_no_longer_than_for_the_list() {
        let peers = Arc::<Peers>::default();
        let begun = Instant::now();
        assert!(find(&peers, "n1").await.is_none());
        assert_eq!(begun.elapsed(), LIST_TIMEOUT);
        let mut finding = find(&peers, "n1");
        assert!((&mut finding).now_or_never().is_none());
        list(&peers, &["n2"]);
        assert!(finding.await.is_none());
        assert_eq!(begun.elapsed(), LIST_TIMEOUT);
    }

    #[tokio::test]
    async fn what_goes_to_a_node_is_cut_when_it_is_gone_and_it_is_not_asked_for_again() {
        let peers = Arc::<Peers>::default();
        list(&peers, &["n1", "n2"]);
        let found = find(&peers, "n1").await.unwrap();
        assert!(peers.gone(&"n1".into()) && found.gone.is_cancelled());
        assert!(!peers.gone(&"n1".into()));
        assert!(find(&peers, "n1").now_or_never().unwrap().is_none(), "at once");
        list(&peers, &["n1", "n2"]);
        assert!(find(&peers, "n1").await.is_some(), "it lives all the same");
    }

    #[tokio::test]
    async fn what_goes_to_a_node_is_cut_when_it_has_begun_another_life_elsewhere() {
        let peers = Arc::<Peers>::default();
        list(&peers, &["n1", "n2"]);
        let (n1, n2) = (find(&peers, "n1").await.unwrap(), find(&peers, "n2").await.unwrap());
        let elsewhere = Some("10.0.0.9:1".to_owned());
        peers.listed([("n1".into(), elsewhere.clone()), ("n2".into(), Some("n2:1".into()))], TIMEOUT);
        assert!(n1.gone.is_cancelled() && !n2.gone.is_cancelled());
        let again = find(&peers, "n1").await.unwrap();
        assert!(again.address == elsewhere && !again.gone.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_is_missing_without_a_reason_is_gone_only_when_it_stays_away() {
        let peers = Arc::<Peers>::default();
        list(&peers, &["n1", "n2"]);
        let (n1, n2) = (find(&peers, "n1").await.unwrap(), find(&peers, "n2").await.unwrap());
        assert!(list(&peers, &[]), "the registry has lost its data");
        assert_eq!(peers.all().len(), 0);
        tokio::time::advance(TIMEOUT / 2).await;
        assert!(list(&peers, &["n1"]));
        assert!(find(&peers, "n2").await.is_some(), "it may still be reached");
        tokio::time::advance(TIMEOUT / 2).await;
        assert!(!list(&peers, &["n1"]));
        assert!(!n1.gone.is_cancelled() && n2.gone.is_cancelled());
        assert!(find(&peers, "n2").await.is_none());
    }

    #[tokio::test]
    async fn a_node_that_is_about_to_leave_is_reached_but_does_not_stay() {
        let directory = Directory { peers: Arc::default(), draining: Arc::default() };
        list(&directory.peers, &["n1", "n2"]);
        directory.draining.note("n1".into());
        let stays = async |node: &str| directory.find(&node.into()).await.unwrap().stays;
        assert!(!stays("n1").await && stays("n2").await);
        directory.draining.forget(&"n1".into());
        assert!(stays("n1").await, "it lives anew");
    }

    #[tokio::test]
    async fn the_nodes_that_are_known_are_bounded() {
        let peers = Peers::default();
        for number in 0..2 * MAX_PEERS {
            peers.joined(format!("n{number}").into());
            peers.gone(&format!("gone {number}").into());
        }
        let known = peers.known.lock();
        assert!(known.peers.len() <= MAX_PEERS && known.gone.len() <= MAX_GONE);
    }
}
