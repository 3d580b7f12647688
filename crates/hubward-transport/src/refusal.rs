//! Every answer that is not what was asked for, with its status and text as ASP.NET Core gives them. Clients show
//! these texts and tests look for them.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use crate::Transport;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    Unauthenticated {
        token_shown: bool,
    },
    Forbidden,
    OriginNotAllowed,
    MethodNotAllowed,
    IdRequired,
    UnknownId,
    TransportDisabled(Transport),
    TransportChanged,
    AlreadyActive,
    UserChanged,
    /// The connection ended while the request was on its way.
    Gone,
    PostOnWebSocket,
    BodyAborted,
    BodyTooLarge,
    NotTerminable,
    TooManyWaiting,
    Draining,
    WebSocketVersion,
    WebSocketHandshake,
}

impl Refusal {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::OriginNotAllowed | Self::UserChanged => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed | Self::PostOnWebSocket => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnknownId | Self::TransportDisabled(_) | Self::Gone => StatusCode::NOT_FOUND,
            Self::AlreadyActive => StatusCode::CONFLICT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooManyWaiting | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Self::WebSocketVersion => StatusCode::UPGRADE_REQUIRED,
            Self::IdRequired
            | Self::TransportChanged
            | Self::BodyAborted
            | Self::NotTerminable
            | Self::WebSocketHandshake => StatusCode::BAD_REQUEST,
        }
    }

    pub(crate) fn text(self) -> &'static str {
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
            _ => "",
        }
    }

    /// A word for the log, where there is no text for the client.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Unauthenticated { token_shown: true } => "the token does not hold",
            Self::Unauthenticated { token_shown: false } => "no token",
            Self::Forbidden => "a policy forbids it",
            Self::OriginNotAllowed => "the origin is not allowed",
            Self::UserChanged => "the user changed",
            Self::Draining => "the node is draining",
            Self::TooManyWaiting => "too many connections wait for their first GET",
            Self::AlreadyActive => "the connection is active",
            Self::MethodNotAllowed => "the method is not allowed",
            Self::Gone => "the connection ended",
            Self::BodyAborted => "the body was aborted",
            Self::BodyTooLarge => "the body is too large",
            Self::WebSocketVersion => "not WebSocket version 13",
            Self::WebSocketHandshake => "not a WebSocket handshake",
            _ => self.text(),
        }
    }

    pub(crate) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.text()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        match self {
            Self::Unauthenticated { token_shown } => {
                let challenge = if token_shown { "Bearer error=\"invalid_token\"" } else { "Bearer" };
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
                return response;
            }
            Self::Forbidden => return response,
            Self::WebSocketVersion => {
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            _ => {}
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        response
    }
}
