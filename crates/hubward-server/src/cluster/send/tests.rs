//! Tests of messages to connections of another node, in paused time.

use hubward_hub::Hub;

use crate::testing::cluster::{TestNode, settle};
use crate::testing::{handle, take_mail, until_in_time};

#[tokio::test(start_paused = true)]
async fn a_lookup_that_panics_fails_its_message_and_holds_up_nothing_behind_it() {
    let (near, far) = TestNode::start_two(|| Hub::new("hub")).await;
    let connection = handle("c1");
    far.open(&connection).await;
    let hub = near.engine.handle();
    let clients = hub.clients();
    near.store.querying.set_panicking(true);
    let first = clients.connection("c1").send("first", ());
    let behind = clients.all().send("behind", ());
    assert!(until_in_time(first).await.is_err());
    until_in_time(behind).await.unwrap();
    near.store.querying.set_panicking(false);
    until_in_time(clients.connection("c1").send("last", ())).await.unwrap();
    settle().await;
    let (mail, _) = take_mail(&connection);
    let targets: Vec<_> =
        ["behind", "last"].into_iter().map(|name| format!("\"target\":\"{name}\"")).collect();
    assert_eq!(mail.len(), 2, "{mail:?}");
    assert!(mail.iter().zip(&targets).all(|(message, target)| message.contains(target)), "{mail:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lookup_whose_runtime_ends_before_it_begins_holds_up_nothing_behind_it() {
    let (near, far) = TestNode::start_two(|| Hub::new("hub")).await;
    let connection = handle("c1");
    far.open(&connection).await;
    let hub = near.engine.handle();
    let clients = hub.clients();
    let ending = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let entered = ending.enter();
    let first = clients.connection("c1").send("first", ());
    drop(entered);
    ending.shutdown_background();
    assert!(until_in_time(first).await.is_err());
    until_in_time(clients.connection("c1").send("last", ())).await.unwrap();
    settle().await;
    assert_eq!(take_mail(&connection).0.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_in_a_runtime_that_nobody_drives_any_more_holds_up_nothing_behind_it() {
    let (near, far) = TestNode::start_two(|| Hub::new("hub")).await;
    near.engine.context.runtime.note();
    let connection = handle("c1");
    far.open(&connection).await;
    let hub = near.engine.handle();
    let clients = hub.clients();
    let idle = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let entered = idle.enter();
    drop(clients.connection("c1").send("first", ()));
    drop(entered);
    until_in_time(clients.connection("c1").send("last", ())).await.unwrap();
    settle().await;
    assert_eq!(take_mail(&connection).0.len(), 2);
    idle.shutdown_background();
}
