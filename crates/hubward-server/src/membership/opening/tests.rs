//! Tests of openings: who wins a token, and what is left of a connection that never opens.

use std::time::{Duration, SystemTime};

use hubward_backplane::{GroupStore, NodeRegistry, Topic};
use hubward_hub::{Hub, HubContext, HubOptions};
use hubward_testing::frame::{TEXT, masked};
use hubward_transport::{Claim, Claimed, OpeningConnection};
use serde_json::json;

use super::Opening;
use crate::claims::HubClaims;
use crate::testing::client::TestClient;
use crate::testing::cluster::TestNode;
use crate::testing::{pass, until_idle, user_handle};

const TOKEN_LIFE: Duration = Duration::from_secs(15);

fn hub() -> Hub {
    let join = async |cx: HubContext, group: String| cx.groups().add(group).await;
    Hub::new("hub").method("Echo", async |text: String| text).method("Join", join)
}

/// Claims a connection of alice at a node, as the transport does.
fn claim(
    node: &TestNode,
    id: &str,
) -> impl Future<Output = Result<Option<Claim>, Claimed>> + Send + Unpin + use<> {
    let claims = HubClaims::shared(&node.engine).expect("the node shares a store");
    let token_expires_at = SystemTime::now() + TOKEN_LIFE;
    claims.claim(OpeningConnection { id: id.into(), user: Some("alice".into()), token_expires_at })
}

async fn claimed(node: &TestNode, id: &str) -> Option<Claim> {
    claim(node, id).await.expect("nobody has claimed it")
}

/// Opens a connection of alice over a claim, and does the handshake.
async fn connect(node: &TestNode, id: &str, claim: Option<Claim>) -> TestClient {
    let mut client = TestClient::open_claimed(&node.engine, id, "alice", claim);
    client.handshake().await;
    client
}

