//! Tests of a set of connections.

use std::collections::BTreeSet;

use super::*;
use crate::testing::{handle, handle_speaking};

fn handles(count: usize) -> Vec<Arc<ConnectionHandle>> {
    (0..count).map(|number| handle(&format!("c{number}"))).collect()
}

fn members_of(connections: &[Arc<ConnectionHandle>]) -> Arc<Members> {
    let members = Arc::new(Members::default());
    assert!(connections.iter().all(|connection| members.add(connection) == Added::New));
    members
}

/// Whom a walk visits, in its order.
fn visited(walk: Walk) -> Vec<String> {
    let mut ids = Vec::new();
    walk.visit(|connection| ids.push(connection.id.to_string()));
    ids
}

fn ids(members: &Arc<Members>) -> Vec<String> {
    visited(members.clone().walk())
}

#[test]
fn a_connection_is_added_once_and_removed_once() {
    let connection = handle("c0");
    let members = Arc::new(Members::default());
    assert_eq!(members.add(&connection), Added::New);
    assert_eq!(members.add(&connection), Added::Known);
    assert_eq!(ids(&members), ["c0"]);
    assert!(members.remove(connection.key));
    assert!(!members.remove(connection.key));
    assert!(ids(&members).is_empty());
}

#[test]
fn a_set_holds_what_was_added_and_not_removed_in_whatever_order() {
    for count in [100, 4 * PORTION] {
        let connections = handles(count);
        let (members, mut expected) = (Arc::new(Members::default()), BTreeSet::new());
        let mut random: u64 = 1;
        for _ in 0..50 * count {
            random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            let connection = &connections[(random >> 33) as usize % connections.len()];
            if random >> 63 == 0 {
                let is_new = expected.insert(connection.id.to_string());
                assert_eq!(members.add(connection) == Added::New, is_new);
            } else {
                assert_eq!(members.remove(connection.key), expected.remove(connection.id.as_str()));
            }
            if random.is_multiple_of(64) {
                let mut found = ids(&members);
                found.sort_unstable();
                assert!(found.iter().eq(&expected), "{found:?} is not {expected:?}");
            }
        }
        assert!(members.state.read().portions.len() <= count / PORTION + 1, "portions are filled again");
    }
}

#[test]
fn a_set_that_has_shrunk_far_frees_its_memory() {
    let connections = handles(2000);
    let members = members_of(&connections);
    for connection in &connections[10..] {
        members.remove(connection.key);
    }
    assert_eq!(ids(&members).len(), 10);
    let state = members.state.read();
    let capacity: usize = state.portions.iter().map(|portion| portion.0.read().capacity()).sum();
    assert!(capacity <= 2000 / PORTION * KEPT_MEMBERS + KEPT_MEMBERS, "{capacity}");
    assert!(state.places.capacity() <= 128, "{}", state.places.capacity());
}

#[test]
fn a_walk_lets_others_join_and_leave_and_visits_who_stays_once_and_who_has_left_no_more() {
    let connections = handles(3 * PORTION);
    let members = members_of(&connections);
    let (first, stays, last) = (&connections[0], &connections[1], &connections[3 * PORTION - 1]);
    let (mut begun, mut ids) = (false, Vec::new());
    members.clone().walk().visit(|connection| {
        ids.push(connection.id.to_string());
        // Once the walk is in the second portion, nobody who joins or leaves elsewhere waits for it.
        if !begun && ids.len() > PORTION {
            begun = true;
            members.remove(first.key);
            members.remove(last.key);
            // It fills a place that the walk has passed, and the next one comes into a portion that is ahead.
            assert_eq!(members.add(&handle("new")), Added::New);
            assert_eq!(members.add(first), Added::New);
        }
    });
    assert!(begun);
    assert!(!ids.contains(&last.id.to_string()) && !ids.contains(&"new".to_owned()));
    assert_eq!(ids.iter().filter(|id| **id == first.id.as_str() || **id == stays.id.as_str()).count(), 2);
    assert_eq!(ids.len(), 3 * PORTION - 1);
}

#[test]
fn a_walk_knows_before_it_visits_anybody_which_protocols_are_spoken() {
    let (json, message_pack) = (handle("c1"), handle_speaking("c2", Protocol::MessagePack));
    let members = members_of(&[json.clone(), message_pack.clone()]);
    let protocols = || members.clone().walk().protocols().collect::<Vec<_>>();
    assert_eq!(protocols(), Protocol::ALL);
    members.remove(json.key);
    assert_eq!(protocols(), [Protocol::MessagePack]);
    let walk = members.clone().walk();
    members.add(&json);
    assert_eq!(visited(walk), ["c2"], "one that joins meanwhile may speak what was not encoded");
}

#[test]
fn a_closed_set_takes_nobody_and_one_with_members_is_not_closed() {
    let connection = handle("c0");
    let members = members_of(std::slice::from_ref(&connection));
    assert!(!members.close_if_empty());
    members.remove(connection.key);
    assert!(members.close_if_empty());
    assert_eq!(members.add(&connection), Added::Closed);
}
