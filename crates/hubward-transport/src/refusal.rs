//! Why a request is refused, with its status and its body: ASP.NET Core's, where it refuses the same. Clients show
//! these bodies. The reason in the log may say more.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use hubward_auth::BearerTokenError;

use crate::transport::Transport;

/// When to try again where this node takes no connections: at once, since others do, but not in a loop.
const RETRY_AFTER_SECONDS: &str = "1";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// With why the bearer token was refused, where one was shown. That is for the log: to the client all refused
    /// tokens are the same.
    Unauthenticated(Option<BearerTokenError>),
    Forbidden,
    OriginNotAllowed,
    MethodNotAllowed,
    IdRequired,
    UnknownId,
    TransportDisabled(Transport),
    TransportChanged,
    AlreadyActive,
    UserChanged,
    /// The connection ended while the request was being read.
    ConnectionEnded,
    PostOnWebSocket,
    BodyAborted,
    BodyTooLarge,
    NotTerminable,
    TooManyWaiting,
    /// More POSTs of one connection wait for their turn than may.
    TooManyPosts,
    /// More headers than a connection may keep.
    HeadersTooLarge,
    /// The node begins no more connections; another one does.
    Draining,
    WebSocketVersion,
    WebSocketHandshake,
    /// Another node took this one for the connection's owner. No client gets this: that node looks again.
    Misdirected,
    /// The node that holds the connection does not answer.
    OwnerSilent,
    /// The node that holds the connection serves as many other nodes' requests as may be.
    OwnerBusy,
    /// It cannot be found out which node holds the connection.
    OwnerUnknown,
    /// More requests are on their way to other nodes than may.
    TooManyForwarded,
}

impl Refusal {
    /// Returns the status.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::OriginNotAllowed | Self::UserChanged => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed | Self::PostOnWebSocket => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnknownId | Self::TransportDisabled(_) | Self::ConnectionEnded => StatusCode::NOT_FOUND,
            Self::AlreadyActive => StatusCode::CONFLICT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TooManyWaiting
            | Self::TooManyPosts
            | Self::Draining
            | Self::OwnerBusy
            | Self::OwnerUnknown
            | Self::TooManyForwarded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::OwnerSilent => StatusCode::GATEWAY_TIMEOUT,
            Self::WebSocketVersion => StatusCode::UPGRADE_REQUIRED,
            Self::IdRequired
            | Self::TransportChanged
            | Self::BodyAborted
            | Self::NotTerminable
            | Self::WebSocketHandshake => StatusCode::BAD_REQUEST,
        }
    }

    /// Returns the body.
    pub(crate) fn body(self) -> &'static str {
        match self {
            Self::IdRequired => "Connection ID required",
            Self::UnknownId => "No Connection with that ID",
            Self::TransportDisabled(Transport::WebSockets) => {
                "WebSockets transport not supported by this end point type"
            }
            Self::TransportDisabled(Transport::ServerSentEvents) => {
                "ServerSentEvents transport not supported by this end point type"
            }
            Self::TransportDisabled(Transport::LongPolling) => {
                "LongPolling transport not supported by this end point type"
            }
            Self::TransportChanged => "Cannot change transports mid-connection",
            Self::UserChanged => "The user associated with this connection changed.",
            Self::PostOnWebSocket => "POST requests are not allowed for WebSocket connections.",
            Self::NotTerminable => "Cannot terminate this connection using the DELETE endpoint.",
            Self::Unauthenticated(_)
            | Self::Forbidden
            | Self::OriginNotAllowed
            | Self::MethodNotAllowed
            | Self::ConnectionEnded
            | Self::AlreadyActive
            | Self::BodyAborted
            | Self::BodyTooLarge
            | Self::TooManyWaiting
            | Self::TooManyPosts
            | Self::HeadersTooLarge
            | Self::Draining
            | Self::WebSocketVersion
            | Self::WebSocketHandshake
            | Self::Misdirected
            | Self::OwnerSilent
            | Self::OwnerBusy
            | Self::OwnerUnknown
            | Self::TooManyForwarded => "",
        }
    }

    /// Returns the reason for the log: the body, or another string where that is empty.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Unauthenticated(Some(_)) => "the token was refused",
            Self::Unauthenticated(None) => "no token",
            Self::Forbidden => "a policy forbids it",
            Self::OriginNotAllowed => "the origin is not allowed",
            Self::UserChanged => "the user changed",
            Self::Draining => "the node is draining",
            Self::TooManyWaiting => "too many connections wait for their first GET",
            Self::TooManyPosts => "too many POSTs of the connection wait",
            Self::HeadersTooLarge => "the headers are too large",
            Self::AlreadyActive => "the connection is active",
            Self::MethodNotAllowed => "the method is not allowed",
            Self::ConnectionEnded => "the connection ended",
            Self::BodyAborted => "the body was aborted",
            Self::BodyTooLarge => "the body is too large",
            Self::WebSocketVersion => "not WebSocket version 13",
            Self::WebSocketHandshake => "not a WebSocket handshake",
            Self::Misdirected => "another node has the connection",
            Self::OwnerSilent => "the connection's node does not answer",
            Self::OwnerBusy => "the connection's node serves too many requests of others",
            Self::OwnerUnknown => "the connection's node cannot be found out",
            Self::TooManyForwarded => "too many requests are on their way to other nodes",
            Self::IdRequired
            | Self::UnknownId
            | Self::TransportDisabled(_)
            | Self::TransportChanged
            | Self::PostOnWebSocket
            | Self::NotTerminable => self.body(),
        }
    }

    /// Makes the whole response.
    pub(crate) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        match self {
            Self::Unauthenticated(error) => {
                let challenge = if error.is_some() { "Bearer error=\"invalid_token\"" } else { "Bearer" };
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
                return response;
            }
            Self::Forbidden => return response,
            Self::WebSocketVersion => {
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            Self::Draining | Self::OwnerBusy | Self::OwnerUnknown | Self::TooManyForwarded => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
            }
            _ => {}
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        response
    }
}
