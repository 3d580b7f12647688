//! Tests of the claims of raw handlers; those of hubs are tested with what they open.

use std::time::SystemTime;

use hubward_backplane::GroupStore;
use hubward_hub::Hub;

use super::*;
use crate::testing::cluster::TestNode;
use crate::testing::{engine, pass};

async fn claim(node: &TestNode, id: &str) -> Result<(), Claimed> {
    let claims = RawClaims::shared(&node.engine.context, "/raw".into()).expect("the node shares a store");
    let token_expires_at = SystemTime::now() + Duration::from_secs(15);
    let opening = OpeningConnection { id: id.into(), user: Some("alice".into()), token_expires_at };
    claims.claim(opening).await.map(|_| ())
}

async fn has_record(node: &TestNode, id: &str) -> bool {
    node.store.inner.owner(&"/raw".into(), &id.into()).await.unwrap().is_some()
}

#[tokio::test(start_paused = true)]
async fn a_token_opens_one_raw_connection_on_one_of_all_nodes_and_leaves_no_record() {
    let (first, second) = TestNode::start_two(|| Hub::new("hub")).await;
    let (one, other) = tokio::join!(claim(&first, "c1"), claim(&second, "c1"));
    assert_ne!(one.is_ok(), other.is_ok());
    pass(Duration::from_secs(1)).await;
    assert!(!has_record(&first, "c1").await);
    assert!(claim(&first, "c1").await.is_err() && claim(&second, "c1").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_raw_connection_opens_in_an_outage_and_whatever_becomes_of_its_client() {
    let node = TestNode::start(Hub::new("hub")).await;
    node.store.changing.set_losing_replies(true);
    assert_eq!(claim(&node, "c1").await, Ok(()));
    node.store.changing.set_losing_replies(false);
    node.store.changing.set_yields(2);
    let mut leaving = Box::pin(claim(&node, "c2"));
    assert!(futures_util::poll!(&mut leaving).is_pending());
    drop(leaving);
    pass(Duration::from_secs(10)).await;
    assert!(!has_record(&node, "c1").await && !has_record(&node, "c2").await);
    assert!(claim(&node, "c2").await.is_err(), "its token was used");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_refuses_no_raw_connection() {
    let node = TestNode::start(Hub::new("hub")).await;
    node.store.changing.set_panicking(true);
    assert_eq!(claim(&node, "c1").await, Ok(()));
}

#[tokio::test]
async fn a_lone_node_asks_nobody() {
    let engine = engine(Hub::new("hub"));
    assert!(
        RawClaims::shared(&engine.context, "/raw".into()).is_none() && HubClaims::shared(&engine).is_none()
    );
}
