//! The paths of hubs, which are found whatever the case of their letters, however their routes came into the program's.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use axum::Router;
use axum::routing::get;
use hubward::{Hub, Hubward, RawEndpoint, ServeOptions};
use hubward_testing::Http;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Checks the statuses of requests to a router.
async fn check(router: Router, requests: &[(&str, &str, u16)]) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(hubward::serve(listener, router, ServeOptions::default()));
    for (method, target, status) in requests {
        let response = Http::exchange(address, method, target, &[], b"").await;
        assert_eq!(response.status, *status, "{method} {target}");
    }
}

fn hubs() -> Hubward {
    let raw = RawEndpoint::new(hubward::transport::raw::handler(async |_| Ok(())));
    Hubward::builder().hub("/Hubs/Chat", Hub::new("hub")).raw("/raw", raw).build().unwrap()
}

fn page() -> Router {
    Router::new().route("/page", get(async || "page")).fallback(async || "fallback")
}

#[tokio::test]
async fn a_hub_is_found_by_any_spelling_and_the_rest_of_the_program_by_its_own() {
    let requests = [
        ("POST", "/Hubs/Chat/negotiate?negotiateVersion=1", 200),
        ("POST", "/hubs/chat/negotiate?negotiateVersion=1", 200),
        ("POST", "/HUBS/CHAT/Negotiate/?negotiateVersion=1", 200),
        ("GET", "/hubs/CHAT?id=x", 404),
        ("GET", "/hubs/chat/", 400),
        ("POST", "/RAW/NEGOTIATE?negotiateVersion=1", 200),
        ("GET", "/page", 200),
        ("GET", "/PAGE", 200),
    ];
    check(hubs().mount(page()), &requests).await;
    check(
        hubs().mount(Router::new()).merge(Router::new().route("/page", get(async || "page"))),
        &requests[..7],
    )
    .await;
}

#[tokio::test]
async fn a_hub_under_a_prefix_is_found_by_any_spelling_of_its_own_path() {
    let requests = [
        ("POST", "/api/Hubs/Chat/negotiate?negotiateVersion=1", 200),
        ("POST", "/api/HUBS/chat/Negotiate?negotiateVersion=1", 200),
        ("POST", "/api/raw/negotiate?negotiateVersion=1", 200),
        ("GET", "/api/Raw?id=x", 404),
        ("GET", "/api/page", 200),
        ("POST", "/Hubs/Chat/negotiate", 404),
    ];
    check(Router::new().nest("/api", hubs().mount(page())), &requests).await;
    let outer = Router::new().nest("/api", hubs().mount(Router::new()));
    check(outer.route("/page", get(async || "page")), &requests[..4]).await;
}
