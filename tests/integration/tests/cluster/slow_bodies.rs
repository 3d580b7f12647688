//! Bodies of POSTs that come slowly, are too long or break off: through another node they end as at the node itself.

use std::time::Duration;

use hubward::{Cluster, Hub, Hubward, ServeOptions, TransportOptions};
use hubward_tests::{Http, TestNode, within};
use tokio::time::Instant;

const HANDSHAKE: &[u8] = b"{\"protocol\":\"json\",\"version\":1}\x1e";
const CALL: &[u8] = b"{\"type\":1,\"invocationId\":\"1\",\"target\":\"Echo\",\"arguments\":[\"whole\"]}\x1e";
const PING: &[u8] = b"{\"type\":6}\x1e";
const BODY_TIMEOUT: Duration = Duration::from_secs(1);
/// The most that a POST may have. More than is read at once.
const MOST_BYTES: usize = 256 << 10;

/// Two nodes: the first one holds the connections.
async fn nodes() -> [TestNode; 2] {
    let joined = Cluster::in_memory();
    let start = async |name: &str| {
        let transports = TransportOptions { post_body_bytes: MOST_BYTES, ..TransportOptions::default() };
        let hub = Hub::new("hub").method("Echo", async |text: String| text);
        let builder = Hubward::builder().join(&joined, name).hub_with_options("/hub", hub, transports);
        let options = ServeOptions { body_timeout: BODY_TIMEOUT, ..ServeOptions::default() };
        TestNode::serving(builder.build().unwrap(), options).await
    };
    [start("owner").await, start("other").await]
}

/// A long-polling connection of the first node, whose POSTs are sent by one of the two.
struct Posting<'a> {
    owner: &'a TestNode,
    by: &'a TestNode,
    target: String,
}

impl<'a> Posting<'a> {
    async fn open(owner: &'a TestNode, by: &'a TestNode) -> Self {
        let token = owner.client("/hub").connection_token().await;
        let posting = Self { owner, by, target: format!("/hub?id={token}") };
        assert_eq!(posting.poll().await.0, 200);
        assert_eq!(posting.post(HANDSHAKE).await, 200);
        assert_eq!(posting.poll().await, (200, "{}\u{1e}".to_owned()));
        posting
    }

    async fn poll(&self) -> (u16, String) {
        let response = self.owner.request("GET", &self.target, &[], b"").await;
        (response.status, response.text().to_owned())
    }

    async fn post(&self, body: &[u8]) -> u16 {
        self.by.request("POST", &self.target, &[], body).await.status
    }

    /// Begins a POST with these header lines, and writes no body yet.
    async fn begin(&self, lines: &str) -> Http {
        let mut http = Http::connect(self.by.address).await;
        let head = format!("POST {} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n", self.target);
        http.write(head.as_bytes()).await;
        http
    }

    /// Whether the connection goes on, with nothing before the next call's result.
    async fn goes_on(&self) {
        assert_eq!(self.post(CALL).await, 200);
        let (status, text) = self.poll().await;
        assert_eq!(status, 200);
        assert!(text.starts_with("{\"type\":3") && text.contains("\"whole\""), "{text}");
    }

    /// Whether the connection has ended, since nobody knows what the rest of its bytes would have been.
    async fn has_ended(&self) {
        within("the end", async { while self.post(CALL).await != 404 {} }).await;
    }
}

async fn chunk(http: &mut Http, bytes: &[u8]) {
    http.write(format!("{:x}\r\n", bytes.len()).as_bytes()).await;
    http.write(bytes).await;
    http.write(b"\r\n").await;
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_arrives_whole() {
    let [owner, other] = nodes().await;
    for by in [&owner, &other] {
        let posting = Posting::open(&owner, by).await;
        let mut lengthy = posting.begin(&format!("Content-Length: {}\r\n", CALL.len())).await;
        for byte in CALL {
            lengthy.write(&[*byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(lengthy.response().await.status, 200);
        assert!(posting.poll().await.1.contains("\"whole\""));
        let mut chunked = posting.begin("Transfer-Encoding: chunked\r\n").await;
        for byte in CALL {
            chunk(&mut chunked, &[*byte]).await;
        }
        chunked.write(b"0\r\n\r\n").await;
        assert_eq!(chunked.response().await.status, 200);
        posting.goes_on_after_a_result().await;
    }
}

impl Posting<'_> {
    async fn goes_on_after_a_result(&self) {
        assert!(self.poll().await.1.contains("\"whole\""));
        self.goes_on().await;
    }
}

#[tokio::test]
async fn a_body_that_stops_is_given_up_after_the_body_timeout_and_nothing_of_it_arrives() {
    let [owner, other] = nodes().await;
    for by in [&owner, &other] {
        let posting = Posting::open(&owner, by).await;
        let begun = Instant::now();
        let mut stopped = posting.begin("Content-Length: 1000\r\n").await;
        stopped.write(&CALL[..20]).await;
        stopped.closed().await;
        let took = begun.elapsed();
        assert!((BODY_TIMEOUT..5 * BODY_TIMEOUT).contains(&took), "{took:?}");
        posting.goes_on().await;
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_nothing_if_short_and_the_connections_end_if_long() {
    let [owner, other] = nodes().await;
    for by in [&owner, &other] {
        let posting = Posting::open(&owner, by).await;
        let mut short = posting.begin("Content-Length: 1000\r\n").await;
        short.write(&CALL[..20]).await;
        drop(short);
        posting.goes_on().await;
        let mut long = posting.begin(&format!("Content-Length: {MOST_BYTES}\r\n")).await;
        long.write(&vec![b'x'; MOST_BYTES / 2]).await;
        drop(long);
        posting.has_ended().await;
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_as_soon_as_that_shows() {
    let [owner, other] = nodes().await;
    for by in [&owner, &other] {
        let posting = Posting::open(&owner, by).await;
        let mut announced = posting.begin(&format!("Content-Length: {}\r\n", MOST_BYTES + 1)).await;
        assert_eq!(announced.response().await.status, 413, "before any of it");
        posting.goes_on().await;
        let mut chunked = posting.begin("Transfer-Encoding: chunked\r\n").await;
        let pings = PING.repeat(MOST_BYTES / PING.len());
        chunk(&mut chunked, &pings).await;
        chunk(&mut chunked, PING).await;
        assert_eq!(chunked.response().await.status, 413, "it has no end yet");
        posting.has_ended().await;
    }
}
