//! What hub code sees of a request, and which requests are served.

use hubward_tests::Http;
use serde_json::json;

use crate::node::node;
use crate::wire::Wire;

#[tokio::test]
async fn headers_that_copy_the_target_have_no_token_for_hub_code_or_the_log() {
    const COPIES: [&str; 6] = [
        "X-Original-URI",
        "X-Original-URL",
        "X-Forwarded-Uri",
        "X-Envoy-Original-Path",
        "Referer",
        "X-Rewrite-URL",
    ];
    let node = node();
    for name in COPIES {
        for copied in [
            "/hub?id=SECRET&access_token=SECRET&room=7",
            "https://a.example/hub?room=7&ACCESS_TOKEN=SECRET",
            "/hub?room=7&%69d=SECRET",
            "/hub?room=7;access_token=SECRET",
            "/hub?room=7#access_token=SECRET",
        ] {
            let mut wire = Wire::open(&node.client("/hub").header(name, copied)).await;
            let seen = wire.result("Header", json!([name])).await.to_string();
            assert!(!seen.contains("SECRET"), "{name}: {copied} is seen as {seen}");
        }
    }
    assert!(!node.log().contains("SECRET"));
}

#[tokio::test]
async fn a_host_that_is_not_listed_is_refused() {
    let node = node();
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "", "localhost@evil.example"] {
        let mut http = Http::connect(node.address()).await;
        let head = format!("POST /hub/negotiate HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n");
        http.write(head.as_bytes()).await;
        assert!(http.head().await.status >= 400, "Host: {host}");
    }
    for target in ["http://evil.example/hub/negotiate", "/hub/negotiate"] {
        let mut http = Http::connect(node.address()).await;
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        );
        http.write(head.as_bytes()).await;
        assert!(http.head().await.status >= 400, "two hosts");
    }
}
