//! Who is online: users, and their connections.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::hub_store::HubStore;
use crate::conformance::stores::{LONG, NewStores};
use crate::group_store::{Cursor, MAX_PAGE_MEMBERS, StoreError};

/// Opens connections of a user to a node.
async fn open(store: &HubStore, node: &str, user: &str, ids: impl IntoIterator<Item = String>) {
    let opening = ids.into_iter().map(async |id| {
        store.open(node, &id, Some(user), LONG).await.expect("it is opened");
    });
    join_all(opening).await;
}

/// Lists in pages of `limit`, does something between the pages, and counts how often each name was listed.
async fn list<T: ToString>(
    limit: usize,
    page: impl AsyncFn(Option<Cursor>) -> (Vec<T>, Option<Cursor>),
    between: impl AsyncFn(usize),
) -> BTreeMap<String, usize> {
    let (mut listed, mut cursor) = (BTreeMap::new(), None);
    for step in 0.. {
        let (names, next) = page(cursor).await;
        assert!(names.len() <= limit, "{} names on a page of {limit}", names.len());
        for name in names {
            *listed.entry(name.to_string()).or_default() += 1;
        }
        // As a caller does that has handed the cursor to somebody else and got it back as a string.
        cursor = next.map(|next| Cursor::new(next.as_str()));
        if cursor.is_none() {
            break;
        }
        assert!(step < 100_000, "the listing ends");
        between(step).await;
    }
    listed
}

pub async fn a_user_is_online_from_its_first_connection_until_the_end_of_its_last(new: &NewStores) {
    let store = HubStore::new(new);
    assert!(!store.is_online("alice").await && store.nodes_of("alice").await.is_empty());
    assert!(store.online().await.is_empty() && store.connections_of("alice").await.is_empty());
    open(&store, "node-1", "alice", ["c1".into()]).await;
    open(&store, "node-2", "alice", ["c2".into(), "c3".into()]).await;
    open(&store, "node-2", "bob", ["b1".into()]).await;
    store.join("ward:7", "nobodys").await;
    store.add_user("ward:7", "carol", None).await;
    assert_eq!(store.online().await, ["alice", "bob"]);
    assert_eq!(store.connections_of("alice").await, ["c1", "c2", "c3"]);
    assert_eq!(store.nodes_of("alice").await, ["node-1", "node-2"]);
    assert!(store.is_online("alice").await && !store.is_online("carol").await);
    store.end_on("node-2", "c2").await;
    assert_eq!(store.nodes_of("alice").await, ["node-1", "node-2"]);
    store.end_on("node-2", "c3").await;
    assert_eq!(store.connections_of("alice").await, ["c1"]);
    assert_eq!(store.nodes_of("alice").await, ["node-1"]);
    assert!(store.is_online("alice").await);
    store.end("c1").await;
    assert!(!store.is_online("alice").await && store.connections_of("alice").await.is_empty());
    assert_eq!(store.online().await, ["bob"]);
}

pub async fn an_opening_that_is_repeated_or_refused_counts_once(new: &NewStores) {
    let store = HubStore::new(new);
    for _ in 0..2 {
        open(&store, "node-1", "alice", ["c1".into()]).await;
    }
    let refused = store.open("node-2", "c1", Some("bob"), LONG).await;
    assert!(matches!(refused, Err(StoreError::Claimed { .. })), "{refused:?}");
    assert_eq!(store.connections_of("alice").await, ["c1"]);
    assert!(!store.is_online("bob").await && store.nodes_of("bob").await.is_empty());
    // What comes late from another node ends nothing.
    store.end_on("node-2", "c1").await;
    assert!(store.is_online("alice").await);
    store.end("c1").await;
    assert!(store.online().await.is_empty());
}

pub async fn hubs_have_their_own_users(new: &NewStores) {
    let store = HubStore::new(new);
    let billing = store.of_hub("billing");
    open(&store, "node-1", "alice", ["c1".into()]).await;
    open(&billing, "node-2", "bob", ["c1".into()]).await;
    assert_eq!((store.online().await, billing.online().await), (vec!["alice".into()], vec!["bob".into()]));
    assert!(!store.is_online("bob").await && billing.connections_of("alice").await.is_empty());
    assert_eq!(billing.nodes_of("bob").await, ["node-2"]);
    assert!(billing.nodes_of("alice").await.is_empty());
}

