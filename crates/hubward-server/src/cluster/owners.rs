//! Which node holds a connection that is not of this node: found in the store and cached, so that no connection costs a
//! subscription, and what is for it goes to its node alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hubward_backplane::{GroupStore, StoreError};
use hubward_types::{ConnectionId, HubName, NodeId};
use parking_lot::Mutex;

/// Entries of one generation. What was not used while so many others were is forgotten.
const GENERATION_ENTRIES: usize = 8 * 1024;

/// How long it may take to find out which nodes hold the recipients of one message. What waits behind it waits as long.
pub(crate) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

const SLOW_STORE: &str = "the group store did not report in time which node holds the connection";

type Key = (HubName, ConnectionId);

/// A bounded cache. A connection id is never used again, so an entry is wrong only where its connection has ended, and
/// then whatever is sent there finds nobody; or where it has moved, and then its former node passes on what is sent there.
#[derive(Default)]
pub(crate) struct Owners(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<Key, NodeId>,
    old: HashMap<Key, NodeId>,
    /// How often nodes were forgotten.
    gone: u64,
}

impl Owners {
    /// Returns the node that is known to hold a connection.
    pub(crate) fn cached(&self, hub: &HubName, connection: &ConnectionId) -> Option<NodeId> {
        let key = (hub.clone(), connection.clone());
        self.0.lock().find(&key)
    }

