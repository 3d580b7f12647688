//! Who may send requests: tokens, policies, the user a connection belongs to, and origins.

use hubward_auth::{Cors, Policy};
use hubward_transport::Endpoint;

use crate::support::{PATH, Server, bearer, issuer, token};

fn doctors_only(endpoint: Endpoint) -> Endpoint {
    endpoint.authenticator(issuer().authenticator()).policies(vec![Policy::any_role(["doctor"])])
}

#[tokio::test]
async fn every_request_is_authorized() {
    let server = Server::echo(doctors_only).await;
    let (nurse, doctor) = (bearer("n", "nurse"), bearer("d", "doctor"));
    for (method, target) in
        [("POST", "/hub/negotiate"), ("GET", PATH), ("POST", PATH), ("DELETE", PATH), ("PUT", PATH)]
    {
        let anonymous = server.request(method, target, &[], b"").await;
        assert_eq!((anonymous.row(), anonymous.header("www-authenticate")), ((401, "", ""), Some("Bearer")));
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
async fn a_refused_token_on_an_open_hub_makes_its_bearer_anonymous() {
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
    assert_eq!(server.get(&target).await.row(), changed, "an anonymous user is another user");
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
async fn every_response_allows_an_allowed_origin_and_no_other() {
    let server =
        Server::echo(|endpoint| doctors_only(endpoint).cors(Cors::origins(["https://app.example"]).unwrap()))
            .await;
    let allowed = [("Origin", "https://app.example")];
    for (method, target) in [("POST", "/hub/negotiate"), ("GET", PATH), ("PUT", PATH)] {
        let response = server.request(method, target, &allowed, b"").await;
        assert_eq!(response.status, 401);
        assert_eq!(response.header("access-control-allow-origin"), Some("https://app.example"));
        assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
        let response = server.request(method, target, &[("Origin", "https://evil.example")], b"").await;
        assert_eq!(response.header("access-control-allow-origin"), None);
    }
    let method = ("Access-Control-Request-Method", "POST");
    let headers = ("Access-Control-Request-Headers", "x-requested-with,x-signalr-user-agent");
    let preflight = server.request("OPTIONS", "/hub/negotiate", &[allowed[0], method, headers], b"").await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://app.example"));
    assert!(
        preflight
            .header("access-control-allow-headers")
            .is_some_and(|names| names.contains("x-signalr-user-agent"))
    );
    let evil = [("Origin", "https://evil.example"), method];
    let preflight = server.request("OPTIONS", "/hub/negotiate", &evil, b"").await;
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, None));
}
