//! Which nodes sessions are handed over to: those that live, stay and have the hub, the one with the fewest connections first.

use std::collections::HashSet;

use hubward_backplane::LiveNode;
use hubward_types::{HubName, NodeId};
use parking_lot::Mutex;

use super::wire::PlaceRefusal;

/// The nodes of one drain. Bounded by the nodes that live.
pub(super) struct Targets(Mutex<Vec<Target>>);

struct Target {
    node: NodeId,
    /// The hubs whose sessions it may be given.
    hubs: HashSet<HubName>,
    /// How many connections it has, with those that were given to it.
    connections: u64,
}

impl Targets {
    /// Makes the targets of a node among these.
    pub(super) fn of(live: &[LiveNode], this: &NodeId, stays: impl Fn(&NodeId) -> bool) -> Self {
        let others = live.iter().filter(|node| node.info.id != *this && stays(&node.info.id));
        // One without an address cannot be called.
        let reached = others.filter(|node| node.info.address.is_some());
        let target = |node: &LiveNode| Target {
            node: node.info.id.clone(),
            hubs: node.info.hubs.iter().cloned().collect(),
            connections: node.load.connections,
        };
        Self(Mutex::new(reached.map(target).collect()))
    }

    /// Chooses a node for so many sessions of a hub, which count as given to it.
    pub(super) fn choose(
        &self,
        hub: &HubName,
        sessions: usize,
        stays: impl Fn(&NodeId) -> bool,
    ) -> Option<NodeId> {
        let mut targets = self.0.lock();
        let fit = targets.iter_mut().filter(|target| target.hubs.contains(hub) && stays(&target.node));
        let target = fit.min_by_key(|target| target.connections)?;
        target.connections = target.connections.saturating_add(sessions as u64);
        Some(target.node.clone())
    }

    /// Gives a node no more sessions.
    pub(super) fn exclude(&self, node: &NodeId) {
        self.0.lock().retain(|target| target.node != *node);
    }

    /// Notes that a node has refused a session of a hub. What is a matter of the session says nothing of others.
    pub(super) fn refused(&self, node: &NodeId, hub: &HubName, refusal: PlaceRefusal) {
        match refusal {
            PlaceRefusal::NoRoom | PlaceRefusal::Draining | PlaceRefusal::Outage | PlaceRefusal::Other => {
                self.exclude(node)
            }
            PlaceRefusal::NoHub | PlaceRefusal::Unreadable => {
                let mut targets = self.0.lock();
                for target in targets.iter_mut().filter(|target| target.node == *node) {
                    target.hubs.remove(hub);
                }
            }
            PlaceRefusal::Known => {}
        }
    }

    /// Whether no node is left for sessions of a hub.
    pub(super) fn is_empty_for(&self, hub: &HubName) -> bool {
        !self.0.lock().iter().any(|target| target.hubs.contains(hub))
    }
}

#[cfg(test)]
mod tests {
    use hubward_backplane::{Epoch, NodeInfo, NodeLoad};

    use super::*;

    fn live(id: &str, address: Option<&str>, hubs: &[&str], connections: u64) -> LiveNode {
        let hubs = hubs.iter().map(|hub| HubName::from(*hub)).collect();
        let info = NodeInfo { id: id.into(), address: address.map(str::to_owned), hubs };
        LiveNode { info, epoch: Epoch::new(1), load: NodeLoad::new(connections) }
    }

    fn targets() -> Targets {
        let nodes = [
            live("this", Some("a"), &["chat"], 0),
            live("mute", None, &["chat"], 0),
            live("leaving", Some("a"), &["chat"], 0),
            live("n1", Some("a"), &["chat", "ward"], 5),
            live("n2", Some("a"), &["chat"], 7),
        ];
        Targets::of(&nodes, &"this".into(), |node| node.as_str() != "leaving")
    }

    fn choose(targets: &Targets, hub: &str, sessions: usize) -> Option<String> {
        targets.choose(&hub.into(), sessions, |_| true).map(|node| node.to_string())
    }

    #[test]
    fn sessions_go_to_the_least_busy_node_that_has_the_hub_and_stays() {
        let targets = targets();
        let chosen: Vec<_> = (0..3).filter_map(|_| choose(&targets, "chat", 3)).collect();
        assert_eq!(chosen, ["n1", "n2", "n1"]);
        assert_eq!(choose(&targets, "ward", 1).as_deref(), Some("n1"));
        assert_eq!(choose(&targets, "none", 1), None);
        assert_eq!(targets.choose(&"ward".into(), 1, |_| false), None);
    }

    #[test]
    fn a_node_that_refuses_gets_no_more_where_others_would_be_refused_too() {
        let (targets, node) = (targets(), NodeId::from("n1"));
        targets.refused(&node, &"ward".into(), PlaceRefusal::Known);
        assert_eq!(choose(&targets, "ward", 1).as_deref(), Some("n1"));
        targets.refused(&node, &"ward".into(), PlaceRefusal::Unreadable);
        assert!(targets.is_empty_for(&"ward".into()) && !targets.is_empty_for(&"chat".into()));
        targets.refused(&node, &"chat".into(), PlaceRefusal::NoRoom);
        assert_eq!(choose(&targets, "chat", 1).as_deref(), Some("n2"));
        targets.exclude(&"n2".into());
        assert!(targets.is_empty_for(&"chat".into()));
    }
}
