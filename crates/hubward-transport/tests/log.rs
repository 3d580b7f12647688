//! What is logged of accepted and refused connections. A program of its own: whether a line is wanted is decided
//! once for all threads of a program, and the other tests want none.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail as tests do"
)]

#[path = "support/support.rs"]
#[allow(dead_code, unused_imports, reason = "the other tests use the rest")]
mod support;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hubward_auth::{Authenticator, DevelopmentIssuer, JwtConfig, JwtKey, Policy};
use hubward_testing::{Http, Response};
use hubward_transport::ServeOptions;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use support::tokens::token_of;
use support::{PATH, Server, bearer, issuer, token};

const SECRET: &str = "a-secret-of-at-least-32-bytes-for-tests";

#[tokio::test]
async fn what_was_accepted_or_refused_is_one_line_without_tokens() {
    let (written, _guard) = Written::start();
    let server = Server::echo(|endpoint| {
        endpoint.authenticator(issuer().authenticator()).policies(vec![Policy::any_role(["doctor"])])
    })
    .await;
    let doctor = bearer("d", "doctor");
    let target = server.negotiated_with("", &[("Authorization", &doctor)]).await;
    server.get(&format!("{target}&access_token=abc.def.ghi")).await;
    server.request("GET", &target, &[("Authorization", &bearer("n", "nurse"))], b"").await;
    server.request("GET", &target, &[("Authorization", &doctor)], b"").await;

    let log = written.take();
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines.len(), 3, "{log}");
    assert!(lines[0].contains("INFO") && lines[0].contains("A connection was refused."), "{log}");
    assert!(lines[0].contains("reason=\"the token was refused\""), "{log}");
    assert!(lines[1].contains("INFO") && lines[1].contains("user=\"n\""), "{log}");
    assert!(
        lines[2].contains("A connection was accepted.") && lines[2].contains("transport=\"LongPolling\""),
        "{log}"
    );
    assert!(lines[2].contains("connection_id=") && lines[2].contains("user=\"d\""), "{log}");
    // As the lines of calls and of ends have them, so that one search finds all of a connection.
    assert!(!log.contains("connection_id=\"") && !log.contains("hub=\""), "{log}");
    let secrets = ["abc.def", target.split_once("id=").unwrap().1, doctor.split_once(' ').unwrap().1];
    assert!(secrets.iter().all(|secret| !log.contains(secret)), "{log}");
}

/// Checks tokens of [`issuer`], by a key that has a name.
fn authenticator() -> Authenticator {
    Authenticator::jwt(JwtConfig {
        issuers: vec!["issuer".into()],
        audiences: vec!["hubs".into()],
        ..JwtConfig::new([JwtKey::hmac(SECRET).unwrap().with_id("known")])
    })
    .unwrap()
}

/// Bearer tokens with the label of their error.
fn refused_tokens() -> [(String, &'static str); 6] {
    let now = SystemTime::now();
    let of = |secret, name, audience| {
        token_of(&DevelopmentIssuer::new(secret, name, audience).unwrap(), "d", "doctor", now)
    };
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT","kid":"unknown"}"#);
    let valid = token("d", "doctor");
    [
        (token_of(&issuer(), "d", "doctor", now - Duration::from_secs(120)), "expired"),
        (of("another-secret-of-at-least-32-bytes", "issuer", "hubs"), "bad_signature"),
        (of(SECRET, "issuer", "others"), "wrong_audience"),
        (of(SECRET, "another", "hubs"), "wrong_issuer"),
        (format!("{header}.{}", valid.split_once('.').unwrap().1), "unknown_key"),
        ("x.y.z".into(), "malformed"),
    ]
}

/// Returns the value of a field of a log line.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) = line.split_once(&format!(" {name}=\""))?;
    value.split_once('"').map(|(value, _)| value)
}

#[tokio::test]
async fn why_a_token_was_refused_reaches_the_log_and_not_the_client() {
    let (written, _guard) = Written::start();
    let server = Server::echo(|endpoint| {
        endpoint.authenticator(authenticator()).policies(vec![Policy::authenticated()])
    })
    .await;
    let mut responses = Vec::new();
    for (token, label) in refused_tokens() {
        let authorization = format!("Bearer {token}");
        let headers = [("Authorization", authorization.as_str())];
        responses.push(server.request("POST", "/hub/negotiate", &headers, b"").await);
        let log = written.take();
        assert!(log.contains("INFO") && log.contains("A connection was refused."), "{log}");
        assert_eq!(field(&log, "reason"), Some("the token was refused"));
        assert_eq!(field(&log, "token_error"), Some(label), "{log}");
        assert!(token.split('.').all(|part| part.len() == 1 || !log.contains(part)), "{log}");
    }
    for Response { status, headers, body } in &mut responses {
        headers.remove("date");
        let challenge = headers["www-authenticate"].as_str();
        assert_eq!((*status, challenge, body.len()), (401, "Bearer error=\"invalid_token\"", 0));
    }
    assert!(responses.iter().all(|response| response.headers == responses[0].headers));
}

