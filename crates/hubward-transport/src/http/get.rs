//! GET: opens a connection on the transport that the request is for, or polls one that is open.

use std::sync::Arc;

use axum::response::Response;
use futures_util::future::Either;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use hubward_auth::{ConnectionTokenClaims, random_id};
use hubward_types::{ConnectionId, NodeId};

use super::admission::{Admitted, connection_token};
use super::client_address::is_hop;
use super::forward::RequestContent;
use super::response;
use super::upgrade::{self, Handshake, is_for_web_socket};
use crate::connections::claims::{Claimed, OpeningConnection};
use crate::connections::connection::Connection;
use crate::connections::registration::Registration;
use crate::connections::registry::{ConnectionRequest, Found, NewTransport};
use crate::connections::resume::Resume;
use crate::endpoint::Endpoint;
use crate::pipe::Pipe;
use crate::pipe::long_polling::{LongPollingPipe, PollChannel, PollResponse};
use crate::pipe::sse::ServerSentEventsPipe;
use crate::refusal::Refusal;
use crate::request_info::RequestInfo;
use crate::transport::Transport;

/// A connection that may begin: all of it but its bytes.
struct Opening {
    id: ConnectionId,
    stateful: bool,
    registration: Registration,
}

/// Where the connection of a GET is.
enum Reached {
    Here(Found),
    At(NodeId),
}

pub(crate) async fn get(admitted: Admitted<'_>, parts: Parts) -> Result<Response, Refusal> {
    let transport = requested_transport(&parts.headers);
    admitted.log.transport = Some(transport);
    match transport {
        Transport::WebSockets => web_socket(admitted, parts).await,
        Transport::ServerSentEvents => server_sent_events(admitted, &parts).await,
        Transport::LongPolling => {
            let (timeout, absent) =
                (admitted.endpoint.options.poll_timeout, admitted.endpoint.absent.clone());
            let channel = match long_polling(admitted, &parts).await? {
                Either::Left(channel) => channel,
                Either::Right(response) => return Ok(response),
            };
            // A poll takes long: only what it needs is kept for it.
            drop(parts);
            match channel.poll(timeout, absent).await {
                PollResponse::Data(body) => Ok(response::octets(body)),
                PollResponse::TimedOut => Ok(response::empty(StatusCode::OK)),
                PollResponse::NoContent => Ok(response::empty(StatusCode::NO_CONTENT)),
                PollResponse::Terminated => Err(Refusal::UnknownId),
            }
        }
    }
}

/// Returns the transport that a GET is for.
fn requested_transport(headers: &HeaderMap) -> Transport {
    let accepts_events = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|media| media.trim_matches([' ', '\t', ';']).eq_ignore_ascii_case("text/event-stream"));
    if accepts_events {
        Transport::ServerSentEvents
    } else if is_for_web_socket(headers) {
        Transport::WebSockets
    } else {
        Transport::LongPolling
    }
}

async fn web_socket(mut admitted: Admitted<'_>, mut parts: Parts) -> Result<Response, Refusal> {
    let Endpoint { manager, options, acceptor, cors, .. } = &**admitted.endpoint;
    if !cors.allows_websocket(&parts.headers) {
        return Err(Refusal::OriginNotAllowed);
    }
    let handshake = Handshake::check(&mut parts)?;
    if connection_token(&parts).is_none() {
        let opening = Opening::unnegotiated(&mut admitted, &parts)?;
        let connect = opening.begin(admitted, &parts, Transport::WebSockets);
        return Ok(upgrade::open(manager, handshake, options.clone(), acceptor.clone(), connect));
    }
    let (claims, id) = admitted.open_token(&parts)?;
    let reached = reach(&admitted, &parts, &claims, &id, Transport::WebSockets).await?;
    let opened = match reached {
        Reached::At(node) => Err(node),
        Reached::Here(Found::Resumed(resume)) => {
            return Ok(upgrade::resume(manager, handshake, options.clone(), resume));
        }
        Reached::Here(Found::New(NewTransport::WebSocket(resume))) => {
            Opening::claimed(&admitted, &parts, &claims, id.clone(), resume).await?
        }
        Reached::Here(_) => return Err(Refusal::TransportChanged),
    };
    match opened {
        Ok(opening) => {
            let connect = opening.begin(admitted, &parts, Transport::WebSockets);
            Ok(upgrade::open(manager, handshake, options.clone(), acceptor.clone(), connect))
        }
        Err(node) => admitted.forward(node, &id, &parts, RequestContent::WebSocket(handshake)).await,
    }
}

