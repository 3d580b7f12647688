//! A connection that is cut and moved again and again, with a client that resumes as the official ones do.

use futures_util::FutureExt;

use super::*;

/// A client with stateful reconnect: it counts what it receives, and keeps what it sends until that is acknowledged.
struct Client {
    io: TestClient,
    /// The number of the latest message received, and of the next one on this socket.
    received: u64,
    expected: u64,
    /// All that it has sent, and how much of it is acknowledged.
    sent: Vec<Value>,
    acknowledged: usize,
    /// The numbers that came in messages and in completions.
    numbers: Vec<u64>,
    results: Vec<u64>,
}

impl Client {
    async fn call(&mut self, number: u64) {
        let method = if number.is_multiple_of(2) { "Echo" } else { "EchoLater" };
        let id = number.to_string();
        let call = json!({ "type": 1, "invocationId": id, "target": method, "arguments": [number] });
        self.io.send(&call).await;
        self.sent.push(call);
    }

    /// Reads what has come.
    fn read(&mut self) {
        while let Some(Next::Message(message)) = self.io.next().now_or_never() {
            match message["type"].as_u64() {
                Some(9) => self.expected = message["sequenceId"].as_u64().unwrap(),
                Some(8) => self.acknowledged = message["sequenceId"].as_u64().unwrap() as usize,
                _ => self.count(&message),
            }
        }
    }

    fn count(&mut self, message: &Value) {
        let id = self.expected;
        self.expected += 1;
        assert!(id <= self.received + 1, "a message is missing before {message}");
        if id > self.received {
            self.received = id;
            assert!(message["error"].is_null(), "{message}");
            self.numbers.extend(number_of(message));
            self.results.extend(message["result"].as_u64());
        }
    }

    async fn acknowledge(&mut self) {
        self.io.send(&json!({ "type": 8, "sequenceId": self.received })).await;
    }

    async fn resume(&mut self, node: &MovingNode, resumption: &Resumption) {
        self.io = node.resume(resumption);
        self.io.send(&json!({ "type": 9, "sequenceId": self.acknowledged + 1 })).await;
        for message in self.sent.iter().skip(self.acknowledged) {
            self.io.send(message).await;
        }
    }
}

/// A sequence of numbers that looks random and is the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn echo_hub() -> Hub {
    Hub::new("hub")
        .on_connected(async |cx: HubContext| cx.groups().add("ward").await)
        .method("Echo", async |n: u64| n)
        .method("EchoLater", async |n: u64| {
            tokio::time::sleep(Duration::from_millis(n % 5)).await;
            n
        })
}

async fn run(seed: u64) {
    let nodes = [MovingNode::new(echo_hub()), MovingNode::new(echo_hub())];
    let (mut random, mut at, mut sent, mut called) = (Random(seed), 0, 0, 0);
    let (io, mut resumption) = nodes[0].connect("c1", Principal::anonymous()).await;
    let (sends, numbers, results) = (Vec::new(), Vec::new(), Vec::new());
    let mut client = Client { io, received: 0, expected: 1, sent: sends, acknowledged: 0, numbers, results };
    until_idle().await;
    for _ in 0..150 {
        match random.below(10) {
            0..=2 => {
                sent += 1;
                send(&nodes[at], "ward", sent).await;
            }
            3..=4 => {
                called += 1;
                client.call(called).await;
            }
            5 => {
                until_idle().await;
                client.read();
            }
            6 => client.acknowledge().await,
            7 => {
                client.io.cut();
                if random.below(2) == 0 {
                    until_idle().await;
                }
                client.resume(&nodes[at], &resumption).await;
            }
            8 => nodes[at].take("c1", SECOND).await.unwrap().take_back(),
            _ => {
                let taken = nodes[at].take("c1", SECOND).await.unwrap();
                at = 1 - at;
                resumption = nodes[at].adopt(taken.state()).await.unwrap();
                let let_go = taken.let_go("other".into());
                if random.below(2) == 0 {
                    let_go.await;
                    sent += 1;
                    send(&nodes[at], "ward", sent).await;
                } else {
                    let_go.await;
                }
                client.resume(&nodes[at], &resumption).await;
            }
        }
    }
    pass(SECOND).await;
    client.read();
    assert_eq!(client.numbers, (1..=sent).collect::<Vec<_>>(), "messages, seed {seed}");
    assert_eq!(client.results, (1..=called).collect::<Vec<_>>(), "completions, seed {seed}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_or_repeated_and_the_order_is_kept() {
    for seed in 0..40 {
        run(seed).await;
    }
}
