//! What the suites of the group store and of the node registry share: a store that is both.

use std::sync::Arc;
use std::time::Duration;

use crate::group_store::GroupStore;
use crate::node_registry::{NodeInfo, NodeRegistry};
use crate::owner::Owner;

/// Makes an empty store in which a node counts as dead this long after its last heartbeat.
pub type NewStores = dyn Fn(Duration) -> Stores + Send + Sync;

/// A group store and a node registry that share their state.
#[derive(Clone)]
pub struct Stores {
    /// The record of groups and connections.
    pub groups: Arc<dyn GroupStore>,
    /// The record of nodes.
    pub nodes: Arc<dyn NodeRegistry>,
}

impl Stores {
    /// Makes them of one store that implements both.
    pub fn of<S: GroupStore + NodeRegistry>(store: S) -> Self {
        let store = Arc::new(store);
        Self { groups: Arc::clone(&store) as Arc<_>, nodes: store }
    }
}

/// Longer than any test takes.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

/// Announces a node.
pub(crate) async fn announce(stores: &Stores, node: &str) -> Owner {
    let info = NodeInfo { id: node.into(), address: None, hubs: vec!["clinical".into()] };
    let epoch = stores.nodes.announce(info).await.expect("the node is announced");
    Owner { node: node.into(), epoch }
}
