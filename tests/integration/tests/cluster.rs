//! Two nodes are one hub: messages, groups, users, questions and ends reach clients of either.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hubward::{
    ClientResultError, GroupError, GroupMember, GroupName, Groups, Hub, HubContext, HubError, HubHandle,
    Principal,
};
use hubward_tests::{TestClient, TestNode, cluster, eventually, issuer, token, within};
use serde_json::{Value, json};

async fn echo(text: String) -> String {
    text
}

async fn join(cx: HubContext, group: String) -> Result<(), HubError> {
    Ok(cx.groups().add(group).await?)
}

async fn tell_others(cx: HubContext, group: String, n: i64) -> Result<(), HubError> {
    Ok(cx.clients().others_in_group(group).send("N", (n,)).await?)
}

fn hub() -> Hub {
    Hub::new("hub")
        .method("Echo", echo)
        .method("Join", join)
        .method("TellOthers", tell_others)
        .may_join(|_: &Principal, group: &GroupName| group.as_str() != "secret")
}

/// Two nodes with the hub, and its handle on each.
struct Pair {
    nodes: Vec<TestNode>,
    hubs: [HubHandle; 2],
}

impl Pair {
    async fn start() -> Self {
        let nodes = cluster(2, |builder| builder.auth(issuer().authenticator()).hub("/hub", hub())).await;
        let hubs = [0, 1].map(|node: usize| nodes[node].hubs.hub("hub").unwrap());
        Self { nodes, hubs }
    }

    async fn client(&self, node: usize) -> TestClient {
        ready(self.nodes[node].client("/hub").open().await).await
    }

    async fn user(&self, node: usize, user: &str) -> TestClient {
        ready(self.nodes[node].client("/hub").token(&token(user, &[])).open().await).await
    }

    fn groups(&self, node: usize) -> &Groups {
        self.hubs[node].groups()
    }
}

/// A client whose calls are answered can be reached from every node.
async fn ready(mut client: TestClient) -> TestClient {
    client.result("Echo", json!(["ready"])).await;
    client
}

/// Expects exactly these numbers, in this order, and nothing else.
async fn receives(client: &mut TestClient, numbers: impl IntoIterator<Item = i64>) {
    for number in numbers {
        let message = client.receive().await;
        assert_eq!((&message["target"], &message["arguments"]), (&json!("N"), &json!([number])));
    }
    assert!(client.has_nothing_after("Echo", json!(["done"])).await);
}

