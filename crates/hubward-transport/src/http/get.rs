//! GET: opens a connection on the transport that the request asks for, or polls one that is open.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hubward_auth::{ConnectionTokenClaims, random_id};
use hubward_types::ConnectionId;

use super::upgrade::{Handshake, asks_for_web_socket};
use super::{post, upgrade};
use crate::connections::registry::{Claim, NewTransport};
use crate::http::negotiate::public_id;
use crate::http::routes::{Admitted, connection_token};
use crate::pipe::long_polling::{LongPoll, LongPollingPipe, PollResponse};
use crate::pipe::sse;
use crate::refusal::Refusal;
use crate::{Connection, Endpoint, Pipe, Registration, RequestInfo, Transport};

/// A connection that may begin: all of it but its bytes.
struct Opening {
    id: ConnectionId,
    stateful: bool,
    registration: Registration,
}

pub(crate) async fn get(admitted: Admitted<'_>, parts: Parts) -> Result<Response, Refusal> {
    let transport = transport(&parts.headers);
    admitted.log.transport = Some(transport);
    match transport {
        Transport::WebSockets => web_socket(admitted, parts),
        Transport::ServerSentEvents => server_sent_events(admitted, &parts),
        Transport::LongPolling => {
            let endpoint = admitted.endpoint;
            let Some(link) = long_poll(admitted, &parts)? else { return Ok(octets(Vec::new())) };
            drop(parts);
            match link.poll(endpoint.options.poll_timeout).await {
                PollResponse::Data(bytes) => Ok(octets(bytes)),
                PollResponse::Nothing => Ok(post::text(StatusCode::OK)),
                PollResponse::NoContent => Ok(post::text(StatusCode::NO_CONTENT)),
                PollResponse::Unknown => Err(Refusal::UnknownId),
            }
        }
    }
}

/// Keeps caches from an answer to a poll.
pub(crate) fn never_cache(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(header::EXPIRES, HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"));
}

fn web_socket(mut admitted: Admitted<'_>, mut parts: Parts) -> Result<Response, Refusal> {
    let Endpoint { manager, options, acceptor, cors, .. } = &**admitted.endpoint;
    if !cors.allows_websocket(&parts.headers) {
        return Err(Refusal::OriginNotAllowed);
    }
    let handshake = Handshake::check(&mut parts)?;
    let opening = match connection_token(&parts) {
        None => unnegotiated(&mut admitted)?,
        Some(token) => {
            let sealed = admitted.sealed(&parts)?;
            match claim(&admitted, &sealed, Transport::WebSockets)? {
                Claim::New { registration, .. } => Opening::new(&sealed, &token, registration),
                Claim::Resumed(resume) => {
                    return Ok(upgrade::resume(manager, handshake, options.clone(), resume));
                }
                Claim::Poll(_) => return Err(Refusal::TransportChanged),
            }
        }
    };
    let connect = opening.begin(admitted, &parts, Transport::WebSockets);
    Ok(upgrade::open(manager, handshake, options.clone(), acceptor.clone(), connect))
}

/// Opens a WebSocket whose client did not negotiate. No later request can name it.
fn unnegotiated(admitted: &mut Admitted<'_>) -> Result<Opening, Refusal> {
    let Endpoint { manager, options, .. } = &**admitted.endpoint;
    if !options.web_sockets {
        return Err(Refusal::TransportDisabled(Transport::WebSockets));
    }
    if manager.draining().is_cancelled() {
        return Err(Refusal::Draining);
    }
    let id = random_id();
    admitted.log.connection_id = Some(id.clone());
    Ok(Opening { id, stateful: false, registration: Registration::unnamed(manager.clone()) })
}

fn server_sent_events(mut admitted: Admitted<'_>, parts: &Parts) -> Result<Response, Refusal> {
    let endpoint = admitted.endpoint;
    let sealed = admitted.sealed(parts)?;
    match claim(&admitted, &sealed, Transport::ServerSentEvents)? {
        Claim::New { registration, link: NewTransport::ServerSentEvents(inbox) } => {
            let (pipe, response) = sse::open(inbox, endpoint.options.clone());
            let opening = Opening::new(&sealed, &connection_token(parts).unwrap_or_default(), registration);
            let connect = opening.begin(admitted, parts, Transport::ServerSentEvents);
            endpoint.acceptor.accept(connect(pipe.into()));
            Ok(response)
        }
        _ => Err(Refusal::TransportChanged),
    }
}

/// Opens the connection at its first poll; gives back what every later one waits for.
fn long_poll(mut admitted: Admitted<'_>, parts: &Parts) -> Result<Option<Arc<LongPoll>>, Refusal> {
    let endpoint = admitted.endpoint;
    let sealed = admitted.sealed(parts)?;
    match claim(&admitted, &sealed, Transport::LongPolling)? {
        Claim::Poll(link) => Ok(Some(link)),
        Claim::New { registration, link: NewTransport::LongPolling(link) } => {
            let pipe = LongPollingPipe::new(link, endpoint.options.clone());
            let opening = Opening::new(&sealed, &connection_token(parts).unwrap_or_default(), registration);
            let connect = opening.begin(admitted, parts, Transport::LongPolling);
            endpoint.acceptor.accept(connect(pipe.into()));
            Ok(None)
        }
        _ => Err(Refusal::TransportChanged),
    }
}

impl Opening {
    fn new(sealed: &ConnectionTokenClaims, token: &str, registration: Registration) -> Self {
        Self { id: public_id(sealed, token), stateful: registration.is_stateful(), registration }
    }

    /// Says that the connection is accepted, and keeps of its request what lasts.
    fn begin(
        self,
        admitted: Admitted<'_>,
        parts: &Parts,
        transport: Transport,
    ) -> impl FnOnce(Pipe) -> Connection + Send + use<> {
        admitted.log.accepted(admitted.endpoint);
        let hub = admitted.endpoint.hub.clone();
        let principal = admitted.caller.principal;
        let request = Arc::new(RequestInfo::new(parts));
        let Self { id, stateful, registration } = self;
        move |pipe| Connection { id, hub, principal, request, transport, stateful, pipe, registration }
    }
}

fn claim(
    admitted: &Admitted<'_>,
    sealed: &ConnectionTokenClaims,
    transport: Transport,
) -> Result<Claim, Refusal> {
    let Endpoint { manager, options, .. } = &**admitted.endpoint;
    let enabled = match transport {
        Transport::WebSockets => options.web_sockets,
        Transport::ServerSentEvents => options.server_sent_events,
        Transport::LongPolling => options.long_polling,
    };
    manager.registry().claim(&admitted.named(sealed), transport, enabled)
}

/// Tells which transport a GET asks for.
fn transport(headers: &HeaderMap) -> Transport {
    let accepts_events = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|media| media.trim_matches([' ', '\t', ';']).eq_ignore_ascii_case("text/event-stream"));
    if accepts_events {
        Transport::ServerSentEvents
    } else if asks_for_web_socket(headers) {
        Transport::WebSockets
    } else {
        Transport::LongPolling
    }
}

fn octets(bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    let octets = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, octets);
    response
}
