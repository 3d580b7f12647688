//! What a dead node left is removed by its survivors.

use std::collections::HashSet;
use std::time::Duration;

use super::lives::{SHORT, wait_for_death};
use crate::conformance::stores::{LONG, NewStores, Stores, announce};
use crate::conformance::wait::eventually;
use crate::group_store::{Member, OpenConnection, StoreError};
use crate::node_registry::{NodeLoad, RegistryError};
use crate::owner::Owner;

pub(super) async fn open(stores: &Stores, owner: &Owner, connection: &str, user: Option<&str>) {
    let opening = OpenConnection {
        hub: "clinical".into(),
        connection: connection.into(),
        user: user.map(Into::into),
        owner: owner.clone(),
        claim: Duration::ZERO,
    };
    stores.groups.open_connection(opening).await.expect("it is opened");
}

pub(super) async fn join(
    stores: &Stores,
    owner: &Owner,
    connection: &str,
    group: &str,
) -> Result<(), StoreError> {
    stores.groups.add_connection(&"clinical".into(), &group.into(), &connection.into(), owner).await
}

pub(super) async fn members(stores: &Stores, group: &str) -> HashSet<Member> {
    let page = stores.groups.members(&"clinical".into(), &group.into(), None, 1_000).await;
    page.expect("it is read").members.into_iter().collect()
}

pub async fn the_connections_of_a_dead_node_are_swept_and_no_others(new: &NewStores) {
    let stores = new(SHORT);
    let (first, second) = (announce(&stores, "node-1").await, announce(&stores, "node-2").await);
    for number in 0..20 {
        let owner = if number % 2 == 0 { &first } else { &second };
        open(&stores, owner, &format!("c{number}"), Some("alice")).await;
        join(&stores, owner, &format!("c{number}"), "ward:7").await.expect("it is recorded");
        stores.nodes.heartbeat(&second, NodeLoad::default()).await.expect("it lives");
    }
    stores
        .groups
        .add_user(&"clinical".into(), &"ward:7".into(), &"bob".into(), None)
        .await
        .expect("recorded");
    wait_for_death(&stores, &second, &first).await;
    // Nobody waits for a dead node, nor sends anything to its connections.
    let alice = stores.groups.add_user(&"clinical".into(), &"g".into(), &"alice".into(), None).await;
    assert_eq!(alice.expect("it is recorded").nodes, ["node-1".into()]);
    let owner =
        async |id: &str| stores.groups.owner(&"clinical".into(), &id.into()).await.expect("it is read");
    assert_eq!((owner("c0").await, owner("c1").await), (Some(first.clone()), None));
    let swept = stores.nodes.sweep(&first, 1_000).await.expect("it is swept");
    assert_eq!((swept.removed, swept.finished), (10, true));
    let left = members(&stores, "ward:7").await;
    let expected = (0..20).step_by(2).map(|number| Member::Connection(format!("c{number}").into()));
    assert_eq!(left, expected.chain([Member::User("bob".into())]).collect());
}

pub async fn a_sweep_goes_in_bounded_steps(new: &NewStores) {
    let stores = new(SHORT);
    let (first, second) = (announce(&stores, "node-1").await, announce(&stores, "node-2").await);
    for number in 0..10 {
        open(&stores, &second, &format!("c{number}"), None).await;
    }
    wait_for_death(&stores, &second, &first).await;
    let mut removed = Vec::new();
    loop {
        let step = stores.nodes.sweep(&first, 4).await.expect("it is swept");
        assert!(step.removed <= 4, "a step of four removed {}", step.removed);
        removed.push(step.removed);
        if step.finished {
            break;
        }
    }
    assert_eq!(removed.iter().sum::<usize>(), 10, "{removed:?}");
}

pub async fn one_survivor_sweeps_at_a_time(new: &NewStores) {
    let stores = new(SHORT);
    let (first, second) = (announce(&stores, "node-1").await, announce(&stores, "node-2").await);
    let dying = announce(&stores, "node-3").await;
    for number in 0..10 {
        open(&stores, &dying, &format!("c{number}"), None).await;
    }
    let both_live = async || {
        stores.nodes.heartbeat(&first, NodeLoad::default()).await.expect("it lives");
        stores.nodes.heartbeat(&second, NodeLoad::default()).await.expect("it lives");
    };
    eventually("the node counts as dead", async || {
        both_live().await;
        stores.nodes.list().await.expect("it is read").len() == 2
    })
    .await;
    assert_eq!(stores.nodes.sweep(&first, 4).await.expect("it is swept").removed, 4);
    let other = stores.nodes.sweep(&second, 4).await.expect("it is swept");
    assert_eq!((other.removed, other.finished), (0, true), "another sweeps it");
    // A sweeper that goes no further is relieved.
    eventually("the other takes over", async || {
        both_live().await;
        stores.nodes.sweep(&second, 4).await.expect("it is swept").removed > 0
    })
    .await;
}

pub async fn what_a_node_that_left_still_held_is_swept(new: &NewStores) {
    let stores = new(LONG);
    let (first, second) = (announce(&stores, "node-1").await, announce(&stores, "node-2").await);
    open(&stores, &second, "c1", None).await;
    join(&stores, &second, "c1", "ward:7").await.expect("it is recorded");
    stores.nodes.withdraw(&second).await.expect("it is recorded");
    let swept = stores.nodes.sweep(&first, 10).await.expect("it is swept");
    assert_eq!((swept.removed, swept.finished), (1, true));
    assert!(members(&stores, "ward:7").await.is_empty());
    let refused = stores.nodes.sweep(&second, 10).await;
    assert!(matches!(refused, Err(RegistryError::Fenced)), "{refused:?}");
}
