//! The internal listener: what other nodes reach this one by. A request that is not authentic is refused without a word why.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hubward_auth::KeyRing;
use hubward_types::NodeId;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::calls::{CALL_BYTES, PeerCalls};
use super::hop::Hop;
use super::session::PeerSession;
use super::signature::{self, Kind, Statement};
use super::socket::SILENCE;
use super::tls::PeerTls;
use crate::connections::manager::ConnectionManager;
use crate::log_limit::{Lines, LogLimit};
use crate::serve::options::{ServeOptions, connections_below_file_limit};
use crate::serve::serve_peers;

/// How large the head of a request between nodes may be: that of a client as large as it may be by default (32 KiB), with what
/// the first node adds.
const HEAD_BYTES: usize = 64 << 10;

/// What a node serves to the others: the requests of clients that they pass on, and their own calls.
pub struct InternalListener {
    served: Arc<Served>,
    tls: Option<PeerTls>,
}

struct Served {
    node_id: NodeId,
    keys: KeyRing,
    clients: TowerToHyperService<Router>,
    calls: Option<Arc<dyn PeerCalls>>,
    refused: LogLimit<()>,
}

impl InternalListener {
    /// Makes the listener of a node. `clients` has the paths that clients reach on this node; `calls` serves what other nodes
    /// call, where they do.
    pub fn new(
        manager: &ConnectionManager,
        clients: Router,
        calls: Option<Arc<dyn PeerCalls>>,
        tls: Option<PeerTls>,
    ) -> Self {
        let refused = LogLimit::new(manager.tasks().clone(), manager.closing().clone());
        let served = Served {
            node_id: manager.node_id().clone(),
            keys: manager.keys().clone(),
            clients: TowerToHyperService::new(clients),
            calls,
            refused,
        };
        Self { served: Arc::new(served), tls }
    }

    /// Serves until `shutdown` is cancelled.
    ///
    /// # Errors
    /// None that the address could cause.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) -> io::Result<()> {
        let options = ServeOptions {
            // Twice what one other node has on its way at once.
            max_connections: (connections_below_file_limit() / 2).max(1),
            unacknowledged_timeout: SILENCE,
            head_bytes: HEAD_BYTES,
            shutdown,
            ..ServeOptions::default()
        };
        let router = Router::new().fallback(answer).with_state(self.served);
        serve_peers(listener, router, options, self.tls).await
    }
}

async fn answer(State(served): State<Arc<Served>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let Some(session) = parts.extensions.remove::<PeerSession>() else { return refused() };
    if parts.method == Method::OPTIONS && !parts.headers.contains_key(signature::CODE) {
        return served.introduce(&session, &parts);
    }
    let verified = Statement::verify(&served.keys, &served.node_id, session.nonce(), &mut parts);
    let Some(statement) = verified.filter(|statement| session.is_new(statement.number)) else {
        served.log_refused(&parts);
        return refused();
    };
    match statement.kind {
        Kind::Node => served.answer_call(statement.from, &parts, body).await,
        Kind::Client => {
            let client = statement.client.parse::<SocketAddr>().ok();
            parts.extensions.remove::<ConnectInfo<SocketAddr>>();
            if let Some(client) = client {
                parts.extensions.insert(ConnectInfo(client));
            }
            parts.extensions.insert(Hop { client });
            let Ok(response) = served.clients.call(Request::from_parts(parts, body)).await;
            response
        }
    }
}

impl Served {
    /// Shows to whoever asks that this is the node that it means. Without the keys nobody can make use of the response.
    fn introduce(&self, session: &PeerSession, parts: &Parts) -> Response {
        let text = |name| signature::text(&parts.headers, name);
        let is_meant =
            text(signature::NODE).and_then(signature::decoded).is_some_and(|node| node == self.node_id);
        let Some(asked) = text(signature::NONCE).filter(|_| is_meant) else { return refused() };
        let code = signature::introduce(&self.keys, &self.node_id, asked, session.nonce());
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        for (name, value) in [(signature::NONCE, session.nonce()), (signature::CODE, &code)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    async fn answer_call(&self, from: NodeId, parts: &Parts, body: Body) -> Response {
        let answer = match (&self.calls, Limited::new(body, CALL_BYTES).collect().await) {
            (Some(calls), Ok(body)) => calls.call(from, parts.uri.path(), body.to_bytes()).await,
            (None, _) => Err(StatusCode::NOT_FOUND),
            (_, Err(error)) if error.is::<LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
            (_, Err(_)) => Err(StatusCode::BAD_REQUEST),
        };
        let (status, body) = match answer {
            Ok(reply) => (StatusCode::OK, Body::from(reply)),
            Err(status) => (status, Body::empty()),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response
    }

    fn log_refused(&self, parts: &Parts) {
        let rest = |refused| tracing::warn!(refused, "More requests to the internal listener were refused.");
        if self.refused.allows((), Lines::Few, rest) {
            let from = parts.extensions.get::<ConnectInfo<SocketAddr>>();
            let from = from.map(|ConnectInfo(from)| tracing::field::display(from));
            tracing::warn!(
                from,
                "A request to the internal listener was refused: it does not come from a node with the keys of this cluster."
            );
        }
    }
}

/// The connection is closed: what comes after such a request is not authentic either.
fn refused() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
