//! One server: its options, and the faults that a test can give it.

use std::time::Duration;

use hubward_testing::eventually;
use hubward_testing::redis::{Data, RedisOptions, RedisServer, Tls};

#[tokio::test]
async fn a_server_answers_and_reports_errors() {
    let server = RedisServer::start(RedisOptions::default()).await;
    assert_eq!(server.cli(&["set", "key", "a value"]).await, "OK");
    assert_eq!(server.cli(&["get", "key"]).await, "a value");
    let error = server.try_cli(&["incr", "key"]).await.unwrap_err();
    assert!(error.contains("not an integer"), "{error}");
    server.cli_with(&["set", "bytes"], b"\x00\xff").await;
    assert_eq!(server.cli(&["strlen", "bytes"]).await, "2");
    assert_eq!(server.url(), format!("redis://{}", server.address()));
    assert_eq!(server.info("process_id").await, server.process_id().to_string());
}

#[tokio::test]
async fn many_servers_start_at_the_same_time() {
    let start = || RedisServer::start(RedisOptions::default());
    let servers: [RedisServer; 5] = tokio::join!(start(), start(), start(), start(), start()).into();
    for server in &servers {
        assert_eq!(server.info("tcp_port").await, server.address().port().to_string());
    }
}

#[tokio::test]
async fn a_server_restarts_with_or_without_its_data_on_the_same_port() {
    for is_persistent in [false, true] {
        let mut server = RedisServer::start(RedisOptions { is_persistent, ..RedisOptions::default() }).await;
        let address = server.address();
        server.cli(&["set", "key", "value"]).await;
        server.restart(Data::Kept).await;
        assert_eq!(server.cli(&["get", "key"]).await, "value");
        server.restart(Data::Lost).await;
        assert_eq!(server.cli(&["dbsize"]).await, "0");
        assert_eq!(server.address(), address);
    }
}

#[tokio::test]
async fn only_a_persistent_server_has_its_data_after_it_was_killed() {
    for (is_persistent, size) in [(false, "0"), (true, "1")] {
        let mut server = RedisServer::start(RedisOptions { is_persistent, ..RedisOptions::default() }).await;
        server.cli(&["set", "key", "value"]).await;
        server.kill();
        assert!(!server.is_running());
        assert!(std::net::TcpStream::connect(server.address()).is_err());
        server.restart(Data::Kept).await;
        assert_eq!(server.cli(&["dbsize"]).await, size);
    }
}

#[tokio::test]
async fn a_server_that_is_paused_accepts_and_does_not_answer() {
    let mut server = RedisServer::start(RedisOptions::default()).await;
    server.pause();
    let early = tokio::time::timeout(Duration::from_millis(100), server.cli(&["ping"])).await;
    assert!(early.is_err(), "{early:?}");
    server.continue_();
    assert_eq!(server.cli(&["ping"]).await, "PONG");
    server.pause();
    server.restart(Data::Lost).await;
}

#[tokio::test]
async fn passwords_and_users_are_asked_for_and_the_test_is_always_let_in() {
    let users = vec!["default off".to_owned(), "alice on >secret ~a:* &a:* +get +set".to_owned()];
    let server = RedisServer::start(RedisOptions { users, ..RedisOptions::default() }).await;
    let port = server.address().port().to_string();
    let ask = async |login: &[&str], key: &str| {
        let output = tokio::process::Command::new("redis-cli")
            .args(["-e", "--no-auth-warning", "-p", &port])
            .args(login)
            .args(["get", key])
            .output();
        output.await.unwrap().status.success()
    };
    let alice = ["--user", "alice", "--pass", "secret"];
    assert!(ask(&alice, "a:1").await);
    assert!(!ask(&alice, "b:1").await);
    assert!(!ask(&["--user", "alice", "--pass", "wrong"], "a:1").await);
    assert!(!ask(&[], "a:1").await);
    server.cli(&["set", "b:1", "value"]).await;

    let password = Some("pass word".to_owned());
    let server = RedisServer::start(RedisOptions { password, ..RedisOptions::default() }).await;
    server.cli(&["ping"]).await;
    assert_eq!(server.url(), format!("redis://:pass word@{}", server.address()));
}

#[tokio::test]
async fn tls_asks_for_a_client_certificate_only_where_it_is_to() {
    for (tls, is_asked) in [(Tls::On, false), (Tls::WithClientCertificates, true)] {
        let server = RedisServer::start(RedisOptions { tls, ..RedisOptions::default() }).await;
        assert!(server.url().starts_with("rediss://"), "{}", server.url());
        assert_eq!(server.cli(&["ping"]).await, "PONG");
        let files = server.certificates().unwrap();
        let mut command = tokio::process::Command::new("redis-cli");
        command.args(["-e", "-p", &server.address().port().to_string(), "--tls", "--cacert"]);
        let output = command.arg(&files.authority).arg("ping").output().await.unwrap();
        assert_eq!(output.status.success(), !is_asked, "{output:?}");
    }
}

#[tokio::test]
async fn settings_reach_the_server() {
    let settings = vec!["maxmemory 2mb".to_owned(), "maxmemory-policy noeviction".to_owned()];
    let server = RedisServer::start(RedisOptions { settings, ..RedisOptions::default() }).await;
    eventually("no memory", async || {
        server.try_cli(&["setrange", "big", "3000000", "x"]).await.is_err_and(|error| error.contains("OOM"))
            || server.try_cli(&["set", "more", "x"]).await.is_err_and(|error| error.contains("OOM"))
    })
    .await;
}
