//! To the node that holds the connection: a request goes there as it came, and what that node answers is the response. Only
//! the first node does this; what another node has sent here is never sent on.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use futures_util::future::{BoxFuture, try_join};
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Request, StatusCode, Uri};
use hubward_types::{ConnectionId, NodeId};
use hyper::upgrade::OnUpgrade;

use super::admission::Admitted;
use super::client_address::client_address;
use super::upgrade::Handshake;
use crate::connections::close_window::CloseTurn;
use crate::endpoint::{Endpoint, EndpointCluster};
use crate::log_limit::Lines;
use crate::options::TransportOptions;
use crate::peers::tunnel::{End, tunnel};
use crate::peers::{Answer, AnswerTimeout, Cut, Forwarded, PeerError, end_to_end};
use crate::pipe::websocket::Io;
use crate::refusal::Refusal;
use crate::transport::Transport;

/// How long the other node may take to answer, and to show that it lives where it has reasons to take longer.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a POST may wait for room at the other node: as long as the official clients wait for a response.
const POST_TIMEOUT: Duration = Duration::from_secs(100);

/// What goes to another node, beside the head of the request.
pub(crate) enum RequestContent {
    Nothing,
    Body(Body),
    WebSocket(Handshake),
}

impl Admitted<'_> {
    /// Has another node serve the request. Boxed: requests that are served here, polls above all, are to be without its size.
    pub(crate) fn forward<'b>(
        &'b self,
        node: NodeId,
        id: &'b ConnectionId,
        parts: &'b Parts,
        content: RequestContent,
    ) -> BoxFuture<'b, Result<Response, Refusal>> {
        Box::pin(self.send_to(node, id, parts, content))
    }

    async fn send_to(
        &self,
        node: NodeId,
        id: &ConnectionId,
        parts: &Parts,
        content: RequestContent,
    ) -> Result<Response, Refusal> {
        let endpoint = &**self.endpoint;
        let cluster = endpoint.cluster.as_ref().ok_or(Refusal::UnknownId)?;
        let timeout = timeout(&endpoint.options, &parts.method, self.log.transport);
        let (body, handshake) = match content {
            RequestContent::Nothing => (None, None),
            RequestContent::Body(body) => (Some(body), None),
            RequestContent::WebSocket(handshake) => (None, Some(handshake)),
        };
        let send = async |node: &NodeId, body| {
            let request = onward(parts, body, handshake.is_some());
            let forwarded = Forwarded { request, client: client_address(parts), timeout };
            let answer = cluster.peers.forward(node, forwarded).await;
            answer.map_err(|error| refusal(endpoint, node, error))
        };
        let may_repeat = body.is_none();
        let mut answer = send(&node, body.unwrap_or_default()).await?;
        if is_misdirected(&answer) {
            let found = cluster.owners.find(id, true).await.map_err(|_| Refusal::OwnerUnknown)?;
            let is_another = |found: &NodeId| *found != node && found != endpoint.manager.node_id();
            let found = found.filter(|found| may_repeat && is_another(found)).ok_or(Refusal::UnknownId)?;
            answer = send(&found, Body::empty()).await?;
        }
        match answer {
            Answer::Response(response) if response.status() == StatusCode::MISDIRECTED_REQUEST => {
                Err(Refusal::UnknownId)
            }
            Answer::Response(mut response) => {
                end_to_end(response.headers_mut());
                Ok(response)
            }
            Answer::Upgraded(head, upgrade, cut) => {
                let handshake = handshake.ok_or(Refusal::OwnerSilent)?;
                let sockets = (handshake.into_upgrade(), upgrade);
                let manager = &endpoint.manager;
                // One that comes back to a node that drains is not cut again before the node ends.
                let turn = (!manager.refusing().is_cancelled()).then(|| manager.close_turn());
                join(cluster, sockets, cut, turn, endpoint.options.send_timeout);
                Ok(upgraded(head))
            }
        }
    }
}

fn is_misdirected(answer: &Answer) -> bool {
    matches!(answer, Answer::Response(response) if response.status() == StatusCode::MISDIRECTED_REQUEST)
}

fn timeout(options: &TransportOptions, method: &Method, transport: Option<Transport>) -> AnswerTimeout {
    match transport {
        Some(Transport::LongPolling) => AnswerTimeout::For(options.poll_timeout.saturating_add(HEAD_TIMEOUT)),
        None if method == Method::POST => AnswerTimeout::WhileItLives(POST_TIMEOUT),
        _ => AnswerTimeout::For(HEAD_TIMEOUT),
    }
}

/// Makes the request as the owner of the connection is to see it.
fn onward(parts: &Parts, body: Body, is_web_socket: bool) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = parts.method.clone();
    let target = parts.uri.path_and_query().cloned().map(Uri::from);
    *request.uri_mut() = target.unwrap_or_else(|| Uri::from_static("/"));
    let headers = request.headers_mut();
    headers.clone_from(&parts.headers);
    end_to_end(headers);
    // The body says how long it is.
    headers.remove(header::CONTENT_LENGTH);
    if is_web_socket {
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    let host = parts.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    if let Some(host) = host {
        headers.entry(header::HOST).or_insert(host);
    }
    request
}

fn upgraded(head: http::response::Parts) -> Response {
    let mut response = Response::from_parts(head, Body::empty());
    let headers = response.headers_mut();
    end_to_end(headers);
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    response
}

/// Joins the client's socket to the other node's, once both are released. Where this node drains, it cuts them in their
/// turns: their clients resume through other nodes, and not all at once.
fn join(
    cluster: &EndpointCluster,
    (client, node): (OnUpgrade, OnUpgrade),
    cut: Cut,
    turn: Option<CloseTurn>,
    send_timeout: Duration,
) {
    cluster.peers.spawn(async move {
        let joined = async {
            let Ok((client, node)) = try_join(client, node).await else { return };
            let [(client, from_client), (node, from_node)] = [client, node].map(Io::take);
            let client = End { io: client, unwritten: from_client };
            let node = End { io: node, unwritten: from_node };
            tunnel(client, node, send_timeout).await;
        };
        tokio::select! {
            () = come(turn.as_ref()) => {}
            () = cut.or_until_cut(joined) => {}
        }
    });
}

/// Waits for a turn, if there is one.
async fn come(turn: Option<&CloseTurn>) {
    match turn {
        Some(turn) => turn.come().await,
        None => std::future::pending().await,
    }
}

/// Decides what the client learns of another node's failure, and the operator.
fn refusal(endpoint: &Endpoint, node: &NodeId, error: PeerError) -> Refusal {
    let refusal = match &error {
        PeerError::TooMany => return Refusal::TooManyForwarded,
        PeerError::Stopping => return Refusal::Draining,
        PeerError::BodyBroken(_) => return Refusal::BodyAborted,
        PeerError::Gone | PeerError::Refused(_) | PeerError::Lost(_) => return Refusal::UnknownId,
        PeerError::Busy => Refusal::OwnerBusy,
        PeerError::NoListener | PeerError::NotAuthentic => Refusal::UnknownId,
        _ => Refusal::OwnerSilent,
    };
    let rest =
        |failures| tracing::warn!(failures, "More requests did not reach the node of their connection.");
    if endpoint.log_limit.allows(("not reached", None), Lines::Few, rest) {
        let error = hubward_types::brief_causes(&error);
        tracing::warn!(%node, %error, "A request did not reach the node of its connection.");
    }
    refusal
}
