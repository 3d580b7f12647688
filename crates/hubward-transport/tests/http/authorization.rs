//! Who may: tokens, policies, the user a connection belongs to, origins, and what is logged of it.

use std::time::{Duration, SystemTime};

use hubward_auth::{Cors, DevelopmentIssuer, Policy};
use hubward_transport::Endpoint;

use crate::support::{PATH, Server};

fn issuer() -> DevelopmentIssuer {
    DevelopmentIssuer::new("a-secret-of-at-least-32-bytes-for-tests", "issuer", "hubs").unwrap()
}

fn token(user: &str, role: &str) -> String {
    let roles = [role.to_owned()];
    let token = issuer().mint(user, &roles, &[], Duration::from_secs(60), SystemTime::now()).unwrap();
    token.expose().to_owned()
}

fn bearer(user: &str, role: &str) -> String {
    format!("Bearer {}", token(user, role))
}

fn doctors_only(endpoint: Endpoint) -> Endpoint {
    endpoint.authenticator(issuer().authenticator()).policies(vec![Policy::any_role(["doctor"])])
}

#[tokio::test]
async fn every_request_is_authorised() {
    let server = Server::echo(doctors_only).await;
    let (nurse, doctor) = (bearer("n", "nurse"), bearer("d", "doctor"));
    for (method, target) in
        [("POST", "/hub/negotiate"), ("GET", PATH), ("POST", PATH), ("DELETE", PATH), ("PUT", PATH)]
    {
        let nobody = server.request(method, target, &[], b"").await;
        assert_eq!((nobody.row(), nobody.header("www-authenticate")), ((401, "", ""), Some("Bearer")));
        let bad = server.request(method, target, &[("Authorization", "Bearer x.y.z")], b"").await;
        let challenge = Some("Bearer error=\"invalid_token\"");
        assert_eq!((bad.row(), bad.header("www-authenticate")), ((401, "", ""), challenge));
        let forbidden = server.request(method, target, &[("Authorization", &nurse)], b"").await;
        assert_eq!(forbidden.row(), (403, "", ""));
        let allowed = server.request(method, target, &[("Authorization", &doctor)], b"").await;
        assert!(![401, 403].contains(&allowed.status));
    }
    let target = server.negotiated_with("", &[("Authorization", &doctor)]).await;
    assert_eq!(server.web_socket(&target).await.err().unwrap().row(), (401, "", ""));
    assert!(server.web_socket(&format!("{target}&access_token={}", token("d", "doctor"))).await.is_ok());
}

#[tokio::test]
async fn a_bad_token_on_an_open_hub_is_nobody() {
    let (server, mut connections) =
        Server::taken(|endpoint| endpoint.authenticator(issuer().authenticator())).await;
    let bad = [("Authorization", "Bearer x.y.z")];
    let target = server.negotiated_with("", &bad).await;
    assert!(server.web_socket(&target).await.is_ok());
    assert!(!connections.recv().await.unwrap().principal.is_authenticated());
}

#[tokio::test]
async fn another_user_is_refused_on_every_later_request() {
    let (server, mut connections) =
        Server::taken(|endpoint| endpoint.authenticator(issuer().authenticator())).await;
    let (alice, bob) = (bearer("alice", "nurse"), bearer("bob", "nurse"));
    let (alice, bob) = ([("Authorization", alice.as_str())], [("Authorization", bob.as_str())]);
    let changed = (403, "text/plain", "The user associated with this connection changed.");

    let target = server.negotiated_with("", &alice).await;
    assert_eq!(server.request("GET", &target, &bob, b"").await.row(), changed);
    assert_eq!(server.get(&target).await.row(), changed, "nobody is another user");
    assert_eq!(server.web_socket_with(&target, &bob).await.err().unwrap().row(), changed);
    assert_eq!(server.request("POST", &target, &bob, b"x").await.row(), changed);
    assert_eq!(server.request("GET", &target, &alice, b"").await.status, 200);
    let connection = connections.recv().await.unwrap();
    assert_eq!(connection.principal.user_id().unwrap().as_str(), "alice");
    for method in ["GET", "POST", "DELETE"] {
        assert_eq!(server.request(method, &target, &bob, b"x").await.row(), changed, "{method}");
    }
    let fresh = bearer("alice", "doctor");
    let fresh = [("Authorization", fresh.as_str())];
    assert_eq!(
        server.request("POST", &target, &fresh, b"x").await.status,
        200,
        "a fresh token, the same user"
    );
}

#[tokio::test]
async fn an_allowed_origin_is_told_so_on_every_answer_and_others_are_not() {
    let server =
        Server::echo(|endpoint| doctors_only(endpoint).cors(Cors::origins(["https://app.example"]).unwrap()))
            .await;
    let allowed = [("Origin", "https://app.example")];
    for (method, target) in [("POST", "/hub/negotiate"), ("GET", PATH), ("PUT", PATH)] {
        let answer = server.request(method, target, &allowed, b"").await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        let answer = server.request(method, target, &[("Origin", "https://evil.example")], b"").await;
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let asks = ("Access-Control-Request-Method", "POST");
    let headers = ("Access-Control-Request-Headers", "x-requested-with,x-signalr-user-agent");
    let preflight = server.request("OPTIONS", "/hub/negotiate", &[allowed[0], asks, headers], b"").await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://app.example"));
    assert!(
        preflight
            .header("access-control-allow-headers")
            .is_some_and(|names| names.contains("x-signalr-user-agent"))
    );
    let evil = [("Origin", "https://evil.example"), asks];
    let preflight = server.request("OPTIONS", "/hub/negotiate", &evil, b"").await;
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, None));
}
