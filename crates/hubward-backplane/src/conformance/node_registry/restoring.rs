//! A node that was taken for dead changes nothing until it has announced itself anew, and puts back what it holds.

use std::time::Duration;

use super::lives::{SHORT, wait_for_death};
use super::sweeping::{join, members, open};
use crate::conformance::stores::{LONG, NewStores, Stores, announce};
use crate::group_store::{HeldConnection, MAX_RESTORED_AT_ONCE, Member, OpenConnection, StoreError};
use crate::node_registry::NodeLoad;
use crate::owner::Owner;

pub(super) fn held(connection: &str, user: Option<&str>, groups: &[&str]) -> HeldConnection {
    HeldConnection {
        hub: "clinical".into(),
        connection: connection.into(),
        user: user.map(Into::into),
        groups: groups.iter().map(|group| (*group).into()).collect(),
        claim: Duration::ZERO,
    }
}

/// Opens a connection whose token may be used for long.
async fn open_for_long(stores: &Stores, owner: &Owner, connection: &str) -> Result<(), StoreError> {
    let opening = OpenConnection {
        hub: "clinical".into(),
        connection: connection.into(),
        user: None,
        owner: owner.clone(),
        claim: LONG,
    };
    stores.groups.open_connection(opening).await.map(|_| ())
}

pub async fn a_node_that_is_taken_for_dead_records_nothing(new: &NewStores) {
    let stores = new(SHORT);
    let (first, second) = (announce(&stores, "node-1").await, announce(&stores, "node-2").await);
    open(&stores, &second, "c1", None).await;
    wait_for_death(&stores, &second, &first).await;
    let opening = OpenConnection {
        hub: "clinical".into(),
        connection: "c2".into(),
        user: None,
        owner: second.clone(),
        claim: Duration::ZERO,
    };
    let (hub, ward, c1) = ("clinical".into(), "ward:7".into(), "c1".into());
    let fenced = [
        stores.groups.open_connection(opening).await.map(|_| ()),
        stores.groups.add_connection(&hub, &ward, &c1, &second).await,
        stores.groups.remove_connection(&hub, &ward, &c1, &second).await,
        stores.groups.end_connection(&hub, &c1, &second).await,
        stores.groups.restore(&second, vec![held("c1", None, &["ward:7"])]).await.map(|_| ()),
    ];
    assert!(fenced.iter().all(|result| matches!(result, Err(StoreError::Fenced))), "{fenced:?}");
    assert!(members(&stores, "ward:7").await.is_empty());
}

pub async fn a_node_restores_what_it_holds_before_or_after_it_was_swept(new: &NewStores) {
    for swept_before in [false, true] {
        let stores = new(SHORT);
        let (first, second) = (announce(&stores, "node-1").await, announce(&stores, "node-2").await);
        for id in ["c1", "c2"] {
            open(&stores, &second, id, Some("alice")).await;
            join(&stores, &second, id, "ward:7").await.expect("it is recorded");
        }
        wait_for_death(&stores, &second, &first).await;
        if swept_before {
            stores.nodes.sweep(&first, 10).await.expect("it is swept");
        }
        let anew = announce(&stores, "node-2").await;
        let restoring = vec![held("c1", Some("alice"), &["ward:7"])];
        let lost = stores.groups.restore(&anew, restoring).await.expect("it is restored").lost;
        assert!(lost.is_empty());
        stores.nodes.heartbeat(&first, NodeLoad::default()).await.expect("it lives");
        stores.nodes.sweep(&first, 10).await.expect("it is swept");
        assert_eq!(members(&stores, "ward:7").await, [Member::Connection("c1".into())].into());
        let owner = stores.groups.owner(&"clinical".into(), &"c1".into()).await.expect("it is read");
        assert_eq!(owner, Some(anew.clone()));
        join(&stores, &anew, "c1", "ward:8").await.expect("it is recorded");
        let alice = stores.groups.add_user(&"clinical".into(), &"g".into(), &"alice".into(), None).await;
        assert_eq!(alice.expect("it is recorded").nodes, ["node-2".into()]);
    }
}

pub async fn a_connection_that_another_node_has_meanwhile_is_not_restored(new: &NewStores) {
    let stores = new(SHORT);
    let (first, second) = (announce(&stores, "node-1").await, announce(&stores, "node-2").await);
    open(&stores, &second, "c1", None).await;
    wait_for_death(&stores, &second, &first).await;
    open(&stores, &first, "c1", None).await;
    let anew = announce(&stores, "node-2").await;
    let restoring = vec![held("c1", None, &["ward:7"]), held("c2", None, &["ward:7"])];
    let lost = stores.groups.restore(&anew, restoring).await.expect("it is restored").lost;
    assert_eq!(lost, [("clinical".into(), "c1".into())]);
    assert_eq!(members(&stores, "ward:7").await, [Member::Connection("c2".into())].into());
}

pub async fn a_restored_connection_is_opened_by_nobody_else_also_after_its_end(new: &NewStores) {
    let stores = new(LONG);
    let (first, second) = (announce(&stores, "node-1").await, announce(&stores, "node-2").await);
    // As if the record of it had been lost.
    let restoring = HeldConnection { claim: LONG, ..held("c1", None, &["ward:7"]) };
    for _ in 0..2 {
        let restored = stores.groups.restore(&first, vec![restoring.clone()]).await;
        assert!(restored.expect("it is restored").lost.is_empty());
    }
    let refused = open_for_long(&stores, &second, "c1").await;
    assert!(matches!(&refused, Err(StoreError::Claimed { by }) if by.as_str() == "node-1"), "{refused:?}");
    stores.groups.end_connection(&"clinical".into(), &"c1".into(), &first).await.expect("it is ended");
    let refused = open_for_long(&stores, &second, "c1").await;
    assert!(matches!(&refused, Err(StoreError::Claimed { by }) if by.as_str() == "node-1"), "{refused:?}");
}

pub async fn a_connection_whose_id_another_node_has_claimed_is_not_restored(new: &NewStores) {
    let stores = new(LONG);
    let (first, second) = (announce(&stores, "node-1").await, announce(&stores, "node-2").await);
    open_for_long(&stores, &second, "c1").await.expect("it is opened");
    stores.groups.end_connection(&"clinical".into(), &"c1".into(), &second).await.expect("it is ended");
    let restored = stores.groups.restore(&first, vec![held("c1", None, &["ward:7"])]).await;
    assert_eq!(restored.expect("it is restored").lost, [("clinical".into(), "c1".into())]);
    assert!(members(&stores, "ward:7").await.is_empty());
}

pub async fn restoring_is_bounded(new: &NewStores) {
    let stores = new(SHORT);
    let owner = announce(&stores, "node-1").await;
    let restoring = (0..=MAX_RESTORED_AT_ONCE).map(|number| held(&format!("c{number}"), None, &[])).collect();
    let refused = stores.groups.restore(&owner, restoring).await;
    assert!(matches!(refused, Err(StoreError::TooMany { .. })), "{refused:?}");
}
