//! One connection of a listener: HTTP/1.1 under deadlines, until it ends, becomes a WebSocket, or misses one.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use futures_util::future::FutureExt;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use hubward_types::brief_name;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::body::{RequestBody, ResponseBody, ResponseEnd};
use super::deadlines::{Awaited, SocketDeadlines};
use super::hosts;
use super::options::ServeOptions;
use super::socket::{Place, ServedSocket};
use super::turns::Turns;
use crate::log_limit::{Lines, LogLimit};
use crate::peers::{PeerSession, PeerTls, Strangers};

/// How many headers a request between nodes may have: those of a client, of which hyper accepts 100, and what nodes add.
const HEADERS_BETWEEN_NODES: usize = 128;

/// Whom a listener is for.
pub(super) enum Audience {
    Clients,
    /// Other nodes, with what their connections are encrypted by, and those that have not shown yet that they are nodes.
    Nodes(Option<PeerTls>, Strangers),
}

/// What the connections of a listener share.
pub(super) struct Listening {
    pub(super) audience: Audience,
    pub(super) router: TowerToHyperService<Router>,
    pub(super) options: ServeOptions,
    /// How many refusals are logged of each reason.
    pub(super) refusals: LogLimit<&'static str>,
}

/// Serves a connection.
pub(super) async fn serve(tcp: TcpStream, remote: SocketAddr, place: Place, listening: Arc<Listening>) {
    let deadlines = Arc::new(SocketDeadlines::new(&listening.options));
    let socket = ServedSocket::new(tcp, place, deadlines.clone());
    match &listening.audience {
        Audience::Clients => serve_requests(socket, remote, None, deadlines, &listening).await,
        Audience::Nodes(tls, strangers) => {
            let session = PeerSession::new();
            let (ended, _ends, ends_another) = strangers.add(session.clone());
            if ends_another {
                listening.log_strangers();
            }
            tokio::select! {
                () = ended.cancelled() => {}
                () = serve_node(socket, remote, session, tls.as_ref(), deadlines, &listening) => {}
            }
        }
    }
}

/// Serves a connection that may be of another node.
async fn serve_node(
    socket: ServedSocket,
    remote: SocketAddr,
    session: PeerSession,
    tls: Option<&PeerTls>,
    deadlines: Arc<SocketDeadlines>,
    listening: &Arc<Listening>,
) {
    let Some(tls) = tls else {
        return serve_requests(socket, remote, Some(session), deadlines, listening).await;
    };
    match tokio::time::timeout(listening.options.head_timeout, tls.accept(socket)).await {
        Ok(Ok(socket)) => serve_requests(socket, remote, Some(session), deadlines, listening).await,
        Ok(Err(error)) => listening.log_not_encrypted(&error),
        Err(_) => {}
    }
}

async fn serve_requests<T>(
    socket: T,
    remote: SocketAddr,
    session: Option<PeerSession>,
    deadlines: Arc<SocketDeadlines>,
    listening: &Arc<Listening>,
) where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let options = &listening.options;
    let service = service_fn(|mut request: Request<Incoming>| {
        if let Some(session) = &session {
            request.extensions_mut().insert(session.clone());
        }
        let answering = answer(listening, request, remote, deadlines.clone());
        async move { Ok::<_, Infallible>(answering.await) }
    });
    let socket = TokioIo::new(socket);
    let mut http = http1::Builder::new();
    // The buffer alone does not bound a head: hyper looks at its size only between two reads.
    http.max_buf_size(options.head_bytes).max_header_size(options.head_bytes);
    if session.is_some() {
        http.max_headers(HEADERS_BETWEEN_NODES);
    }
    let serving = http.serve_connection(socket, service).with_upgrades();
    let mut serving = pin!(serving);
    let mut stopped = pin!(options.shutdown.cancelled().fuse());
    let mut stop_at = None;
    let turns = Turns::new();
    let mut sleep = pin!(tokio::time::sleep(options.head_timeout));
    poll_fn(|cx| {
        if stopped.as_mut().poll(cx).is_ready() {
            serving.as_mut().graceful_shutdown();
            stop_at = Instant::now().checked_add(options.shutdown_timeout).map(|at| (at, Awaited::Request));
        }
        loop {
            if turns.poll(cx, serving.as_mut()).is_ready() {
                return Poll::Ready(());
            }
            let nearest = [deadlines.nearest(), stop_at].into_iter().flatten().min();
            let Some((at, awaited)) = nearest else { return Poll::Pending };
            if sleep.is_elapsed() || at < sleep.deadline() {
                sleep.as_mut().reset(at);
            }
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() < at {
                continue;
            }
            match awaited {
                // What is written next finds out whether the client has taken something.
                Awaited::Room if !deadlines.has_missed_write() => {}
                Awaited::Room | Awaited::Request => return Poll::Ready(()),
                Awaited::NextRequest => {
                    deadlines.end();
                    serving.as_mut().graceful_shutdown();
                }
            }
        }
    })
    .await;
}

