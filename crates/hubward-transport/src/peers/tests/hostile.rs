//! Who has no keys learns nothing and changes nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::routing::any;
use http::StatusCode;
use http::header::HeaderName;
use http::request::Parts;
use hubward_auth::random_id;
use hubward_testing::{Http, Response as Received, header_lines, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::*;
use crate::peers::signature::{self, Kind, Statement};
use crate::serve::options::connections_below_file_limit;

/// Counts what is served.
fn counted(served: &Arc<AtomicUsize>) -> Router {
    let served = served.clone();
    Router::new().fallback(any(move || async move { served.fetch_add(1, Ordering::SeqCst).to_string() }))
}

/// A connection to a node by somebody who has keys, and may use them in any way.
struct Bare {
    http: Http,
    nonce: String,
}

impl Bare {
    async fn connect(address: SocketAddr) -> Self {
        let mut http = Http::connect(address).await;
        let (node, asked) = (signature::encoded(&"owner".into()), random_id());
        let headers = [("hubward-peer-node", &*node), ("hubward-peer-nonce", &*asked)];
        http.send("OPTIONS", "/", &headers, b"").await;
        let response = http.head().await;
        assert_eq!(response.status, 204);
        Self { http, nonce: response.header("hubward-peer-nonce").unwrap().to_owned() }
    }

    /// The headers of a request with this number.
    fn signed(&self, keys: &KeyRing, number: u64) -> Vec<(String, String)> {
        let mut parts: Parts = get("/hub").into_parts().0;
        let statement = Statement { kind: Kind::Client, from: "first".into(), number, client: String::new() };
        statement.sign(keys, &"owner".into(), &self.nonce, &mut parts);
        let text = |(name, value): (&HeaderName, &http::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        parts.headers.iter().map(text).collect()
    }

    async fn send(&mut self, headers: &[(String, String)]) -> Received {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.http.send("GET", "/hub", &headers, b"").await;
        self.http.response().await
    }
}

async fn start() -> (Pair, Arc<AtomicUsize>) {
    let served = Arc::<AtomicUsize>::default();
    (Pair::start(counted(&served)).await, served)
}

#[tokio::test]
async fn what_is_not_authentic_is_refused_without_a_word_and_its_connection_closed() {
    let (pair, served) = start().await;
    for headers in [
        &[][..],
        &[("hubward-peer-kind", "client")],
        &[
            ("hubward-peer-kind", "client"),
            ("hubward-peer-from", "Zmlyc3Q"),
            ("hubward-peer-number", "1"),
            ("hubward-peer-client", "1.2.3.4:5"),
            ("hubward-peer-code", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ],
    ] {
        for (method, target) in [("GET", "/hub"), ("POST", "/drain"), ("DELETE", "/"), ("OPTIONS", "/hub")] {
            let mut http = Http::connect(pair.owner.address).await;
            http.send(method, target, headers, b"").await;
            let response = http.response().await;
            assert_eq!((response.status, response.text()), (401, ""), "{method} {}", header_lines(headers));
            http.closed().await;
        }
    }
    assert_eq!(served.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_request_is_served_once_on_its_own_connection() {
    let (pair, served) = start().await;
    let mut first = Bare::connect(pair.owner.address).await;
    let request = first.signed(&pair.keys, 5);
    assert_eq!(first.send(&request).await.status, 200);
    assert_eq!(first.send(&first.signed(&pair.keys, 6)).await.status, 200);
    let mut second = Bare::connect(pair.owner.address).await;
    assert_eq!(second.send(&request).await.status, 401, "it is of another connection");
    assert_eq!(first.send(&request).await.status, 401, "it came before");
    let mut third = Bare::connect(pair.owner.address).await;
    let other = third.signed(&KeyRing::random(), 1);
    assert_eq!(third.send(&other).await.status, 401, "it is of another cluster");
    assert_eq!(served.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn nodes_are_let_in_however_many_connections_others_make_and_hold() {
    let (pair, served) = start().await;
    let mut node = Bare::connect(pair.owner.address).await;
    assert_eq!(node.send(&node.signed(&pair.keys, 1)).await.status, 200);
    let mut strangers = Vec::new();
    for _ in 0..(connections_below_file_limit() / 8).min(1_024) + 20 {
        strangers.push(Bare::connect(pair.owner.address).await);
    }
    assert_eq!(pair.forward(get("/hub")).await.unwrap().status(), StatusCode::OK);
    assert_eq!(node.send(&node.signed(&pair.keys, 2)).await.status, 200, "it has its place already");
    assert_eq!(served.load(Ordering::SeqCst), 3);
    strangers.remove(0).http.closed().await;
    let mut last = strangers.pop().unwrap();
    assert_eq!(last.send(&last.signed(&pair.keys, 1)).await.status, 200);
}

#[tokio::test]
async fn a_node_that_is_full_is_busy_and_what_it_refuses_is_not_its_clients_fault() {
    async fn answer_with(response: &'static str) -> Result<Response<Body>, PeerError> {
        let (listener, directory) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Directory::default());
        directory.add("owner", listener.local_addr().unwrap());
        let client = directory.client(&KeyRing::random());
        let answering = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.readable().await.unwrap();
            socket.write_all(response.as_bytes()).await.unwrap();
            socket
        };
        tokio::join!(forward(&client, get("/hub")), answering).0
    }
    let full = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    assert!(matches!(answer_with(full).await, Err(PeerError::Busy)));
    let refused = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    assert!(matches!(answer_with(refused).await, Err(PeerError::NotAuthentic)));
    assert!(matches!(answer_with("none of HTTP\r\n\r\n").await, Err(PeerError::Unreachable(_))));
}

/// A node with keys that answers each request with these bytes, and then with `more` for ever.
async fn answering(keys: KeyRing, response: &'static str, more: &'static str) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let keys = keys.clone();
            connections.spawn(async move {
                let head = read_head(&mut socket).await;
                let asked = head.lines().find_map(|line| line.strip_prefix("hubward-peer-nonce: ")).unwrap();
                let code = signature::introduce(&keys, &"owner".into(), asked, "n");
                let introduction = format!(
                    "HTTP/1.1 204 No Content\r\nhubward-peer-nonce: n\r\nhubward-peer-code: {code}\r\n\r\n"
                );
                socket.write_all(introduction.as_bytes()).await.unwrap();
                read_head(&mut socket).await;
                let _ = socket.write_all(response.as_bytes()).await;
                while !more.is_empty() && socket.write_all(more.as_bytes()).await.is_ok() {
                    tokio::task::yield_now().await;
                }
                let _ = socket.read(&mut [0]).await;
            });
        }
    });
    (address, serving)
}

async fn read_head(socket: &mut tokio::net::TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn whatever_a_node_answers_costs_a_bounded_time_and_memory_and_no_later_request() {
    for (response, more, expected) in [
        ("", "HTTP/1.1 100 Continue\r\n\r\n", None),
        ("", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", None),
        ("HTTP/1.1 200 OK\r\n", "x: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n", None),
        ("HTTP/1.1 200 OK\r\nx: ", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", None),
        ("SSH-2.0\r\n\r\n", "", None),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", "", None),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\n\r\n", "x", Some("ab")),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nabcde", "", Some("")),
    ] {
        let (keys, directory) = (KeyRing::random(), Directory::default());
        let (address, _serving) = answering(keys.clone(), response, more).await;
        directory.add("owner", address);
        let client = PeerClient::new("first".into(), keys, Arc::new(directory), None, Some(1));
        for _ in 0..2 {
            let timeout = AnswerTimeout::For(std::time::Duration::from_millis(500));
            let forwarded = Forwarded { request: get("/hub"), client: None, timeout };
            match within("an answer", client.forward(&"owner".into(), forwarded)).await {
                Ok(Answer::Response(answer)) => assert_eq!(Some(&*text(answer).await), expected),
                Ok(Answer::Upgraded(..)) => panic!("{response}"),
                Err(PeerError::TooMany) => {
                    panic!("the leave of the one before was not given back: {response}")
                }
                Err(_) => assert_eq!(expected, None, "{response}"),
            }
        }
    }
}

#[tokio::test]
async fn a_node_shows_who_it_is_to_whoever_means_it_and_to_nobody_else() {
    let (pair, _) = start().await;
    let (other, asked) = (signature::encoded(&"other".into()), random_id());
    for headers in [
        &[("hubward-peer-node", &*other), ("hubward-peer-nonce", &*asked)][..],
        &[("hubward-peer-node", "%"), ("hubward-peer-nonce", &asked)],
        &[("hubward-peer-nonce", &*asked)],
    ] {
        let response = Http::exchange(pair.owner.address, "OPTIONS", "/", headers, b"").await;
        assert_eq!((response.status, response.header("hubward-peer-code")), (401, None));
    }
}

#[tokio::test]
async fn nothing_of_a_client_is_sent_to_what_is_not_the_node() {
    let (keys, directory) = (KeyRing::random(), Directory::default());
    let served = Arc::<AtomicUsize>::default();
    let other_node = Served::start("other", &keys, counted(&served), None).await;
    let other_keys = Served::start("owner", &KeyRing::random(), counted(&served), None).await;
    let client = directory.client(&keys);
    for impostor in [&other_node, &other_keys] {
        directory.add("owner", impostor.address);
        assert!(matches!(forward(&client, get("/hub")).await, Err(PeerError::NotAuthentic)));
    }
    assert_eq!(served.load(Ordering::SeqCst), 0);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    directory.add("owner", listener.local_addr().unwrap());
    let recorded = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut all = Vec::new();
        within("the end", socket.read_to_end(&mut all)).await.unwrap();
        String::from_utf8(all).unwrap()
    };
    let request =
        Request::get("/hub?id=secret").header("authorization", "secret").body(Body::empty()).unwrap();
    let (answer, recorded) = tokio::join!(forward(&client, request), recorded);
    assert!(matches!(answer, Err(PeerError::Unreachable(_))));
    assert!(recorded.starts_with("OPTIONS") && !recorded.contains("secret"), "{recorded}");
}