pub async fn users_that_look_alike_stay_apart(new: &NewStores) {
    let store = HubStore::new(new);
    let names = ["", " ", "a", "A", "a:b", "{a}", "*", "[a]", "a\0", "é", "e\u{301}", "病棟", "ua", "ca"];
    for name in names {
        open(&store, "node-1", name, [format!("c-{name}")]).await;
    }
    for name in names {
        assert_eq!(store.connections_of(name).await, [format!("c-{name}")]);
    }
    let listed = list(
        3,
        async |cursor| {
            let page = store.users_page(cursor, 3).await;
            (page.users, page.next)
        },
        async |_| (),
    )
    .await;
    assert_eq!(listed, names.into_iter().map(|name| (name.to_owned(), 1)).collect());
}

pub async fn a_page_of_users_or_connections_has_no_more_than_the_limit_or_the_maximum(new: &NewStores) {
    let store = HubStore::new(new);
    open(&store, "node-1", "alice", (0..=MAX_PAGE_MEMBERS).map(|number| format!("c{number}"))).await;
    for number in 0..=MAX_PAGE_MEMBERS {
        open(&store, "node-1", &format!("u{number}"), [format!("u{number}")]).await;
    }
    for (limit, most) in [(0, 1), (1, 1), (7, 7), (usize::MAX, MAX_PAGE_MEMBERS)] {
        let users = store.users_page(None, limit).await;
        assert!(users.users.len() <= most && users.next.is_some(), "a limit of {limit}");
        let connections = store.connections_page("alice", None, limit).await;
        assert!(connections.connections.len() <= most && connections.next.is_some(), "a limit of {limit}");
    }
    assert_eq!(store.online().await.len(), MAX_PAGE_MEMBERS + 2);
    assert_eq!(store.connections_of("alice").await.len(), MAX_PAGE_MEMBERS + 1);
}

pub async fn a_user_that_stays_online_is_listed_once_while_others_come_and_go(new: &NewStores) {
    let store = HubStore::new(new);
    for number in 0..100 {
        open(&store, "node-1", &format!("stays{number}"), [format!("s{number}")]).await;
        open(&store, "node-1", &format!("goes{number}"), [format!("g{number}")]).await;
    }
    let page = async |cursor| {
        let page = store.users_page(cursor, 10).await;
        (page.users, page.next)
    };
    let listed = list(10, page, async |step| {
        for number in step * 10..step * 10 + 10 {
            store.end(&format!("g{}", 99_usize.saturating_sub(number))).await;
            open(&store, "node-1", &format!("comes{number}"), [format!("n{number}")]).await;
            open(&store, "node-1", &format!("a{number}"), [format!("a{number}")]).await;
            // A user that has one more connection, or one less, stays online.
            let stays = format!("stays{}", number % 100);
            open(&store, "node-1", &stays, [format!("more{number}")]).await;
            if number % 2 == 0 {
                store.end(&format!("s{}", number % 100)).await;
            }
        }
    });
    let listed = listed.await;
    for number in 0..100 {
        assert_eq!(listed.get(&format!("stays{number}")), Some(&1), "stays{number}");
    }
}

pub async fn a_connection_that_stays_is_listed_once_while_others_come_and_go(new: &NewStores) {
    let store = HubStore::new(new);
    open(&store, "node-1", "alice", (0..100).map(|number| format!("stays{number}"))).await;
    open(&store, "node-1", "alice", (0..100).map(|number| format!("goes{number}"))).await;
    let page = async |cursor| {
        let page = store.connections_page("alice", cursor, 10).await;
        (page.connections, page.next)
    };
    let listed = list(10, page, async |step| {
        for number in step * 10..step * 10 + 10 {
            store.end(&format!("goes{}", 99_usize.saturating_sub(number))).await;
            open(&store, "node-1", "alice", [format!("comes{number}"), format!("a{number}")]).await;
        }
    });
    let listed = listed.await;
    for number in 0..100 {
        assert_eq!(listed.get(&format!("stays{number}")), Some(&1), "stays{number}");
    }
}

pub async fn a_string_that_is_not_a_cursor_is_refused(new: &NewStores) {
    let store = HubStore::new(new);
    open(&store, "node-1", "alice", ["c1".into()]).await;
    for cursor in ["", "\0", "-1", "nonsense", "18446744073709551616"] {
        let (hub, given) = ("clinical".into(), || Some(Cursor::new(cursor)));
        let users = store.inner.users_online(&hub, given(), 10).await;
        assert!(matches!(users, Err(StoreError::InvalidCursor)), "{cursor:?} gave {users:?}");
        let connections = store.inner.connections_of_user(&hub, &"alice".into(), given(), 10).await;
        assert!(matches!(connections, Err(StoreError::InvalidCursor)), "{cursor:?} gave {connections:?}");
    }
}