async fn server_sent_events(mut admitted: Admitted<'_>, parts: &Parts) -> Result<Response, Refusal> {
    let (claims, id) = admitted.open_token(parts)?;
    let node = match reach(&admitted, parts, &claims, &id, Transport::ServerSentEvents).await? {
        Reached::At(node) => node,
        Reached::Here(Found::New(NewTransport::ServerSentEvents(inbox))) => {
            let (pipe, body) = ServerSentEventsPipe::new(inbox, admitted.endpoint.options.clone());
            match Opening::claimed(&admitted, parts, &claims, id.clone(), None).await? {
                Err(node) => node,
                Ok(opening) => {
                    accept(admitted, opening, parts, pipe.into());
                    return Ok(response::event_stream(body));
                }
            }
        }
        Reached::Here(_) => return Err(Refusal::TransportChanged),
    };
    admitted.forward(node, &id, parts, RequestContent::Nothing).await
}

/// Opens the connection at its first poll, whose response it returns; or what every later one waits for.
async fn long_polling(
    mut admitted: Admitted<'_>,
    parts: &Parts,
) -> Result<Either<Arc<PollChannel>, Response>, Refusal> {
    let (claims, id) = admitted.open_token(parts)?;
    let node = match reach(&admitted, parts, &claims, &id, Transport::LongPolling).await? {
        Reached::At(node) => node,
        Reached::Here(Found::Poll(channel)) => return Ok(Either::Left(channel)),
        Reached::Here(Found::New(NewTransport::LongPolling(channel))) => {
            let mut pipe = LongPollingPipe::new(channel.clone(), admitted.endpoint.options.clone());
            match Opening::claimed(&admitted, parts, &claims, id.clone(), None).await? {
                Err(node) => node,
                Ok(opening) => {
                    pipe.opened();
                    let absent = admitted.endpoint.absent.clone();
                    accept(admitted, opening, parts, pipe.into());
                    channel.note_absent(&absent);
                    return Ok(Either::Right(response::no_octets()));
                }
            }
        }
        Reached::Here(_) => return Err(Refusal::TransportChanged),
    };
    let response = admitted.forward(node, &id, parts, RequestContent::Nothing).await?;
    Ok(Either::Right(response))
}

/// Finds the connection of a GET, or begins it here.
async fn reach(
    admitted: &Admitted<'_>,
    parts: &Parts,
    claims: &ConnectionTokenClaims,
    id: &ConnectionId,
    transport: Transport,
) -> Result<Reached, Refusal> {
    match admitted.owner(parts, claims, id, Some(transport)).await? {
        Some(node) => Ok(Reached::At(node)),
        None => Ok(Reached::Here(find_or_begin(admitted, parts, claims, transport)?)),
    }
}

fn find_or_begin(
    admitted: &Admitted<'_>,
    parts: &Parts,
    claims: &ConnectionTokenClaims,
    transport: Transport,
) -> Result<Found, Refusal> {
    let Endpoint { manager, options, .. } = &**admitted.endpoint;
    let fits = RequestInfo::fits(parts);
    let request = ConnectionRequest { fits, ..admitted.connection_request(claims) };
    manager.registry().find_or_begin(&request, transport, options.offers(transport))
}

/// Accepts a connection whose pipe exists already.
fn accept(admitted: Admitted<'_>, opening: Opening, parts: &Parts, pipe: Pipe) {
    let acceptor = &admitted.endpoint.acceptor;
    acceptor.accept(opening.begin(admitted, parts, pipe.transport())(pipe));
}

