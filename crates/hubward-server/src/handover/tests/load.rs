//! Sessions that move under load: every node sends to everything, and each client checks what it gets.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hubward_types::Target;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::nodes::{Nodes, ReturningClient};
use super::{HandedOver, group};
use crate::testing::until_in_time;

/// A cluster whose clients check what they get.
struct Load {
    nodes: Arc<Nodes>,
    clients: JoinSet<(String, Vec<String>, usize)>,
    senders: JoinSet<()>,
    /// How many messages each sender has sent to each target.
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
}

/// After what time without a message a client stops waiting.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);

const GROUPS: usize = 3;
const USERS: usize = 4;

fn targets(clients: usize) -> Vec<(String, Target)> {
    let groups = (0..GROUPS).map(|number| (format!("g{number}"), group(&format!("g{number}"))));
    let users =
        (0..USERS).map(|number| (format!("u{number}"), Target::Users(vec![format!("u{number}").into()])));
    let direct = (0..clients)
        .map(|number| (format!("c{number}"), Target::Connections(vec![format!("c{number}").into()])));
    groups.chain(users).chain(direct).chain([("all".to_owned(), Target::All)]).collect()
}

impl Load {
    /// Connects clients to the first node, each in a group and of a user, and begins to send from every node to everything.
    async fn start(nodes: Arc<Nodes>, clients: usize) -> Self {
        let mut tasks = JoinSet::new();
        for number in 0..clients {
            let (id, user) = (format!("c{number}"), format!("u{}", number % USERS));
            let mut client = ReturningClient::connect(&nodes, 0, &id, &user).await;
            client.call(&nodes, "Join", &format!("g{}", number % GROUPS)).await;
            let nodes = nodes.clone();
            tasks.spawn(async move {
                let (mut texts, mut ends) = (Vec::new(), 0);
                // The end comes from every sender on each of its four targets.
                while ends < 4 * nodes.nodes.len() {
                    let Ok(text) = timeout(LONGEST_SILENCE, client.text(&nodes)).await else { break };
                    let Some(text) = text else {
                        panic!("the session {id} was lost: {}", client.end);
                    };
                    if text.ends_with("end") {
                        ends += 1;
                    }
                    texts.push(text);
                }
                (id, texts, client.returns)
            });
        }
        let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut senders = JoinSet::new();
        for node in 0..nodes.nodes.len() {
            let (nodes, stop, sent) = (nodes.clone(), stop.clone(), sent.clone());
            senders.spawn(async move {
                let targets = targets(clients);
                let mut round = 0;
                while !stop.load(Ordering::SeqCst) {
                    for (name, target) in &targets {
                        nodes.send(node, target, &format!("{node} {name} {round}"));
                        tokio::task::yield_now().await;
                    }
                    sent.fetch_add(1, Ordering::SeqCst);
                    round += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                for (name, target) in &targets {
                    nodes.send(node, target, &format!("{node} {name} end"));
                }
            });
        }
        Self { nodes, clients: tasks, senders, stop, sent }
    }

    /// Waits until so many rounds of messages have been sent since now.
    async fn rounds(&self, rounds: usize) {
        let until = self.sent.load(Ordering::SeqCst) + rounds;
        while self.sent.load(Ordering::SeqCst) < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Stops sending, and checks what each client got of each sender: all, once, and in order. Returns how often clients came
    /// back.
    async fn check(mut self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(sender) = self.senders.join_next().await {
            sender.unwrap();
        }
        let mut returns = 0;
        while let Some(client) = until_in_time(self.clients.join_next()).await {
            let (id, texts, returned) = client.unwrap();
            returns += returned;
            let mut last: HashMap<(String, String), usize> = HashMap::new();
            for text in &texts {
                let fields: Vec<_> = text.split(' ').collect();
                let expected = last.entry((fields[0].to_owned(), fields[1].to_owned())).or_default();
                if fields[2] != "end" {
                    assert_eq!(fields[2].parse(), Ok(*expected), "{id} of {} to {}", fields[0], fields[1]);
                    *expected += 1;
                }
            }
            let ends = texts.iter().filter(|text| text.ends_with("end")).count();
            assert_eq!(ends, 4 * self.nodes.nodes.len(), "{id} {returned} {last:?}");
        }
        returns
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_comes_twice_while_sessions_move_twice_under_load() {
    let nodes = Arc::new(Nodes::start(3).await);
    let load = Load::start(nodes.clone(), 30).await;
    load.rounds(20).await;
    let moved = nodes.drain(0).await;
    assert_eq!(moved, HandedOver { moved: 30, ..HandedOver::default() });
    load.rounds(20).await;
    // Those that came to one of the other two move on to the last one, be it some of them or all.
    let (second, _) = nodes.holder("c0").unwrap();
    let moved = nodes.drain(second).await;
    assert!(moved.moved > 0 && moved.stayed == 0 && moved.unclear == 0, "{moved:?}");
    load.rounds(20).await;
    let returns = load.check().await;
    assert_eq!(returns, 30 + moved.moved);
}
