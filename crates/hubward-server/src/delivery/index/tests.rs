//! Tests of the index.

use super::*;
use crate::testing::{handle, user_handle};

/// Whom a walk visits, in the order of their ids.
fn visited(walk: impl FnOnce(&mut dyn FnMut(&Arc<ConnectionHandle>))) -> Vec<String> {
    let mut ids = Vec::new();
    walk(&mut |connection| ids.push(connection.id.to_string()));
    ids.sort();
    ids
}

fn all(index: &Index) -> Vec<String> {
    visited(|visit| index.for_all(visit))
}

fn group(index: &Index, name: &str) -> Vec<String> {
    visited(|visit| index.for_group(&name.into(), visit))
}

fn user(index: &Index, name: &str) -> Vec<String> {
    visited(|visit| index.for_user(&name.into(), visit))
}

fn join(index: &Index, connection: &Arc<ConnectionHandle>, group: &str) -> bool {
    index.join(&group.into(), connection)
}

#[test]
fn a_connection_is_found_by_its_id_among_all_and_by_its_user() {
    let (alice, anonymous) = (user_handle("c1", "alice"), handle("c2"));
    let index = Index::new();
    index.add(&alice);
    index.add(&anonymous);
    assert_eq!(index.connection(&"c1".into()).unwrap().key, alice.key);
    assert!(index.connection(&"c3".into()).is_none());
    assert_eq!(all(&index), ["c1", "c2"]);
    assert_eq!(user(&index, "alice"), ["c1"]);
    assert!(user(&index, "bob").is_empty());
    assert_eq!(index.len(), 2);
}

#[test]
fn a_walk_of_all_visits_each_connection_once_whatever_its_shard() {
    let index = Index::new();
    let connections: Vec<_> = (10..10 + 3 * SHARDS).map(|number| handle(&format!("c{number}"))).collect();
    connections.iter().for_each(|connection| index.add(connection));
    let expected: Vec<_> = connections.iter().map(|connection| connection.id.to_string()).collect();
    assert_eq!(all(&index), expected);
}

#[test]
fn a_connection_joins_and_leaves_a_group_once_and_no_other_group() {
    let connection = handle("c1");
    let index = Index::new();
    index.add(&connection);
    assert!(join(&index, &connection, "ward"));
    assert!(join(&index, &connection, "lab"));
    assert!(!index.join(&"ward".into(), &connection));
    assert_eq!(group(&index, "ward"), ["c1"]);
    assert!(index.leave(&"ward".into(), &connection));
    assert!(!index.leave(&"ward".into(), &connection));
    assert!(group(&index, "ward").is_empty());
    assert_eq!(group(&index, "lab"), ["c1"]);
}

#[test]
fn a_removed_connection_is_in_nothing_any_more_and_the_others_stay() {
    let (first, second) = (user_handle("c1", "alice"), user_handle("c2", "alice"));
    let index = Index::new();
    for connection in [&first, &second] {
        index.add(connection);
        join(&index, connection, "ward");
    }
    index.leave(&"ward".into(), &first);
    index.remove(&first);
    assert!(index.connection(&"c1".into()).is_none());
    assert_eq!(all(&index), ["c2"]);
    assert_eq!(user(&index, "alice"), ["c2"]);
    assert_eq!(group(&index, "ward"), ["c2"]);
}

#[test]
fn the_end_of_an_older_connection_does_not_remove_a_newer_one_of_the_same_id() {
    let (older, newer) = (user_handle("c1", "alice"), user_handle("c1", "alice"));
    let index = Index::new();
    index.add(&older);
    index.add(&newer);
    index.remove(&older);
    assert_eq!(index.connection(&"c1".into()).unwrap().key, newer.key);
    assert_eq!(all(&index), ["c1"]);
    assert_eq!(user(&index, "alice"), ["c1"]);
}

#[test]
fn a_group_or_user_that_nobody_is_in_leaves_nothing_behind() {
    let connection = user_handle("c1", "alice");
    let index = Index::new();
    index.add(&connection);
    join(&index, &connection, "ward");
    join(&index, &connection, "lab");
    index.leave(&"lab".into(), &connection);
    assert_eq!((index.groups.0.len(), index.users.0.len()), (1, 1));
    index.leave(&"ward".into(), &connection);
    index.remove(&connection);
    assert_eq!((index.groups.0.len(), index.users.0.len()), (0, 0));
}