impl Opening {
    /// Makes the opening of a connection that the registry has just begun, unless its token was used on another node: the
    /// error is that node, where it lives. If it was, or if this is dropped meanwhile, this node does not open the connection
    /// either.
    async fn claimed(
        admitted: &Admitted<'_>,
        parts: &Parts,
        claims: &ConnectionTokenClaims,
        id: ConnectionId,
        resume: Option<Arc<Resume>>,
    ) -> Result<Result<Self, NodeId>, Refusal> {
        let Endpoint { manager, claims: shared, .. } = &**admitted.endpoint;
        let stateful = resume.is_some();
        let mut registration = Registration::new(manager.clone(), claims, resume);
        let claim = match shared {
            None => None,
            Some(shared) => {
                let user = admitted.caller.principal.user_id().cloned();
                let opening = OpeningConnection { id: id.clone(), user, token_expires_at: claims.expires_at };
                match shared.claim(opening).await {
                    Ok(claim) => claim,
                    Err(Claimed { by }) => {
                        return elsewhere(admitted, parts, registration, by).await.map(Err);
                    }
                }
            }
        };
        registration.open(claim);
        Ok(Ok(Self { id, stateful, registration }))
    }

    /// Makes the opening of a WebSocket whose client did not negotiate. No later request can name the connection.
    fn unnegotiated(admitted: &mut Admitted<'_>, parts: &Parts) -> Result<Self, Refusal> {
        let Endpoint { manager, options, .. } = &**admitted.endpoint;
        if !options.web_sockets {
            return Err(Refusal::TransportDisabled(Transport::WebSockets));
        }
        if !RequestInfo::fits(parts) {
            return Err(Refusal::HeadersTooLarge);
        }
        manager.check_begins()?;
        let id = ConnectionId::from(random_id());
        admitted.log.connection_id = Some(id.clone());
        Ok(Self { id, stateful: false, registration: Registration::unnamed(manager.clone()) })
    }

    /// Logs that the connection is accepted, and keeps of its request what the connection needs.
    fn begin(
        self,
        admitted: Admitted<'_>,
        parts: &Parts,
        transport: Transport,
    ) -> impl FnOnce(Pipe) -> Connection + Send + use<> {
        let hub = admitted.endpoint.hub.clone();
        admitted.log.accepted(admitted.endpoint);
        let principal = admitted.caller.principal;
        let request = Arc::new(RequestInfo::new(parts));
        let Self { id, stateful, registration } = self;
        move |pipe| Connection { id, hub, principal, request, transport, stateful, pipe, registration }
    }
}

/// A connection that was to begin here is another node's: returns that node, if it lives.
async fn elsewhere(
    admitted: &Admitted<'_>,
    parts: &Parts,
    mut registration: Registration,
    by: NodeId,
) -> Result<NodeId, Refusal> {
    let Endpoint { manager, cluster, .. } = &**admitted.endpoint;
    if by == *manager.node_id() {
        return Err(Refusal::UnknownId);
    }
    // Also where that node is not known, or not yet: the next request asks the store.
    registration.moved();
    drop(registration);
    if is_hop(parts) {
        return Err(Refusal::Misdirected);
    }
    match cluster {
        Some(cluster) if cluster.peers.find(&by).await.is_some() => Ok(by),
        _ => Err(Refusal::UnknownId),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_get_is_for_the_transport_that_its_headers_name() {
        for (name, value, transport) in [
            (header::ACCEPT, "text/event-stream", Transport::ServerSentEvents),
            (header::ACCEPT, "application/json, Text/Event-Stream;", Transport::ServerSentEvents),
            (header::ACCEPT, "text/event-stream; q=0.5", Transport::LongPolling),
            (header::ACCEPT, "*/*", Transport::LongPolling),
            (header::UPGRADE, "websocket", Transport::WebSockets),
            (header::UPGRADE, "h2c", Transport::LongPolling),
        ] {
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
            assert_eq!(requested_transport(&headers), transport, "{headers:?}");
        }
    }
}
