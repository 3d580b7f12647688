//! Negotiate: a new id and the connection token for it. Nothing is stored, so a flood of negotiate requests costs no memory.

use std::time::Duration;

use axum::response::Response;
use http::request::Parts;
use hubward_auth::{ConnectionTokenClaims, Identity, random_id};
use hubward_types::ConnectionId;
use serde::Serialize;

use super::admission::Admitted;
use super::caller::Caller;
use super::public_id::VERSION_0_MARK;
use super::response::json;
use crate::endpoint::Endpoint;
use crate::options::{TransportOptions, VERSION};
use crate::refusal::Refusal;
use crate::request_info::query_value;
use crate::transport::Transport;

/// How long a token may be used, whatever the connect timeout: used ones are remembered until then, so that there has to
/// be a bound, and a client that connects later than this negotiates anew.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);

/// The fields in SignalR's order, which the recorded answers hold.
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

/// An error of negotiate. Its status is 200 as well, as in ASP.NET Core.
#[derive(Serialize)]
struct NegotiateError {
    error: String,
}

pub(crate) fn negotiate(admitted: &Admitted<'_>, parts: &Parts) -> Result<Response, Refusal> {
    let Endpoint { manager, hub, options, .. } = &**admitted.endpoint;
    let Caller { principal, now, .. } = &admitted.caller;
    manager.check_begins()?;
    let query = parts.uri.query();
    let version = match version(query, options.minimum_protocol_version) {
        Ok(version) => version,
        Err(error) => return Ok(serialized(&NegotiateError { error })),
    };
    let stateful_requested = query_value(query, "useStatefulReconnect")
        .is_some_and(|value| trimmed(&value).eq_ignore_ascii_case("true"));
    let stateful = options.allow_stateful_reconnects && stateful_requested;
    let random = random_id();
    let connection_id = match version {
        0 => ConnectionId::from(format!("{VERSION_0_MARK}{random}")),
        _ => random.into(),
    };
    let claims = ConnectionTokenClaims {
        connection_id,
        hub: hub.clone(),
        owner: manager.node_id().clone(),
        identity: Identity::of(principal),
        stateful,
        issued_at: *now,
        expires_at: *now + options.connect_timeout.min(LONGEST_LIFE),
    };
    let token = manager.keys().seal(&claims);
    Ok(serialized(&NegotiateResponse {
        use_stateful_reconnect: stateful,
        negotiate_version: version,
        connection_id: if version == 0 { token.expose() } else { claims.connection_id.as_str() },
        connection_token: (version > 0).then_some(token.expose()),
        available_transports: available_transports(options),
    }))
}

fn version(query: Option<&str>, minimum: i32) -> Result<i32, String> {
    let requested = match query_value(query, "negotiateVersion") {
        None => 0,
        Some(value) => trimmed(&value)
            .parse::<i32>()
            .map_err(|_| "The client requested a non-integer protocol version.".to_owned())?,
    };
    if requested < minimum {
        return Err(format!(
            "The client requested version '{requested}', but the server does not support this version."
        ));
    }
    Ok(requested.min(VERSION))
}

/// Removes what .NET skips around a number or a boolean: ASCII white space and NUL.
fn trimmed(value: &str) -> &str {
    value.trim_matches(|c: char| matches!(c, '\t'..='\r' | ' ' | '\0'))
}

fn available_transports(options: &TransportOptions) -> Vec<AvailableTransport> {
    let offered = Transport::ALL.into_iter().filter(|transport| options.offers(*transport));
    offered
        .map(|transport| AvailableTransport {
            transport: transport.name(),
            transfer_formats: if transport.carries_binary() { &["Text", "Binary"] } else { &["Text"] },
        })
        .collect()
}

/// Serializes a response. Strings and numbers cannot fail to become JSON; if they did, the body would be empty, which
/// the client reports.
fn serialized(response: &impl Serialize) -> Response {
    json(serde_json::to_vec(response).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_parsed_as_signalr_parses_it() {
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