    /// Finds the node that holds a connection; `None` where no node does.
    ///
    /// # Errors
    /// What the store reports; [`StoreError::Unavailable`] where it takes too long.
    pub(crate) async fn find(
        &self,
        store: &Arc<dyn GroupStore>,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> Result<Option<NodeId>, StoreError> {
        if let Some(node) = self.cached(hub, connection) {
            return Ok(Some(node));
        }
        let found = tokio::time::timeout(LOOKUP_TIMEOUT, self.look_up(store, hub, connection)).await;
        found.map_err(|_| StoreError::Unavailable(Some(SLOW_STORE.into())))?
    }

    /// Asks the store, and again where a node has gone meanwhile: it may be the one that was found, and nobody would forget
    /// it any more.
    async fn look_up(
        &self,
        store: &Arc<dyn GroupStore>,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> Result<Option<NodeId>, StoreError> {
        loop {
            let gone = self.0.lock().gone;
            let found = store.owner(hub, connection).await?.map(|owner| owner.node);
            let mut generations = self.0.lock();
            let Some(node) = found else { return Ok(None) };
            if generations.gone != gone {
                continue;
            }
            let key = (hub.clone(), connection.clone());
            // It may have moved meanwhile, and that was noted.
            if let Some(known) = generations.find(&key) {
                return Ok(Some(known));
            }
            generations.insert(key, node.clone());
            return Ok(Some(node));
        }
    }

    /// Notes which node holds a connection.
    #[cfg_attr(not(test), allow(dead_code, reason = "nothing hands a session over yet"))]
    pub(crate) fn note(&self, hub: &HubName, connection: &ConnectionId, node: NodeId) {
        let key = (hub.clone(), connection.clone());
        let mut generations = self.0.lock();
        generations.old.remove(&key);
        generations.insert(key, node);
    }

    /// Forgets a connection that its node no longer has.
    pub(crate) fn forget(&self, hub: &HubName, connection: &ConnectionId) {
        let key = (hub.clone(), connection.clone());
        let mut generations = self.0.lock();
        generations.young.remove(&key);
        generations.old.remove(&key);
    }

    /// Forgets the connections of nodes that have left or died.
    pub(crate) fn forget_nodes(&self, gone: impl Fn(&NodeId) -> bool) {
        let mut generations = self.0.lock();
        generations.gone += 1;
        generations.young.retain(|_, owner| !gone(owner));
        generations.old.retain(|_, owner| !gone(owner));
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let generations = self.0.lock();
        generations.young.len() + generations.old.len()
    }
}

impl Generations {
    fn find(&mut self, key: &Key) -> Option<NodeId> {
        if let Some(node) = self.young.get(key) {
            return Some(node.clone());
        }
        let (key, node) = self.old.remove_entry(key)?;
        self.insert(key, node.clone());
        Some(node)
    }

    fn insert(&mut self, key: Key, node: NodeId) {
        if self.young.len() >= GENERATION_ENTRIES {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, node);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use hubward_backplane::{InMemoryStore, NodeInfo, NodeRegistry, OpenConnection, Owner};

    use super::*;
    use crate::testing::faulty_store::FaultyStore;

    /// A store in which the node `n1` holds connections of these ids.
    fn store(ids: impl Iterator<Item = String>) -> Arc<dyn GroupStore> {
        let store = InMemoryStore::new();
        for id in ids {
            let opening = OpenConnection {
                hub: "hub".into(),
                connection: id.into(),
                user: None,
                owner: Owner::alone("n1".into()),
                claim: Duration::ZERO,
            };
            store.open_connection(opening).now_or_never().unwrap().unwrap();
        }
        Arc::new(store)
    }

    async fn find(owners: &Owners, store: &Arc<dyn GroupStore>, id: &str) -> Option<String> {
        owners.find(store, &"hub".into(), &id.into()).await.unwrap().map(|node| node.to_string())
    }

    #[tokio::test]
    async fn an_owner_is_found_once_and_known_until_its_node_or_its_connection_is_gone() {
        let (owners, store) = (Owners::default(), store(["c1".to_owned(), "c2".to_owned()].into_iter()));
        assert_eq!(owners.cached(&"hub".into(), &"c1".into()), None);
        for id in ["c1", "c2"] {
            assert_eq!(find(&owners, &store, id).await.as_deref(), Some("n1"));
        }
        assert_eq!(find(&owners, &store, "nobody").await, None);
        assert_eq!(owners.len(), 2);
        owners.forget(&"hub".into(), &"c1".into());
        assert_eq!(owners.cached(&"hub".into(), &"c1".into()), None);
        assert_eq!(owners.cached(&"hub".into(), &"c2".into()), Some("n1".into()));
        owners.forget_nodes(|node| node.as_str() == "n2");
        assert_eq!(owners.len(), 1);
        owners.forget_nodes(|node| node.as_str() == "n1");
        assert_eq!(owners.len(), 0);
    }

    #[tokio::test]
    async fn the_cache_is_bounded_and_keeps_what_is_used() {
        let owners = Owners::default();
        let store = store((0..5 * GENERATION_ENTRIES).map(|number| number.to_string()));
        for number in 0..5 * GENERATION_ENTRIES {
            find(&owners, &store, &number.to_string()).await;
            assert!(owners.cached(&"hub".into(), &"0".into()).is_some(), "it was forgotten after {number}");
        }
        assert!(owners.len() <= 2 * GENERATION_ENTRIES, "{} entries", owners.len());
    }

    #[tokio::test]
    async fn a_connection_that_moves_while_it_is_looked_up_is_found_where_it_is() {
        let (owners, store) = (Owners::default(), FaultyStore::new());
        let owner = Owner::alone("n1".into());
        let (hub, connection, claim) = ("hub".into(), "c1".into(), Duration::ZERO);
        let opening = OpenConnection { hub, connection, user: None, owner, claim };
        store.open_connection(opening).await.unwrap();
        store.replying.hold();
        let shared: Arc<dyn GroupStore> = store.clone();
        let mut finding = Box::pin(find(&owners, &shared, "c1"));
        assert!((&mut finding).now_or_never().is_none());
        owners.note(&"hub".into(), &"c1".into(), "n2".into());
        store.replying.release();
        assert_eq!(finding.await.as_deref(), Some("n2"));
        assert_eq!(owners.cached(&"hub".into(), &"c1".into()), Some("n2".into()));
    }

    #[tokio::test]
    async fn a_node_that_dies_while_it_is_looked_up_is_not_found() {
        let (owners, store) = (Owners::default(), FaultyStore::new());
        let info = NodeInfo { id: "n1".into(), address: None, hubs: Vec::new() };
        let epoch = store.inner.announce(info).await.unwrap();
        let owner = Owner { node: "n1".into(), epoch };
        let opening = OpenConnection {
            hub: "hub".into(),
            connection: "c1".into(),
            user: None,
            owner: owner.clone(),
            claim: Duration::ZERO,
        };
        store.open_connection(opening).await.unwrap();
        store.replying.hold();
        let shared: Arc<dyn GroupStore> = store.clone();
        let mut finding = Box::pin(find(&owners, &shared, "c1"));
        assert!((&mut finding).now_or_never().is_none());
        store.inner.withdraw(&owner).await.unwrap();
        owners.forget_nodes(|node| node.as_str() == "n1");
        store.replying.release();
        assert_eq!((finding.await, owners.len()), (None, 0));
    }
}
