//! Clients that ask for as much as they can: names of any kind, sends to thousands, joins that race with their own end. Others
//! go on as before, and nothing is left.

use std::time::Duration;

use futures_util::future::join_all;
use hubward_tests::eventually;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::nodes::{call, lasting_keys, receives, three_nodes};

/// How long a storm lasts.
const STORM: Duration = Duration::from_secs(2);

#[tokio::test]
async fn names_of_any_kind_are_names_like_others() {
    let (redis, nodes) = three_nodes().await;
    let mut clients = nodes.clients().await;
    let names = [
        "",
        "*",
        "?",
        "[a-z]",
        "{x}",
        "}{",
        "{",
        "{nodes}:1:alive",
        "a:b",
        "7:cluster",
        "-",
        "+",
        "(",
        " ",
        "\0",
        "\r\n$3\r\n",
        "\u{10ffff}",
    ];
    let names = names.map(str::to_owned).into_iter().chain(["n".repeat(256)]);
    let before = lasting_keys(&redis).await;
    for name in names {
        for client in &mut clients {
            call(client, "Join", json!([name])).await;
        }
        assert_eq!(clients[1].result("Count", json!([name])).await, 3, "{name:?}");
        let members = clients[2].result("Members", json!([name, null, 10])).await;
        assert_eq!(members["members"].as_array().unwrap().len(), 3, "{name:?}");
        call(&mut clients[0], "ToGroup", json!([name, name])).await;
        for client in &mut clients {
            receives(client, &[&name]).await;
            call(client, "Leave", json!([name])).await;
        }
        assert_eq!(lasting_keys(&redis).await, before, "{name:?}");
    }
    nodes.have_no_errors();
}

#[tokio::test]
async fn users_of_any_name_are_reached_banned_and_forgotten() {
    let (redis, nodes) = three_nodes().await;
    let mut caller = nodes.client(0).await;
    let before = lasting_keys(&redis).await;
    for name in ["*", "{x}", "\0", " ", "a\nb", "7:cluster", "\u{10ffff}"] {
        let mut user = nodes.user(1, name).await;
        assert_eq!(caller.result("IsOnline", json!([name])).await, true, "{name:?}");
        call(&mut caller, "ToUser", json!([name, "m"])).await;
        receives(&mut user, &["m"]).await;
        call(&mut caller, "AddUser", json!([name, "g", null])).await;
        call(&mut caller, "Ban", json!([name, "g"])).await;
        user.error("Join", json!(["g"])).await;
        call(&mut caller, "Unban", json!([name, "g"])).await;
        user.close().await;
        eventually("nothing of the user", async || lasting_keys(&redis).await == before).await;
    }
    nodes.have_no_errors();
}

#[tokio::test]
async fn forged_cursors_and_limits_are_refused_or_lead_to_a_page() {
    let (_redis, nodes) = three_nodes().await;
    let mut client = nodes.client(0).await;
    call(&mut client, "Join", json!(["g"])).await;
    for cursor in ["", "x", "-", "+", "(", "[", "{\"a\":1}"] {
        client.error("Members", json!(["g", cursor, 10])).await;
        client.error("UsersOnline", json!([cursor, 10])).await;
    }
    let far = format!("c{}", "z".repeat(30_000));
    for (cursor, found) in [("c", 1), ("c\0", 1), ("u", 0), (far.as_str(), 0)] {
        let page = client.result("Members", json!(["g", cursor, 10])).await;
        assert_eq!(page["members"].as_array().unwrap().len(), found, "{}", cursor.len());
    }
    for limit in [json!(0), json!(1), json!(u64::MAX)] {
        let page = client.result("Members", json!(["g", null, limit])).await;
        assert_eq!(page["members"].as_array().unwrap().len(), 1, "{limit}");
    }
    nodes.have_no_errors();
}

#[tokio::test]
async fn one_client_that_sends_to_thousands_of_groups_fails_no_sends_of_others() {
    let (_redis, nodes) = three_nodes().await;
    let (mut attacker, mut sender) = (nodes.client(0).await, nodes.client(0).await);
    let mut receiver = nodes.client(1).await;
    call(&mut receiver, "Join", json!(["g"])).await;
    let groups: Vec<String> = (0..2_300).map(|number: usize| number.to_string()).collect();
    let message = "m".repeat(15_000);
    let began = Instant::now();
    let attack = async {
        while began.elapsed() < STORM {
            // It may fail: others send as much as they like, too.
            attacker.invoke("ToGroups", json!([groups, message])).await;
        }
    };
    let sends = async {
        let mut sent = 0;
        while began.elapsed() < STORM {
            sender.result("ToGroup", json!(["g", sent.to_string()])).await;
            sent += 1;
        }
        sent
    };
    let ((), sent) = tokio::join!(attack, sends);
    let expected: Vec<String> = (0..sent).map(|number: usize| number.to_string()).collect();
    receives(&mut receiver, &expected.iter().map(String::as_str).collect::<Vec<_>>()).await;
    nodes.have_no_errors();
}

#[tokio::test]
async fn joins_that_race_with_the_end_of_their_connection_leave_nothing() {
    const CLIENTS: usize = 12;
    const ROUNDS: usize = 4;
    let (redis, nodes) = three_nodes().await;
    let before = lasting_keys(&redis).await;
    let channels = async || redis.cli(&["pubsub", "channels"]).await.lines().count();
    let channels_before = channels().await;
    for round in 0..ROUNDS {
        let opening = (0..CLIENTS).map(async |number| nodes.user(number % 3, &format!("u{number}")).await);
        for (number, mut client) in join_all(opening).await.into_iter().enumerate() {
            for group in 0..10 {
                client.begin("Join", json!([format!("{round} {group}")])).await;
                client.begin("AddUser", json!([format!("u{number}"), format!("users {group}"), 100])).await;
            }
            // Some wait for what they have asked for last, some for nothing.
            if number % 4 == 0 {
                client.invoke("Join", json!(["last"])).await;
            }
        }
    }
    eventually("nothing to be left", async || {
        lasting_keys(&redis).await == before && channels().await == channels_before
    })
    .await;
    nodes.have_no_errors();
}

#[tokio::test]
async fn ids_that_nobody_has_cost_one_look_and_nothing_that_stays() {
    let (redis, nodes) = three_nodes().await;
    let mut client = nodes.client(0).await;
    let other_hub = nodes.client_of("/conformance", 1).await.id;
    let before = lasting_keys(&redis).await;
    let long = "x".repeat(30_000);
    for id in ["", "*", "nobody", &other_hub, &long] {
        for (method, arguments) in [
            ("ToConnection", json!([id, "m"])),
            ("AbortConnection", json!([id])),
            ("JoinConnection", json!([id, "g"])),
            ("LeaveConnection", json!([id, "g"])),
            ("ToGroupExcept", json!(["g", "m", [id]])),
        ] {
            call(&mut client, method, arguments).await;
        }
        let answer = client.result("Ask", json!([id, "question"])).await;
        assert!(answer.as_str().is_some_and(|answer| !answer.is_empty()), "{answer}");
    }
    let nobody: Vec<Value> = (0..4_500).map(|number: usize| json!(number.to_string())).collect();
    call(&mut client, "ToGroupExcept", json!(["g", "m", nobody])).await;
    call(&mut client, "ToUsers", json!([nobody, "m"])).await;
    assert_eq!(lasting_keys(&redis).await, before);
    nodes.have_no_errors();
}
