//! What is counted is what is held: messages that wait, memberships that are renewed.

use serde_json::json;

use crate::node::node;
use crate::waits::{assert_held, until};
use crate::wire::{Wire, watch};

/// Clients that do not read.
const SLOW: usize = 10;

/// Messages that are sent to each: 11 MB, of which the kernel takes 4.
const MESSAGES: usize = 10_000;

/// A length just above a power of two, which a growing buffer would double.
const MESSAGE_BYTES: usize = 1_060;

#[tokio::test]
async fn messages_that_wait_take_little_more_than_their_own_length() {
    let node = node();
    let mut watch = watch(&node, "/boundless").await;
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        slow.push(Wire::open(&node.client("/boundless").receive_buffer_bytes(4096)).await);
    }
    let before = node.resident_bytes();
    for wire in &slow {
        watch.result("Flood", json!([wire.id, MESSAGES, MESSAGE_BYTES])).await;
    }
    let counted = SLOW * MESSAGES * (MESSAGE_BYTES + 50);
    assert_eq!(watch.result("Ended", json!([])).await, 0, "they wait");
    assert_held("messages that wait", node.resident_bytes(), before, counted * 14 / 10);
}

#[tokio::test]
async fn a_membership_that_is_renewed_takes_the_memory_of_one() {
    /// Renewals, each for an hour.
    const RENEWALS: usize = 50_000;
    let node = node();
    let mut watch = watch(&node, "/hub").await;
    watch.result("Renew", json!(["alice", "g", 1_000])).await;
    let before = node.resident_bytes();
    watch.result("Renew", json!(["alice", "g", RENEWALS])).await;
    assert_held("renewals", node.resident_bytes(), before, 8 << 20);
}

#[tokio::test]
async fn memberships_of_many_groups_that_are_removed_leave_nothing() {
    /// Groups that a user is added to and removed from.
    const GROUPS: usize = 20_000;
    let node = node();
    let mut watch = watch(&node, "/hub").await;
    watch.result("AddAndRemove", json!(["alice", 1_000])).await;
    let before = node.resident_bytes();
    watch.result("AddAndRemove", json!(["alice", GROUPS])).await;
    assert_held("memberships that are removed", node.resident_bytes(), before, 8 << 20);
}

#[tokio::test]
async fn connections_that_come_and_go_leave_nothing() {
    /// Connections, each with a call that waits and a group.
    const CONNECTIONS: usize = 300;
    let node = node();
    let mut watch = watch(&node, "/quick").await;
    let mut ended = 0;
    let mut before = 0;
    for round in 0..3 {
        for number in 0..CONNECTIONS {
            let mut wire = Wire::open(&node.client("/quick")).await;
            wire.result("Join", json!([format!("g-{number}")])).await;
            drop(wire);
        }
        ended += CONNECTIONS;
        until("the ends", async || watch.result("Ended", json!([])).await == ended).await;
        if round == 0 {
            before = node.resident_bytes();
        }
    }
    assert_held("connections that have ended", node.resident_bytes(), before, 4 << 20);
}