#[tokio::test]
async fn without_a_token_there_is_no_token_error() {
    let (written, _guard) = Written::start();
    let server = Server::echo(|endpoint| {
        endpoint.authenticator(authenticator()).policies(vec![Policy::authenticated()])
    })
    .await;
    assert_eq!(server.post("/hub/negotiate", b"").await.status, 401);
    let log = written.take();
    assert_eq!((field(&log, "reason"), field(&log, "token_error")), (Some("no token"), None), "{log}");
}

#[tokio::test]
async fn a_connection_that_a_refused_token_made_anonymous_is_accepted_with_its_error() {
    let (written, _guard) = Written::start();
    let server = Server::echo(|endpoint| endpoint.authenticator(authenticator())).await;
    let refused = [("Authorization", "Bearer x.y.z")];
    let target = server.negotiated_with("", &refused).await;
    assert_eq!(server.request("GET", &target, &refused, b"").await.status, 200);
    let log = written.take();
    assert!(log.contains("A connection was accepted."), "{log}");
    assert_eq!((field(&log, "token_error"), field(&log, "user")), (Some("malformed"), None), "{log}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_refusals_is_a_few_lines_and_their_number() {
    let (written, _guard) = Written::start();
    let server = Server::echo(|endpoint| endpoint.policies(vec![Policy::authenticated()])).await;
    let user = "x".repeat(2000);
    for _ in 0..1000 {
        assert_eq!(server.post("/hub/negotiate", user.as_bytes()).await.status, 401);
    }
    let mut log = written.take();
    while !log.contains("More connections were refused.") {
        tokio::time::sleep(Duration::from_secs(1)).await;
        log.push_str(&written.take());
    }
    let lines: Vec<_> = log.lines().collect();
    assert!(lines.len() < 50, "{log}");
    assert!(lines.iter().all(|line| line.contains("INFO") && line.contains("no token")), "{log}");
    assert!(lines.last().is_some_and(|line| line.contains(" refused=")), "{log}");
}

#[tokio::test]
async fn a_flood_of_connections_is_a_bounded_number_of_lines_and_the_number_of_the_rest() {
    const CONNECTIONS: usize = 1200;
    /// Lines in ten seconds.
    const LINES: u64 = 1000;
    let (written, _guard) = Written::start();
    let server = Server::echo(|endpoint| endpoint).await;
    let began = Instant::now();
    for _ in 0..CONNECTIONS {
        assert!(server.web_socket(PATH).await.is_ok());
    }
    let most = LINES * (1 + began.elapsed().as_secs() / 10);
    server.manager.closing().cancel();
    let mut log = String::new();
    let number = |line: &str| line.split_once(" accepted=").map_or(1, |(_, number)| number.parse().unwrap());
    // The number of the rest is logged at the shutdown.
    while log.lines().map(number).sum::<usize>() < CONNECTIONS {
        tokio::task::yield_now().await;
        log.push_str(&written.take());
    }
    let lines = log.matches("A connection was accepted.").count() as u64;
    assert!(lines <= most, "{lines} lines");
    assert!(log.lines().all(|line| line.contains("INFO") && line.contains(" hub=")), "{log}");
}

#[tokio::test]
async fn who_has_no_place_and_which_host_is_not_listed_is_logged_in_brief() {
    let (written, _guard) = Written::start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let options = ServeOptions { max_connections: 1, hosts: vec!["a".into()], ..ServeOptions::default() };
    let mut serving = JoinSet::new();
    serving.spawn(hubward_transport::serve(listener, axum::Router::new(), options));
    let mut first = Http::connect(address).await;
    for _ in 0..100 {
        first.write(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(20_000)).as_bytes()).await;
        assert_eq!(first.response().await.status, 400);
    }
    for _ in 0..100 {
        assert_eq!(Http::connect(address).await.head().await.status, 503);
    }
    let log = written.take();
    assert!(log.contains("INFO") && log.contains("its host is not listed"), "{log}");
    assert!(log.contains("WARN") && log.contains("there are too many. max_connections=1"), "{log}");
    assert!(log.lines().all(|line| line.len() < 300) && log.lines().count() < 50, "{log}");
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    /// Begins to collect what this thread logs.
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let written = Self::default();
        let writer = written.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        (written, tracing::subscriber::set_default(subscriber))
    }

    /// Returns the lines of the transport since this was last called.
    fn take(&self) -> String {
        let log = String::from_utf8(std::mem::take(&mut self.0.lock())).unwrap();
        log.lines()
            .filter(|line| line.contains("hubward_transport"))
            .map(|line| format!("{line}\n"))
            .collect()
    }
}

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