/// Gives a request to the router, with the address that it came from.
fn answer(
    listening: &Listening,
    request: Request<Incoming>,
    remote: SocketAddr,
    deadlines: Arc<SocketDeadlines>,
) -> impl Future<Output = Response<ResponseBody>> + use<> {
    deadlines.request_begins();
    let ends = ResponseEnd(deadlines.clone());
    let is_unambiguous = hosts::is_unambiguous(request.version(), request.headers());
    let is_listed = hosts::allows(&listening.options.hosts, request.uri(), request.headers());
    if !is_listed {
        listening.log_host(request.uri(), request.headers());
    }
    // Where it has a Content-Length as well, hyper has dropped that, and a proxy in front may have gone by it.
    let may_be_two = request.headers().contains_key(header::TRANSFER_ENCODING);
    let mut request = request.map(|incoming| Body::new(RequestBody::new(incoming, deadlines)));
    request.extensions_mut().insert(ConnectInfo(remote));
    let answering = (is_unambiguous && is_listed).then(|| listening.router.call(request));
    async move {
        let mut response = match answering {
            Some(answering) => {
                let Ok(response) = answering.await;
                response
            }
            None => StatusCode::BAD_REQUEST.into_response(),
        };
        if may_be_two && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.map(|body| ResponseBody { body, _ends: ends })
    }
}

impl Listening {
    /// Logs that a request names another host.
    fn log_host(&self, target: &Uri, headers: &HeaderMap) {
        let host = headers.get(header::HOST).map(|host| String::from_utf8_lossy(host.as_bytes()));
        let host = target.authority().map(Authority::as_str).or(host.as_deref()).map(brief_name);
        let rest = |refused| tracing::info!(refused, "More requests named a host that is not listed.");
        if self.refusals.allows("host", Lines::Few, rest) {
            tracing::info!(host = host.as_deref(), "A request was refused: its host is not listed.");
        }
    }

    /// Logs that another node's connection cannot be encrypted, or shows no certificate that is trusted.
    fn log_not_encrypted(&self, error: &io::Error) {
        let rest =
            |refused| tracing::warn!(refused, "More connections to the internal listener failed in TLS.");
        if self.refusals.allows("tls", Lines::Few, rest) {
            tracing::warn!(%error, "A connection to the internal listener failed in TLS.");
        }
    }

    /// Logs that somebody makes connections who does not show that it is a node.
    fn log_strangers(&self) {
        let rest = |closed| {
            tracing::warn!(
                closed,
                "More connections to the internal listener were closed: nobody used them as a node."
            );
        };
        if self.refusals.allows("strangers", Lines::Few, rest) {
            tracing::warn!(
                "A connection to the internal listener was closed: nobody used it as a node, and there are many of these. Who else reaches the port?"
            );
        }
    }

    /// Logs that a connection has no place.
    pub(super) fn log_full(&self) {
        let rest = |refused| tracing::warn!(refused, "More connections were refused: there are too many.");
        if self.refusals.allows("full", Lines::Few, rest) {
            let max_connections = self.options.max_connections;
            tracing::warn!(max_connections, "A connection was refused: there are too many.");
        }
    }

    /// Logs that the system gives no connection.
    pub(super) fn log_failed(&self, error: &io::Error) {
        let rest = |failures| tracing::warn!(failures, "Connections could still not be accepted.");
        if self.refusals.allows("accept", Lines::Few, rest) {
            tracing::warn!(%error, "Connections cannot be accepted.");
        }
    }
}
