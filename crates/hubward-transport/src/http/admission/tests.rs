//! What a request passes, and in which order.

use axum::http::Request;
use http::StatusCode;
use hubward_auth::{Cors, DevelopmentIssuer, KeyRing, Policy};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::connections::manager::ConnectionManager;
use crate::raw;

const ORIGIN: &str = "https://app.example";

/// Makes an endpoint for doctors from one origin, with the token of a nurse.
fn doctors_only() -> (Arc<Endpoint>, String) {
    let issuer = DevelopmentIssuer::new("a-secret-of-at-least-32-bytes-for-tests", "issuer", "hubs").unwrap();
    let lifetime = std::time::Duration::from_secs(60);
    let nurse = issuer.mint("n", &["nurse".to_owned()], &[], lifetime, std::time::SystemTime::now()).unwrap();
    let manager =
        ConnectionManager::new("node", KeyRing::random(), CancellationToken::new(), TaskTracker::new());
    let ignore = raw::handler(|_| async { Ok(()) });
    let endpoint = Endpoint::new("/hub", "hub", Arc::new(ignore), manager)
        .authenticator(issuer.authenticator())
        .policies(vec![Policy::any_role(["doctor"])])
        .cors(Cors::origins([ORIGIN]).unwrap());
    (Arc::new(endpoint), format!("Bearer {}", nurse.expose()))
}

async fn response(endpoint: &Arc<Endpoint>, method: Method, headers: &[(&str, &str)]) -> Response {
    let request = headers
        .iter()
        .fold(Request::builder().method(method), |request, (name, value)| request.header(*name, *value));
    let request = request.uri("/hub").body(Body::empty()).unwrap();
    admit(endpoint, request, async |_, _, _| Ok(response::empty(StatusCode::OK))).await
}

#[tokio::test]
async fn a_preflight_is_answered_before_all_checks() {
    let (endpoint, _) = doctors_only();
    for (origin, allowed) in [(ORIGIN, Some(ORIGIN)), ("https://evil.example", None)] {
        let preflight = [("Origin", origin), ("Access-Control-Request-Method", "POST")];
        let response = response(&endpoint, Method::OPTIONS, &preflight).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        let header = response.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        assert_eq!(header.map(|value| value.to_str().unwrap()), allowed);
    }
}

#[tokio::test]
async fn a_refused_request_has_its_cors_headers_and_is_not_served() {
    let (endpoint, nurse) = doctors_only();
    for (authorization, status) in [
        ("", StatusCode::UNAUTHORIZED),
        ("Bearer x.y.z", StatusCode::UNAUTHORIZED),
        (&nurse, StatusCode::FORBIDDEN),
    ] {
        let headers = [("Origin", ORIGIN), ("Authorization", authorization)];
        let response = response(&endpoint, Method::GET, &headers).await;
        assert_eq!(response.status(), status, "{authorization}");
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], ORIGIN);
    }
}

#[tokio::test]
async fn a_refused_token_is_known_to_the_log_and_not_to_the_client() {
    let (endpoint, _) = doctors_only();
    let refused = response(&endpoint, Method::GET, &[("Authorization", "Bearer x.y.z")]).await;
    assert_eq!(refused.headers()[header::WWW_AUTHENTICATE], "Bearer error=\"invalid_token\"");
    let parts = Request::get("/hub").header("Authorization", "Bearer x.y.z").body(()).unwrap().into_parts().0;
    let caller = Caller::of(&endpoint, &parts);
    assert_eq!(caller.token_error.map(|error| error.label()), Some("malformed"));
    assert_eq!(caller.check(&endpoint), Err(Refusal::Unauthenticated(caller.token_error)));
}

#[test]
fn an_empty_connection_token_counts_as_absent() {
    for (uri, token) in [("/hub", None), ("/hub?id=", None), ("/hub?ID=a%2Bb", Some("a+b"))] {
        let parts = Request::get(uri).body(()).unwrap().into_parts().0;
        assert_eq!(connection_token(&parts).as_deref(), token, "{uri}");
    }
}
