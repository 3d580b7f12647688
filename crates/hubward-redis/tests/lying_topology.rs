//! Sentinels and servers of a Cluster that lie about which servers there are: they are asked rarely, the error says what is
//! wrong, and a truth that follows is believed.
#![allow(clippy::unwrap_used, reason = "a failure here is to fail a test")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hubward_backplane::GroupStore;
use hubward_redis::{Redis, RedisStore};
use hubward_testing::eventually;
use hubward_testing::redis::{RedisOptions, RedisServer};
use hubward_types::brief_causes;

use support::fake_redis::{Answer, FakeRedis, name, usual};

/// How many connections there may be to a liar until its lie is known: back-off is short at first.
const MOST_CONNECTIONS: usize = 20;

fn text(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn array(parts: &[String]) -> String {
    format!("*{}\r\n{}", parts.len(), parts.concat())
}

/// A server, which may say something else than the truth about which servers there are.
struct Liar {
    server: FakeRedis,
    /// Which lie it tells; beyond them, the truth.
    lie: Arc<AtomicUsize>,
}

impl Liar {
    /// Starts one that answers a command, by name, with one of these lies.
    async fn start(command: &'static str, lies: Vec<String>, truth: String) -> Self {
        let lie = Arc::new(AtomicUsize::new(lies.len()));
        let current = Arc::clone(&lie);
        let answer = move |asked: &[Vec<u8>]| {
            if name(asked) != command {
                return usual(asked);
            }
            let reply = lies.get(current.load(Ordering::Relaxed)).unwrap_or(&truth);
            Answer::Reply(reply.clone().into_bytes())
        };
        Self { server: FakeRedis::start(answer).await, lie }
    }

    fn tell(&self, lie: usize) {
        self.lie.store(lie, Ordering::Relaxed);
    }
}

async fn count(store: &RedisStore) -> Result<u64, String> {
    let counted = store.count(&"hub".into(), &"group".into()).await;
    counted.map_err(|error| brief_causes(&error).to_string())
}

/// Tells each lie after connections have ended. The error has the words that belong to the lie.
async fn lies_are_survived(liar: &Liar, truth: &RedisServer, redis: &Redis, errors: &[&str]) {
    for (lie, words) in errors.iter().enumerate() {
        let store = &redis.store();
        eventually("the first connection", async || count(store).await.is_ok()).await;
        let opened = liar.server.connections();
        liar.tell(lie);
        truth.cli(&["client", "kill", "type", "normal"]).await;
        // Again and again, since each call would connect where none does.
        eventually(&format!("lie {lie}: {words}"), async || {
            count(store).await.is_err_and(|error| error.contains(words))
        })
        .await;
        let opened = liar.server.connections() - opened;
        assert!((1..=MOST_CONNECTIONS).contains(&opened), "{lie}: {opened} connections");
        liar.tell(errors.len());
        eventually("the truth to be believed", async || count(store).await.is_ok()).await;
    }
}

#[tokio::test]
async fn a_sentinel_that_lies_is_asked_rarely_and_believed_when_it_does_not() {
    let truth = RedisServer::start(RedisOptions::default()).await;
    let replica = FakeRedis::start(|command| match &*name(command) {
        "role" => Answer::Reply(array(&[text("slave"), text("127.0.0.1")]).into_bytes()),
        _ => usual(command),
    })
    .await;
    let at = |port: u16| array(&[text("127.0.0.1"), text(&port.to_string())]);
    let lies = vec![
        at(replica.address().port()),
        at(1),
        "_\r\n".to_owned(),
        array(&[text("127.0.0.1"), text("99999999")]),
        "*1\r\n*1\r\n*0\r\n".to_owned(),
    ];
    let liar = Liar::start("sentinel get-master-addr-by-name", lies, at(truth.address().port())).await;
    let url = liar.server.url().replace("redis://", "redis-sentinel://") + "/main";
    let redis = Redis::url(&url).unwrap().build().unwrap();
    let unreadable = "check that it is a Sentinel";
    let errors = ["is not a primary any more", "refused", "check the name", unreadable, unreadable];
    lies_are_survived(&liar, &truth, &redis, &errors).await;
}

fn range(first: u16, last: u16, port: u16) -> String {
    let server = array(&[text("127.0.0.1"), format!(":{port}\r\n")]);
    array(&[format!(":{first}\r\n"), format!(":{last}\r\n"), server])
}

/// The same for layouts of a Cluster, which name the port of a server that has the keys in truth.
async fn layouts_are_survived(lies: impl Fn(u16) -> Vec<String>, errors: &[&str]) {
    let truth = RedisServer::start(RedisOptions::default()).await;
    let port = truth.address().port();
    let liar = Liar::start("cluster slots", lies(port), array(&[range(0, 16_383, port)])).await;
    let url = liar.server.url().replace("redis://", "redis-cluster://");
    let redis = Redis::url(&url).unwrap().build().unwrap();
    lies_are_survived(&liar, &truth, &redis, errors).await;
}

#[tokio::test]
async fn a_cluster_whose_layout_is_wrong_is_asked_rarely_and_believed_when_it_is_right() {
    let lies = |port| {
        vec![
            array(&[range(0, 99, port), range(200, 16_383, port)]),
            array(&[range(0, 9_000, port), range(5_000, 16_383, port)]),
            array(&[]),
            array(&[range(0, 16_383, 1)]),
            array(&[array(&[":0\r\n".to_owned(), ":16383\r\n".to_owned(), array(&[array(&[])])])]),
        ]
    };
    // The server that was found last is asked, too, and says that it is none of a Cluster.
    let wrong = "Cluster";
    layouts_are_survived(lies, &[wrong, wrong, wrong, "refused", wrong]).await;
}

/// A server that refers every call of a script to itself.
async fn refers_on(word: &'static str) -> FakeRedis {
    let port_of_it = Arc::new(AtomicUsize::new(0));
    let port = Arc::clone(&port_of_it);
    let server = FakeRedis::start(move |command| match &*name(command) {
        "evalsha" => {
            let port = port.load(Ordering::Relaxed);
            Answer::Reply(format!("-{word} 1 127.0.0.1:{port}\r\n").into_bytes())
        }
        _ => usual(command),
    })
    .await;
    port_of_it.store(server.address().port().into(), Ordering::Relaxed);
    server
}

#[tokio::test]
async fn servers_that_say_that_slots_have_moved_for_ever_are_asked_rarely() {
    let server = refers_on("MOVED").await;
    let lies = |_| vec![array(&[range(0, 16_383, server.address().port())])];
    layouts_are_survived(lies, &["Moved"]).await;
    // Each time one for changes, and one for queries.
    assert!(server.connections() <= 2 * MOST_CONNECTIONS, "{}", server.connections());
}

#[tokio::test]
async fn servers_that_refer_to_each_other_for_ever_are_asked_rarely() {
    let server = refers_on("ASK").await;
    let lies = |_| vec![array(&[range(0, 16_383, server.address().port())])];
    layouts_are_survived(lies, &["Ask"]).await;
    // Each time one for changes, and one for queries.
    assert!(server.connections() <= 2 * MOST_CONNECTIONS, "{}", server.connections());
}
