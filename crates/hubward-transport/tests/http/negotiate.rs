//! Negotiate's responses.

use std::time::Duration;

use crate::support::{PATH, Server, options, unchanged};

#[tokio::test]
async fn a_version_1_response_has_signalrs_order_and_a_token_of_its_own() {
    let server = Server::echo(unchanged).await;
    let response = server.post("/hub/negotiate?negotiateVersion=1", b"").await;
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
    assert_eq!(response.header("content-length"), Some(response.body.len().to_string().as_str()));
    let json = response.json();
    let (id, token) = (json["connectionId"].as_str().unwrap(), json["connectionToken"].as_str().unwrap());
    assert_eq!(id.len(), 22);
    assert_ne!(id, token);
    assert_eq!(
        response.text(),
        format!(
            "{{\"negotiateVersion\":1,\"connectionId\":\"{id}\",\"connectionToken\":\"{token}\",\
             \"availableTransports\":[\
             {{\"transport\":\"WebSockets\",\"transferFormats\":[\"Text\",\"Binary\"]}},\
             {{\"transport\":\"ServerSentEvents\",\"transferFormats\":[\"Text\"]}},\
             {{\"transport\":\"LongPolling\",\"transferFormats\":[\"Text\",\"Binary\"]}}]}}"
        )
    );
}

#[tokio::test]
async fn a_version_0_response_has_an_id_that_opens_the_connection_and_names_it() {
    let (server, mut connections) = Server::taken(unchanged).await;
    for query in ["", "?negotiateVersion=0"] {
        let json = server.post(&format!("{PATH}/negotiate{query}"), b"").await.json();
        assert_eq!(json["negotiateVersion"], 0);
        assert!(json.get("connectionToken").is_none());
        let id = json["connectionId"].as_str().unwrap();
        assert_eq!(server.get(&format!("{PATH}?id={id}")).await.status, 200);
        assert_eq!(connections.recv().await.unwrap().id.as_str(), id);
    }
}

#[tokio::test]
async fn stateful_reconnect_is_granted_where_it_is_allowed_and_asked_for() {
    for (allowed, query, granted) in [
        (true, "&useStatefulReconnect=true", true),
        (true, "&usestatefulreconnect=TRUE", true),
        (true, "&useStatefulReconnect=1", false),
        (true, "", false),
        (false, "&useStatefulReconnect=true", false),
    ] {
        let server = Server::echo(options(|options| options.allow_stateful_reconnects = allowed)).await;
        let response = server.post(&format!("{PATH}/negotiate?negotiateVersion=1{query}"), b"").await;
        assert_eq!(response.text().starts_with("{\"useStatefulReconnect\":true,"), granted, "{query}");
    }
}

#[tokio::test]
async fn errors_have_status_200() {
    let server = Server::echo(options(|options| options.minimum_protocol_version = 1)).await;
    for (query, error) in [
        ("", "The client requested version '0', but the server does not support this version."),
        ("?negotiateVersion=x", "The client requested a non-integer protocol version."),
    ] {
        let response = server.post(&format!("{PATH}/negotiate{query}"), b"").await;
        assert_eq!(response.status, 200);
        assert_eq!(response.text(), format!("{{\"error\":\"{error}\"}}"));
    }
}

#[tokio::test]
async fn no_token_is_valid_for_more_than_an_hour() {
    let server = Server::echo(options(|options| options.connect_timeout = Duration::MAX)).await;
    let target = server.negotiated().await;
    let claims = server.manager.keys().open(target.split_once("id=").unwrap().1).unwrap();
    let life = claims.expires_at.duration_since(claims.issued_at).unwrap();
    assert!(life <= Duration::from_secs(3600), "{life:?}");
}

#[tokio::test]
async fn only_post_negotiates() {
    let server = Server::echo(unchanged).await;
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let response = server.request(method, "/hub/negotiate", &[], b"").await;
        assert_eq!(response.row(), (405, "text/plain", ""), "{method}");
    }
}

#[tokio::test]
async fn transports_that_are_off_are_not_offered() {
    let server = Server::echo(options(|options| options.web_sockets = false)).await;
    let json = server.post("/hub/negotiate?negotiateVersion=1", b"").await.json();
    let offered: Vec<_> =
        json["availableTransports"].as_array().unwrap().iter().map(|each| &each["transport"]).collect();
    assert_eq!(offered, ["ServerSentEvents", "LongPolling"]);
}
