//! What is logged of accepted and refused connections. A program of its own: whether a line is wanted is decided
//! once for all threads of a program, and the other tests want none.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail as tests do"
)]

#[path = "http/support.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod support;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hubward_auth::{DevelopmentIssuer, Policy};
use parking_lot::Mutex;

use support::Server;

fn issuer() -> DevelopmentIssuer {
    DevelopmentIssuer::new("a-secret-of-at-least-32-bytes-for-tests", "issuer", "hubs").unwrap()
}

fn bearer(user: &str, role: &str) -> String {
    let roles = [role.to_owned()];
    let token = issuer().mint(user, &roles, &[], Duration::from_secs(60), SystemTime::now()).unwrap();
    format!("Bearer {}", token.expose())
}

#[tokio::test]
async fn what_was_accepted_or_refused_is_one_line_without_tokens() {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = Server::echo(|endpoint| {
        endpoint.authenticator(issuer().authenticator()).policies(vec![Policy::any_role(["doctor"])])
    })
    .await;
    let doctor = bearer("d", "doctor");
    let target = server.negotiated_with("", &[("Authorization", &doctor)]).await;
    server.get(&format!("{target}&access_token=abc.def.ghi")).await;
    server.request("GET", &target, &[("Authorization", &bearer("n", "nurse"))], b"").await;
    server.request("GET", &target, &[("Authorization", &doctor)], b"").await;

    let log = String::from_utf8(written.0.lock().clone()).unwrap();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("hubward_transport")).collect();
    assert_eq!(lines.len(), 3, "{log}");
    assert!(lines[0].contains("WARN") && lines[0].contains("A connection was refused."), "{log}");
    assert!(lines[0].contains("reason=\"the token does not hold\""), "{log}");
    assert!(lines[1].contains("INFO") && lines[1].contains("user=\"n\""), "{log}");
    assert!(
        lines[2].contains("A connection was accepted.") && lines[2].contains("transport=\"LongPolling\""),
        "{log}"
    );
    assert!(lines[2].contains("connection_id=") && lines[2].contains("user=\"d\""), "{log}");
    let secrets = ["abc.def", target.split_once("id=").unwrap().1, doctor.split_once(' ').unwrap().1];
    assert!(secrets.iter().all(|secret| !log.contains(secret)), "{log}");
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