async fn check_nothing_is_left(node: &TestNode, id: &str) {
    assert_eq!(node.store.inner.owner(&"hub".into(), &id.into()).await.unwrap(), None, "{id} has no record");
    assert_eq!(node.network.subscribers(&Topic::User("hub".into(), "alice".into())), 0);
    assert_eq!((node.engine.users.len(), node.engine.removals.len()), (0, 0));
    assert_eq!(node.engine.connection_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_opens_one_connection_on_one_of_all_nodes_also_after_its_end() {
    let (first, second) = TestNode::start_two(hub).await;
    for round in 0..20 {
        let id = format!("c{round}");
        for node in [&first, &second] {
            node.store.changing.set_yields(round % 3);
        }
        let (one, other) = tokio::join!(claim(&first, &id), claim(&second, &id));
        assert_ne!(one.is_ok(), other.is_ok(), "round {round}");
        let (winner, loser, won) =
            if one.is_ok() { (&first, &second, one) } else { (&second, &first, other) };
        let mut client = connect(winner, &id, won.unwrap()).await;
        assert_eq!(client.call("Echo", json!(["here"])).await["result"], "here");
        assert!(claim(loser, &id).await.is_err());
        pass(Duration::from_secs(1)).await;
        let owner = loser.store.owner(&"hub".into(), &id.as_str().into()).await.unwrap();
        assert_eq!(owner, Some(winner.engine.context.owner()), "the loser takes nothing away");
        drop(client);
        pass(Duration::from_secs(1)).await;
        check_nothing_is_left(winner, &id).await;
        check_nothing_is_left(loser, &id).await;
        assert!(claim(loser, &id).await.is_err() && claim(winner, &id).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn opening_a_connection_is_one_call_of_the_store() {
    let (node, other) = TestNode::start_two(hub).await;
    other.engine.handle().groups().add_user("alice", "ward", None).await.unwrap();
    let claim = claimed(&node, "c1").await;
    node.store.changing.set_failing(true);
    node.store.querying.set_failing(true);
    let mut client = connect(&node, "c1", claim).await;
    other.engine.handle().clients().group("ward").send("Round", ()).await.unwrap();
    assert_eq!(client.message().await["target"], "Round");
    other.engine.handle().clients().user("alice").send("Hello", ()).await.unwrap();
    assert_eq!(client.message().await["target"], "Hello");
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_dropped_at_any_await_leaves_nothing() {
    let (node, other) = TestNode::start_two(hub).await;
    for slow_store in [true, false] {
        node.store.changing.set_yields(if slow_store { 3 } else { 0 });
        node.backplane.subscribing.set_yields(if slow_store { 0 } else { 3 });
        for polls in 0..6 {
            let id = format!("c{slow_store}{polls}");
            let mut claiming = claim(&node, &id);
            for _ in 0..polls {
                if futures_util::poll!(&mut claiming).is_ready() {
                    break;
                }
            }
            drop(claiming);
            pass(Duration::from_secs(10)).await;
            check_nothing_is_left(&node, &id).await;
        }
    }
    node.store.changing.set_yields(0);
    let unopened = claimed(&node, "c").await;
    assert!(node.store.owner(&"hub".into(), &"c".into()).await.unwrap().is_some());
    drop(unopened);
    pass(Duration::from_secs(10)).await;
    check_nothing_is_left(&node, "c").await;
    assert!(claim(&other, "c").await.is_err(), "its token was used");
}

#[tokio::test(start_paused = true)]
async fn claims_that_are_dropped_are_removed_at_once_and_side_by_side() {
    let node = TestNode::start(hub()).await;
    let mut unopened = Vec::new();
    for number in 0..1000 {
        unopened.push(claimed(&node, &format!("c{number}")).await);
    }
    drop(unopened);
    until_idle().await;
    for number in 0..1000 {
        check_nothing_is_left(&node, &format!("c{number}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_claim_is_removed_though_the_store_did_not_answer_at_first() {
    let node = TestNode::start(hub()).await;
    let unopened = claimed(&node, "c1").await;
    node.store.changing.hold();
    drop(unopened);
    pass(Duration::from_secs(60)).await;
    assert!(node.store.inner.owner(&"hub".into(), &"c1".into()).await.unwrap().is_some());
    node.store.changing.release();
    pass(Duration::from_secs(60)).await;
    check_nothing_is_left(&node, "c1").await;
}

#[test]
fn a_claim_that_is_dropped_after_its_runtime_harms_nobody() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (node, unopened) = runtime.block_on(async {
        let node = TestNode::start(hub()).await;
        let unopened = claimed(&node, "c1").await;
        (node, unopened)
    });
    drop(runtime);
    drop((unopened, node));
}

#[tokio::test(start_paused = true)]
async fn what_a_dropped_claim_left_is_removed_when_the_store_can_be_reached_again() {
    let node = TestNode::start(hub()).await;
    let unopened = claimed(&node, "c1").await;
    node.store.changing.set_failing(true);
    drop(unopened);
    pass(Duration::from_secs(60)).await;
    assert!(node.store.owner(&"hub".into(), &"c1".into()).await.unwrap().is_some());
    node.store.changing.set_failing(false);
    pass(Duration::from_secs(60)).await;
    check_nothing_is_left(&node, "c1").await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_handshake_never_comes_or_fails_leaves_no_record() {
    let node = TestNode::start(hub()).await;
    let silent = TestClient::open_claimed(&node.engine, "c1", "alice", claimed(&node, "c1").await);
    let gone = TestClient::open_claimed(&node.engine, "c2", "alice", claimed(&node, "c2").await);
    let mut wrong = TestClient::open_claimed(&node.engine, "c3", "alice", claimed(&node, "c3").await);
    wrong.write(&masked(TEXT, b"{\"protocol\":\"none\",\"version\":1}\x1e")).await;
    drop(gone);
    until_idle().await;
    assert!(node.store.owner(&"hub".into(), &"c1".into()).await.unwrap().is_some());
    pass(HubOptions::default().handshake_timeout + Duration::from_secs(10)).await;
    for id in ["c1", "c2", "c3"] {
        check_nothing_is_left(&node, id).await;
    }
    drop((silent, wrong));
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_user_between_claim_and_handshake_is_not_missed() {
    let (node, other) = TestNode::start_two(hub).await;
    let groups = other.engine.handle();
    let groups = groups.groups();
    groups.add_user("alice", "left", None).await.unwrap();
    groups.add_user("alice", "expired", Some(Duration::from_secs(3))).await.unwrap();
    let claim = claimed(&node, "c1").await;
    groups.add_user("alice", "joined", None).await.unwrap();
    groups.remove_user("alice", "left").await.unwrap();
    pass(Duration::from_secs(4)).await;
    let _client = connect(&node, "c1", claim).await;
    until_idle().await;
    assert_eq!(node.delivered_to("joined"), ["c1"]);
    assert!(node.delivered_to("left").is_empty() && node.delivered_to("expired").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_membership_that_expires_between_claim_and_handshake_is_not_delivered() {
    let node = TestNode::start(hub()).await;
    let (hub, alice) = ("hub".into(), "alice".into());
    node.store.add_user(&hub, &"short".into(), &alice, Some(Duration::from_secs(3))).await.unwrap();
    node.store.add_user(&hub, &"long".into(), &alice, Some(Duration::from_secs(30))).await.unwrap();
    let opening = Opening::begin(&node.engine, "c1".into(), Some(alice), None).await.ok().unwrap();
    pass(Duration::from_secs(4)).await;
    let (outcome, _) = opening.hand_over(&user_handle("c1", "alice"));
    let groups: Vec<_> = outcome.groups.unwrap().into_iter().map(|(group, _)| group).collect();
    assert_eq!(groups, ["long".into()]);
}

#[tokio::test(start_paused = true)]
async fn what_a_gap_hides_between_claim_and_handshake_is_read_again() {
    let (node, other) = TestNode::start_two(hub).await;
    other.engine.handle().groups().add_user("alice", "left", None).await.unwrap();
    let claim = claimed(&node, "c1").await;
    node.network.interrupt(node.node.id());
    // Nobody can notify the node.
    node.store.inner.remove_user(&"hub".into(), &"left".into(), &"alice".into()).await.unwrap();
    node.network.resume(node.node.id());
    until_idle().await;
    let _client = connect(&node, "c1", claim).await;
    until_idle().await;
    assert!(node.delivered_to("left").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_or_does_not_answer_refuses_no_connection() {
    let (node, other) = TestNode::start_two(hub).await;
    let begun = tokio::time::Instant::now();
    node.store.changing.set_failing(true);
    let mut failed = connect(&node, "c1", claimed(&node, "c1").await).await;
    node.store.changing.set_failing(false);
    node.store.changing.hold();
    let mut slow = connect(&node, "c2", claimed(&node, "c2").await).await;
    for client in [&mut failed, &mut slow] {
        assert_eq!(client.call("Echo", json!(["here"])).await["result"], "here");
    }
    assert!(begun.elapsed() < Duration::from_secs(11), "{:?}", begun.elapsed());
    node.store.changing.release();
    pass(Duration::from_secs(30)).await;
    for id in ["c1", "c2"] {
        let owner = other.store.owner(&"hub".into(), &id.into()).await.unwrap();
        assert_eq!(owner, Some(node.engine.context.owner()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_accepts_nobody_in_an_outage_closes_after_the_handshake_and_leaves_no_record() {
    let options = HubOptions { accept_during_outage: false, ..HubOptions::default() };
    let node = TestNode::start(hub().options(options)).await;
    node.store.changing.set_losing_replies(true);
    let mut client = connect(&node, "c1", claimed(&node, "c1").await).await;
    let close = json!({ "type": 7, "error": "Connection closed with an error.", "allowReconnect": true });
    client.expect_close(close).await;
    node.store.changing.set_losing_replies(false);
    drop(client);
    pass(Duration::from_secs(60)).await;
    check_nothing_is_left(&node, "c1").await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_claimed_in_an_earlier_life_of_its_node_is_recorded_in_the_present_one() {
    let node = TestNode::start(hub()).await;
    let claim = claimed(&node, "c1").await;
    node.store.inner.withdraw(&node.engine.context.owner()).await.unwrap();
    pass(Duration::from_secs(10)).await;
    let owner = node.engine.context.owner();
    let mut client = connect(&node, "c1", claim).await;
    pass(Duration::from_secs(10)).await;
    assert_eq!(node.store.owner(&"hub".into(), &"c1".into()).await.unwrap(), Some(owner));
    assert!(client.call("Join", json!(["ward"])).await.get("error").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_is_logged_and_the_connection_is_refused_by_its_hub() {
    let node = TestNode::start(hub()).await;
    node.store.changing.set_panicking(true);
    let mut client = connect(&node, "c1", claimed(&node, "c1").await).await;
    client.expect_close(json!({ "type": 7, "error": "Connection closed with an error." })).await;
}
