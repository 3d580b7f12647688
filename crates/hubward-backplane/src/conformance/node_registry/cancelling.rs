//! A call whose future is dropped, at any await, leaves nothing that a repeated call or the end of a lease does not settle.

use super::lives::{SHORT, ids, wait_for_death};
use super::restoring::held;
use super::sweeping::{join, members, open};
use crate::conformance::cancelling::{drop_after, for_each_await};
use crate::conformance::stores::{LONG, NewStores, Stores, announce};
use crate::conformance::wait::eventually;
use crate::group_store::Member;
use crate::node_registry::{NodeInfo, NodeLoad, RegistryError};

pub async fn an_announcement_that_was_dropped_keeps_its_id_for_no_longer_than_a_lease(new: &NewStores) {
    for_each_await(async |polls| {
        let stores = new(SHORT);
        let info = || NodeInfo { id: "node-1".into(), address: None, hubs: vec![] };
        let complete = drop_after(polls, stores.nodes.announce(info())).await.is_some();
        eventually("the id is free", async || match stores.nodes.announce(info()).await {
            Ok(_) => true,
            Err(RegistryError::DuplicateId { .. }) => false,
            Err(error) => panic!("the node is not announced: {error}"),
        })
        .await;
        assert_eq!(ids(&stores).await, ["node-1"]);
        complete
    })
    .await;
}

pub async fn a_heartbeat_or_a_leave_that_was_dropped_may_be_repeated(new: &NewStores) {
    let stores = new(LONG);
    for_each_await(async |polls| {
        let owner = announce(&stores, "node-1").await;
        let heard = drop_after(polls, stores.nodes.heartbeat(&owner, NodeLoad::default())).await.is_some();
        stores.nodes.heartbeat(&owner, NodeLoad::default()).await.expect("it lives");
        let left = drop_after(polls, stores.nodes.withdraw(&owner)).await.is_some();
        stores.nodes.withdraw(&owner).await.expect("it is recorded");
        assert!(ids(&stores).await.is_empty());
        heard && left
    })
    .await;
}

pub async fn a_sweep_that_was_dropped_goes_on_with_the_next_step(new: &NewStores) {
    for_each_await(async |polls| {
        let stores = new(SHORT);
        let (first, second) = (announce(&stores, "node-1").await, announce(&stores, "node-2").await);
        for (owner, id) in [(&first, "kept"), (&second, "c1"), (&second, "c2")] {
            open(&stores, owner, id, None).await;
            join(&stores, owner, id, "ward:7").await.expect("it is recorded");
        }
        wait_for_death(&stores, &second, &first).await;
        let complete = drop_after(polls, stores.nodes.sweep(&first, 10)).await.is_some();
        eventually("everything is swept", async || {
            stores.nodes.heartbeat(&first, NodeLoad::default()).await.expect("it lives");
            stores.nodes.sweep(&first, 10).await.expect("it is swept").finished && is_swept(&stores).await
        })
        .await;
        complete
    })
    .await;
}

async fn is_swept(stores: &Stores) -> bool {
    members(stores, "ward:7").await == [Member::Connection("kept".into())].into()
}

pub async fn a_restoring_that_was_dropped_may_be_repeated(new: &NewStores) {
    for_each_await(async |polls| {
        let stores = new(LONG);
        let owner = announce(&stores, "node-1").await;
        let held = || ["c1", "c2"].map(|id| held(id, Some("alice"), &["ward:7"])).to_vec();
        let complete = drop_after(polls, stores.groups.restore(&owner, held())).await.is_some();
        let lost = stores.groups.restore(&owner, held()).await.expect("it is restored").lost;
        assert!(lost.is_empty());
        assert_eq!(members(&stores, "ward:7").await.len(), 2);
        // Each counts once: after their ends the user is on no node.
        for id in ["c1", "c2"] {
            let hub = "clinical".into();
            stores.groups.end_connection(&hub, &id.into(), &owner).await.expect("it is recorded");
        }
        let change = stores.groups.add_user(&"clinical".into(), &"g".into(), &"alice".into(), None).await;
        assert!(change.expect("it is recorded").nodes.is_empty());
        complete
    })
    .await;
}