/// Tells whether a client gets what is sent to a group.
async fn reaches(hub: &HubHandle, group: &str, client: &mut TestClient) -> bool {
    // Numbered, because others probe the same group.
    static PROBES: AtomicU64 = AtomicU64::new(0);
    let number = PROBES.fetch_add(1, Ordering::Relaxed);
    hub.group(group).send("Probe", (number,)).await.unwrap();
    client.result("Echo", json!(["probed"])).await;
    client.take_received().iter().any(|message| message["arguments"] == json!([number]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_sends_arrives_in_order_on_both() {
    let pair = Pair::start().await;
    let mut clients = [pair.user(0, "alice").await, pair.user(1, "alice").await];
    for client in &mut clients {
        client.result("Join", json!(["g"])).await;
    }
    for sender in [0, 1] {
        let hub = &pair.hubs[sender];
        for round in 0..100 {
            let n = round * 4;
            hub.all().send("N", (n,)).await.unwrap();
            hub.group("g").send("N", (n + 1,)).await.unwrap();
            hub.user("alice").send("N", (n + 2,)).await.unwrap();
            let ids = clients.each_ref().map(|client| client.id.as_str());
            hub.connections(ids).send("N", (n + 3,)).await.unwrap();
        }
        for client in &mut clients {
            receives(client, 0..400).await;
        }
    }
}

#[tokio::test]
async fn who_is_excepted_is_excepted_on_every_node() {
    let pair = Pair::start().await;
    let (mut a, mut b) = (pair.client(0).await, pair.client(0).await);
    let (mut c, mut d) = (pair.client(1).await, pair.client(1).await);
    for client in [&mut a, &mut b, &mut c] {
        client.result("Join", json!(["g"])).await;
    }
    for sender in [0, 1] {
        let hub = &pair.hubs[sender];
        hub.group_except("g", [&a.id, &c.id]).send("N", (1,)).await.unwrap();
        hub.all_except([&a.id, &d.id]).send("N", (2,)).await.unwrap();
    }
    c.result("TellOthers", json!(["g", 3])).await;
    receives(&mut a, [3]).await;
    receives(&mut b, [1, 2, 1, 2, 3]).await;
    receives(&mut c, [2, 2]).await;
    receives(&mut d, []).await;
}

#[tokio::test]
async fn a_connection_of_another_node_is_in_a_group_when_adding_it_returns() {
    let pair = Pair::start().await;
    let mut client = pair.client(0).await;
    let (id, far) = (client.id.clone(), pair.groups(1));
    for round in 0..50 {
        let group = format!("g{round}");
        far.add_connection(id.as_str(), group.as_str()).await.unwrap();
        pair.hubs[1].group(group.as_str()).send("N", (1,)).await.unwrap();
        pair.hubs[0].group(group.as_str()).send("N", (2,)).await.unwrap();
        far.remove_connection(id.as_str(), group.as_str()).await.unwrap();
        pair.hubs[1].group(group.as_str()).send("N", (3,)).await.unwrap();
        pair.hubs[0].group(group.as_str()).send("N", (4,)).await.unwrap();
        receives(&mut client, [1, 2]).await;
    }
    let refused = far.add_connection(id.as_str(), "secret").await;
    assert!(matches!(refused, Err(GroupError::Owner { .. })), "{refused:?}");
    assert_eq!(far.count("secret").await.unwrap(), 0);
    far.add_connection("nobody", "g").await.unwrap();
    assert_eq!(far.count("g").await.unwrap(), 0, "who does not exist is passed over");
}

#[tokio::test]
async fn a_client_of_another_node_is_asked_like_any_other() {
    let pair = Pair::start().await;
    let mut client = pair.client(0).await;
    let far = pair.hubs[1].connection(client.id.as_str());

    let (answer, ()) = tokio::join!(far.invoke::<i64>("Add", (2, 3)), async {
        let invocation = client.invoked("Add").await;
        assert_eq!(invocation["arguments"], json!([2, 3]));
        client.complete(&invocation, json!(5)).await;
    });
    assert_eq!(answer.unwrap(), 5);

    let (answer, ()) = tokio::join!(far.invoke::<()>("Do", ()), async {
        let id = client.invoked("Do").await["invocationId"].clone();
        client.send(&json!({ "type": 3, "invocationId": id })).await;
    });
    answer.unwrap();

    let (answer, ()) = tokio::join!(far.invoke::<i64>("Add", ()), async {
        let id = client.invoked("Add").await["invocationId"].clone();
        client.send(&json!({ "type": 3, "invocationId": id, "error": "No idea." })).await;
    });
    assert!(matches!(&answer, Err(ClientResultError::Failed(text)) if text == "No idea."), "{answer:?}");

    let (answer, ()) = tokio::join!(far.invoke::<i64>("Add", ()), async {
        let invocation = client.invoked("Add").await;
        client.complete(&invocation, json!("five")).await;
    });
    assert!(matches!(answer, Err(ClientResultError::Decode(_))), "{answer:?}");

    let nobody = pair.hubs[1].connection("nobody").invoke::<Value>("Add", ()).await;
    assert!(matches!(nobody, Err(ClientResultError::NotFound(_))), "{nobody:?}");

    // The asker gives up: the answer that comes all the same is passed over.
    let invocation = tokio::select! {
        answer = far.invoke::<i64>("Add", (1,)) => panic!("nobody answered, but {answer:?} came"),
        invocation = client.invoked("Add") => invocation,
    };
    client.complete(&invocation, json!(1)).await;
    assert_eq!(client.result("Echo", json!(["still here"])).await, "still here");

    let (answer, ()) = tokio::join!(within("the answer", far.invoke::<i64>("Add", ())), async {
        client.invoked("Add").await;
        client.close().await;
    });
    assert!(matches!(answer, Err(ClientResultError::Disconnected(_))), "{answer:?}");
    eventually("that nobody has it", async || {
        matches!(far.invoke::<i64>("Add", ()).await, Err(ClientResultError::NotFound(_)))
    })
    .await;
}

#[tokio::test]
async fn a_connection_of_another_node_is_aborted() {
    let pair = Pair::start().await;
    let mut client = pair.client(0).await;
    pair.hubs[1].connection(client.id.as_str()).abort().await.unwrap();
    assert_eq!(client.ended().await.close, Some(json!({ "type": 7 })));
}

#[tokio::test]
async fn a_users_groups_are_those_of_all_connections_of_now_and_later() {
    let pair = Pair::start().await;
    let (mut near, mut far) = (pair.user(0, "alice").await, pair.user(1, "alice").await);
    let mut bob = pair.user(1, "bob").await;
    pair.groups(0).add_user("alice", "g", None).await.unwrap();
    let (mut later_near, mut later_far) = (pair.user(0, "alice").await, pair.user(1, "alice").await);
    // Those who were there before are told by their own node, a moment later.
    eventually("word on the other node", async || reaches(&pair.hubs[0], "g", &mut far).await).await;
    for client in [&mut near, &mut later_near, &mut later_far] {
        assert!(reaches(&pair.hubs[0], "g", client).await);
        assert!(reaches(&pair.hubs[1], "g", client).await);
    }
    assert!(!reaches(&pair.hubs[0], "g", &mut bob).await);

    // One of them is in the group by itself, too, and stays.
    far.result("Join", json!(["g"])).await;
    pair.groups(1).remove_user("alice", "g").await.unwrap();
    eventually("word on the other node", async || !reaches(&pair.hubs[0], "g", &mut near).await).await;
    for client in [&mut later_near, &mut later_far] {
        assert!(!reaches(&pair.hubs[0], "g", client).await);
        assert!(!reaches(&pair.hubs[1], "g", client).await);
    }
    assert!(reaches(&pair.hubs[0], "g", &mut far).await);
    let mut newcomer = pair.user(0, "alice").await;
    assert!(!reaches(&pair.hubs[1], "g", &mut newcomer).await);
}

#[tokio::test]
async fn a_users_group_lapses() {
    let pair = Pair::start().await;
    let mut before = [pair.user(0, "alice").await, pair.user(1, "alice").await];
    let long = Duration::from_secs(3600);
    pair.groups(0).add_user("alice", "renewed", Some(Duration::from_millis(200))).await.unwrap();
    pair.groups(1).add_user("alice", "renewed", Some(long)).await.unwrap();
    pair.groups(0).add_user("alice", "g", Some(Duration::from_millis(200))).await.unwrap();
    let after = [pair.user(0, "alice").await, pair.user(1, "alice").await];
    for client in &mut before {
        eventually("word on both nodes", async || reaches(&pair.hubs[0], "renewed", client).await).await;
    }
    eventually("the store to forget", async || {
        let member = GroupMember::User("alice".into());
        !pair.groups(1).contains("g", member).await.unwrap()
    })
    .await;
    for mut client in before.into_iter().chain(after) {
        eventually("delivery to end", async || !reaches(&pair.hubs[0], "g", &mut client).await).await;
        assert!(reaches(&pair.hubs[1], "renewed", &mut client).await);
    }
}

#[tokio::test]
async fn every_node_knows_who_is_in_a_group() {
    let pair = Pair::start().await;
    let mut clients = [pair.client(0).await, pair.client(0).await, pair.client(1).await];
    for client in &mut clients {
        client.result("Join", json!(["g"])).await;
    }
    clients[0].result("Join", json!(["other"])).await;
    pair.groups(0).add_user("alice", "g", None).await.unwrap();
    let ids = clients.each_ref().map(|client| GroupMember::Connection(client.id.as_str().into()));
    let alice = GroupMember::User("alice".into());
    let expected: HashSet<_> = ids.iter().cloned().chain([alice.clone()]).collect();
    for groups in [pair.groups(0), pair.groups(1)] {
        assert_eq!(groups.count("g").await.unwrap(), 4);
        assert_eq!(groups.count("none").await.unwrap(), 0);
        for member in &expected {
            assert!(groups.contains("g", member.clone()).await.unwrap(), "{member:?}");
        }
        assert!(!groups.contains("other", ids[1].clone()).await.unwrap());
        let (mut members, mut cursor) = (Vec::new(), None);
        loop {
            let page = groups.members("g", cursor, 3).await.unwrap();
            assert!(page.members.len() <= 3);
            members.extend(page.members);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((members.len(), members.into_iter().collect::<HashSet<_>>()), (4, expected.clone()));
        let mut of_first = groups.of(ids[0].clone()).await.unwrap();
        of_first.sort();
        assert_eq!(of_first, ["g".into(), "other".into()]);
        assert_eq!(groups.of(alice.clone()).await.unwrap(), ["g".into()]);
    }
    let [first, ..] = clients;
    first.close().await;
    eventually("its membership to end", async || pair.groups(1).count("g").await.unwrap() == 3).await;
    assert_eq!(pair.groups(1).of(ids[0].clone()).await.unwrap(), []);
}

#[tokio::test]
async fn a_node_that_leaves_tells_its_clients_and_is_forgotten() {
    let pair = Pair::start().await;
    let (mut leaving, mut staying) = (pair.user(0, "alice").await, pair.client(1).await);
    let mut shaking = pair.nodes[0].client("/hub").open_web_socket().await;
    for client in [&mut leaving, &mut staying] {
        client.result("Join", json!(["g"])).await;
    }
    let shut_down = within("the node to leave", pair.nodes[0].hubs.shut_down());
    let ((), ended, unshaken) = tokio::join!(shut_down, leaving.ended(), shaking.ended());
    assert_eq!(ended.close, Some(json!({ "type": 7, "allowReconnect": true })));
    assert_eq!((ended.code, unshaken.close), (Some(1000), None));
    assert_eq!(pair.nodes[0].hubs.connection_count("hub"), 0);
    assert_eq!(pair.groups(1).count("g").await.unwrap(), 1);
    assert_eq!(pair.nodes[0].client("/hub").negotiate().await.status, 503, "nobody new is let in");

    pair.hubs[1].group("g").send("N", (1,)).await.unwrap();
    receives(&mut staying, [1]).await;
    let gone = pair.hubs[1].connection(leaving.id.as_str()).invoke::<Value>("Add", ()).await;
    assert!(matches!(gone, Err(ClientResultError::NotFound(_))), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_leaves_misses_nobody_who_is_just_coming() {
    for _ in 0..20 {
        let pair = Pair::start().await;
        let node = &pair.nodes[0];
        let coming = async {
            let mut open = Vec::new();
            for _ in 0..20 {
                let connect = node.client("/hub");
                let negotiated = connect.negotiate().await;
                if negotiated.status != 200 {
                    break;
                }
                let token = negotiated.json()["connectionToken"].as_str().unwrap().to_owned();
                let Ok(mut http) = connect.upgrade(Some(&token)).await else { break };
                http.write(&hubward_tests::frame(
                    hubward_tests::Opcode::Text,
                    b"{\"protocol\":\"json\",\"version\":1}\x1e",
                ))
                .await;
                open.push(http);
            }
            for mut http in open {
                while !matches!(http.frame().await, None | Some((0x88, _))) {}
            }
        };
        let leaving = async {
            eventually("somebody to come", async || node.hubs.connection_count("hub") > 2).await;
            within("the node to leave", node.hubs.shut_down()).await;
        };
        tokio::join!(coming, leaving);
    }
}
