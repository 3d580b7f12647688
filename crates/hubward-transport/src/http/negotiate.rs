//! Negotiate: a new id and a sealed token for it. Nothing is stored, so a flood of negotiates costs no memory.

use std::time::SystemTime;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, header};
use hubward_auth::{ConnectionTokenClaims, Identity, random_id};
use hubward_types::{ConnectionId, HubName, Principal};
use serde::Serialize;

use crate::request_info::query_value;
use crate::{ConnectionManager, Transport, TransportOptions};

/// The newest version of negotiate: the token is another text than the id.
const VERSION: i32 = 1;

/// What begins the id inside a token of version 0, where the sealed text is the public id as well. No random id
/// holds it.
const VERSION_0_MARK: &str = "~";

/// In SignalR's order, which is part of the recorded answers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NegotiateResponse<'a> {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    use_stateful_reconnect: bool,
    negotiate_version: i32,
    connection_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_token: Option<&'a str>,
    available_transports: Vec<AvailableTransport>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AvailableTransport {
    transport: &'static str,
    transfer_formats: &'static [&'static str],
}

/// Errors are answered 200 as well.
#[derive(Serialize)]
struct NegotiateError {
    error: String,
}

pub(crate) fn negotiate(
    manager: &ConnectionManager,
    hub: &HubName,
    options: &TransportOptions,
    principal: &Principal,
    query: Option<&str>,
    now: SystemTime,
) -> Response {
    let version = match version(query, options.minimum_protocol_version) {
        Ok(version) => version,
        Err(error) => return json(serde_json::to_vec(&NegotiateError { error })),
    };
    let asked_stateful = query_value(query, "useStatefulReconnect")
        .is_some_and(|value| trimmed(&value).eq_ignore_ascii_case("true"));
    let stateful = options.allow_stateful_reconnects && asked_stateful;
    let random = random_id();
    let connection_id = match version {
        0 => ConnectionId::from(format!("{VERSION_0_MARK}{random}")),
        _ => random,
    };
    let sealed = ConnectionTokenClaims {
        connection_id,
        hub: hub.clone(),
        owner: manager.node_id().clone(),
        identity: Identity::of(principal),
        stateful,
        issued_at: now,
        expires_at: now + options.connect_timeout,
    };
    let token = manager.keys().seal(&sealed);
    json(serde_json::to_vec(&NegotiateResponse {
        use_stateful_reconnect: stateful,
        negotiate_version: version,
        connection_id: if version == 0 { token.expose() } else { sealed.connection_id.as_str() },
        connection_token: (version > 0).then_some(token.expose()),
        available_transports: available_transports(options),
    }))
}

/// Returns the name under which others know the connection that this token opens.
pub(crate) fn public_id(sealed: &ConnectionTokenClaims, token: &str) -> ConnectionId {
    if sealed.connection_id.as_str().starts_with(VERSION_0_MARK) {
        token.into()
    } else {
        sealed.connection_id.clone()
    }
}

fn version(query: Option<&str>, minimum: i32) -> Result<i32, String> {
    let asked = match query_value(query, "negotiateVersion") {
        None => 0,
        Some(text) => trimmed(&text)
            .parse::<i32>()
            .map_err(|_| "The client requested a non-integer protocol version.".to_owned())?,
    };
    if asked < minimum {
        return Err(format!(
            "The client requested version '{asked}', but the server does not support this version."
        ));
    }
    Ok(asked.min(VERSION))
}

/// Takes away what .NET passes over around a number or a truth value: ASCII white space, and NUL.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| matches!(c, '\t'..='\r' | ' ' | '\0'))
}

fn available_transports(options: &TransportOptions) -> Vec<AvailableTransport> {
    [
        (options.web_sockets, Transport::WebSockets),
        (options.server_sent_events, Transport::ServerSentEvents),
        (options.long_polling, Transport::LongPolling),
    ]
    .into_iter()
    .filter(|(offered, _)| *offered)
    .map(|(_, transport)| AvailableTransport {
        transport: transport.name(),
        transfer_formats: if transport.carries_binary() { &["Text", "Binary"] } else { &["Text"] },
    })
    .collect()
}

/// Texts and numbers always become JSON; should they not, the body is empty and the client says so.
fn json(bytes: serde_json::Result<Vec<u8>>) -> Response {
    let mut response = Response::new(Body::from(bytes.unwrap_or_default()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_as_signalr_reads_it() {
        let cases = [
            (None, 0, Ok(0)),
            (Some("negotiateVersion=1"), 0, Ok(1)),
            (Some("NegotiateVersion=%201%20"), 0, Ok(1)),
            (Some("negotiateVersion=%2B1"), 0, Ok(1)),
            (Some("negotiateVersion=1%0A%00"), 0, Ok(1)),
            (
                Some("negotiateVersion=%C2%A01"),
                0,
                Err("The client requested a non-integer protocol version."),
            ),
            (
                Some("negotiateVersion=1&negotiateVersion=0"),
                0,
                Err("The client requested a non-integer protocol version."),
            ),
            (Some("negotiateVersion=99"), 0, Ok(1)),
            (Some("negotiateVersion="), 0, Err("The client requested a non-integer protocol version.")),
            (
                Some("negotiateVersion=99999999999"),
                0,
                Err("The client requested a non-integer protocol version."),
            ),
            (
                Some("negotiateVersion=-1"),
                0,
                Err("The client requested version '-1', but the server does not support this version."),
            ),
            (None, 1, Err("The client requested version '0', but the server does not support this version.")),
        ];
        for (query, minimum, expected) in cases {
            assert_eq!(version(query, minimum), expected.map_err(str::to_owned), "{query:?} {minimum}");
        }
    }
}
