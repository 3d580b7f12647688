//! What becomes of a session that was taken: taken back, let go, or left without a decision, and what happens meanwhile.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_session_that_is_taken_back_goes_on_as_if_nothing_had_happened() {
    let moving = Moving::new();
    let (mut client, _) = moving.connect().await;
    client.call("Join", json!(["ward"])).await;
    let taken = moving.here.take("c1", SECOND).await.unwrap();
    for number in 1..=3 {
        send(&moving.here, "ward", number).await;
    }
    client.invoke("late", "Add", json!([1, 2])).await;
    // Longer than any deadline of a session: none runs meanwhile.
    pass(Duration::from_secs(600)).await;
    taken.take_back();
    for number in 1..=3 {
        assert_eq!(number_of(&client.message().await), Some(number));
    }
    assert_eq!(client.message().await, completion("late", 3));
    until_idle().await;
    assert_eq!(moving.journal.take(), [""; 0]);
    moving.here.take("c1", SECOND).await.unwrap().take_back();
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_decides_about_closes_with_leave_to_reconnect() {
    let moving = Moving::new();
    let (mut client, _) = moving.connect().await;
    client.call("Join", json!(["ward"])).await;
    let taken = moving.here.take("c1", SECOND).await.unwrap();
    send(&moving.here, "ward", 1).await;
    drop(taken);
    assert_eq!(number_of(&client.message().await), Some(1), "what waited is sent before");
    client.expect_close(json!({ "type": 7, "allowReconnect": true })).await;
    drop(client);
    until_ended(&moving.here.engine).await;
    assert_eq!(moving.journal.take(), ["disconnected"]);
}

#[tokio::test(start_paused = true)]
async fn a_taker_that_goes_before_it_has_the_session_leaves_the_connection_as_it_was() {
    let moving = Moving::new();
    let (mut client, _) = moving.connect().await;
    client.invoke("held", "Held", json!([])).await;
    until_idle().await;
    let handle = moving.here.handle("c1");
    let mut taking = Box::pin(take(&handle, Instant::now() + 60 * SECOND));
    assert!(futures_util::poll!(taking.as_mut()).is_pending());
    until_idle().await;
    drop(taking);
    moving.go_on.add_permits(1);
    assert_eq!(client.message().await, completion("held", 7));
    assert_eq!(client.call("Add", json!([1, 2])).await, completion("call", 3));
    // It goes while the session is on its way.
    let mut taking = Box::pin(take(&handle, Instant::now() + 60 * SECOND));
    assert!(futures_util::poll!(taking.as_mut()).is_pending());
    until_idle().await;
    drop(taking);
    assert_eq!(client.call("Add", json!([1, 2])).await, completion("call", 3));
}

#[tokio::test(start_paused = true)]
async fn a_session_is_taken_once() {
    let moving = Moving::new();
    let (_client, _) = moving.connect().await;
    let handle = moving.here.handle("c1");
    let taken = moving.here.take("c1", SECOND).await.unwrap();
    assert_eq!(moving.here.take("c1", SECOND).await.err(), Some(CannotMove::Moving));
    taken.let_go("node-2".into()).await;
    assert_eq!(take(&handle, Instant::now() + SECOND).await.err(), Some(CannotMove::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_close_that_comes_while_a_session_is_taken_waits_for_the_decision() {
    let moving = Moving::new();
    let (mut client, _) = moving.connect().await;
    let taken = moving.here.take("c1", SECOND).await.unwrap();
    moving.here.handle("c1").close(CloseReason::Shutdown);
    until_idle().await;
    taken.take_back();
    client.expect_close(json!({ "type": 7, "allowReconnect": true })).await;

    let (mut client, _) = moving.here.connect("c2", Principal::anonymous()).await;
    until_idle().await;
    let taken = moving.here.take("c2", SECOND).await.unwrap();
    moving.here.handle("c2").close(CloseReason::Shutdown);
    taken.let_go("node-2".into()).await;
    assert_eq!(client.next().await, Next::Lost, "the other node has it");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_comes_back_while_its_session_is_taken_is_served_by_whoever_has_it() {
    let moving = Moving::new();
    let (mut client, resumption) = moving.connect().await;
    let taken = moving.here.take("c1", SECOND).await.unwrap();
    client.cut();
    let mut client = resume(&moving.here, &resumption, 0, 0).await;
    until_idle().await;
    assert_eq!(moving.journal.take(), [""; 0]);
    taken.take_back();
    assert_eq!(client.message().await, json!({ "type": 9, "sequenceId": 1 }));
    until_idle().await;
    assert_eq!(moving.journal.take(), ["resumed"]);

    let taken = moving.here.take("c1", SECOND).await.unwrap();
    client.cut();
    let mut client = resume(&moving.here, &resumption, 0, 0).await;
    let there = moving.there.adopt(taken.state()).await.unwrap();
    taken.let_go("node-2".into()).await;
    assert_eq!(client.next().await, Next::Lost);
    let mut client = resume(&moving.there, &there, 0, 0).await;
    assert_eq!(client.message().await, json!({ "type": 9, "sequenceId": 1 }));
    assert!(moving.here.register("c1").is_some(), "its place says that it has moved");
}
