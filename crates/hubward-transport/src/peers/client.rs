//! Requests to other nodes: those of clients, whose connection another node holds, and the node's own calls.

use std::fmt;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};
use hubward_auth::KeyRing;
use hubward_types::NodeId;
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::calls::CALL_BYTES;
use super::connection::PeerConnection;
use super::context::PeerContext;
use super::directory::{LivePeer, PeerDirectory};
use super::error::PeerError;
use super::exchange::{Answer, Cut, Permit, ReceivedBody, SentBody};
use super::pool::Pool;
use super::signature::{Kind, Statement};
use super::tls::PeerTls;
use crate::serve::options::connections_below_file_limit;

/// How long a node may take until it answers.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The way to the other nodes. Cheap to clone.
#[derive(Clone)]
pub struct PeerClient(Arc<Shared>);

struct Shared {
    context: PeerContext,
    directory: Arc<dyn PeerDirectory>,
    pool: Arc<Pool>,
    /// How many requests of clients may be on their way at once.
    clients: Arc<Semaphore>,
    /// How many of them may be those that take long.
    lasting: Arc<Semaphore>,
}

/// A client's request that goes to the node that holds its connection.
pub(crate) struct Forwarded {
    pub(crate) request: Request<Body>,
    pub(crate) client: Option<SocketAddr>,
    pub(crate) timeout: AnswerTimeout,
}

/// How long another node may take to answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AnswerTimeout {
    For(Duration),
    /// As long as this, where the node shows now and then that it lives.
    WhileItLives(Duration),
}

impl PeerClient {
    /// Makes the client of a node. At most `most_requests` of clients are on their way at once, WebSockets included; each
    /// is two files here and one there. Default: a fourth of the limit of open files. A fourth of them is kept for requests that
    /// do not last, so that those of a stream can still send.
    pub fn new(
        node_id: NodeId,
        keys: KeyRing,
        directory: Arc<dyn PeerDirectory>,
        tls: Option<PeerTls>,
        most_requests: Option<usize>,
    ) -> Self {
        let most = most_requests.unwrap_or_else(|| connections_below_file_limit() / 4);
        let most = most.min(Semaphore::MAX_PERMITS);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        Self(Arc::new(Shared {
            context: PeerContext { node_id, keys, tls, tasks, stop },
            directory,
            pool: Arc::default(),
            clients: Arc::new(Semaphore::new(most)),
            lasting: Arc::new(Semaphore::new(most - most / 4)),
        }))
    }

    /// Calls another node, which has [`PeerCalls`](super::PeerCalls) for it. Returns the body of the reply. Call and reply have at most
    /// 16 MiB.
    ///
    /// # Errors
    /// [`PeerError`]. Whether the call had its effect is then unknown, but where there was no connection.
    pub async fn call(
        &self,
        node: &NodeId,
        path: &'static str,
        body: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, PeerError> {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static(path);
        let calling = async {
            let (response, _connection) = self.exchange(node, Kind::Node, None, request).await?;
            if !response.status().is_success() {
                return Err(PeerError::Status(response.status()));
            }
            let reply = Limited::new(response.into_body(), CALL_BYTES).collect().await;
            let reply = reply.map_err(|error| match error.downcast::<hyper::Error>() {
                Ok(error) => PeerError::Lost(*error),
                Err(_) => PeerError::TooLarge,
            })?;
            Ok(reply.to_bytes())
        };
        tokio::time::timeout(deadline, calling).await.unwrap_or(Err(PeerError::TooSlow))
    }

    /// Returns where a node is reached.
    pub(crate) async fn find(&self, node: &NodeId) -> Option<LivePeer> {
        self.0.directory.find(node).await.filter(|peer| !peer.gone.is_cancelled())
    }

    /// Runs a task until the client [stops](Self::stop) at the latest.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.context.tasks.spawn(task);
    }

    /// Sends a client's request to another node.
    pub(crate) async fn forward(&self, node: &NodeId, forwarded: Forwarded) -> Result<Answer, PeerError> {
        let Forwarded { request, client, timeout } = forwarded;
        let permit = self.permit(request.method())?;
        let (parts, body) = request.into_parts();
        let sent = Arc::new(AtomicBool::new(false));
        let body = Body::new(SentBody { body, done: sent.clone() });
        let peer = self.find(node).await.ok_or(PeerError::Gone)?;
        let exchange = pin!(self.exchange(node, Kind::Client, client, Request::from_parts(parts, body)));
        let (mut response, connection) = self.in_time(node, timeout, exchange).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let upgrade = hyper::upgrade::on(&mut response);
            let stop = self.0.context.stop.clone();
            let cut = Cut { gone: peer.gone, stop, _connection: connection, _permit: permit };
            return Ok(Answer::Upgraded(response.into_parts().0, upgrade, cut));
        }
        let pool = self.0.pool.clone();
        let received = |incoming| Body::new(ReceivedBody::new(incoming, connection, pool, sent, permit));
        Ok(Answer::Response(response.map(received)))
    }

    /// Lets a client's request be on its way. A GET may last as long as its connection.
    fn permit(&self, method: &Method) -> Result<Permit, PeerError> {
        let of =
            |permits: &Arc<Semaphore>| permits.clone().try_acquire_owned().map_err(|_| PeerError::TooMany);
        let lasting = if *method == Method::GET { Some(of(&self.0.lasting)?) } else { None };
        Ok(Permit { _one: of(&self.0.clients)?, _lasting: lasting })
    }

    /// Cuts off whatever is on its way, and waits until nothing is.
    pub async fn stop(&self) {
        self.0.context.stop.cancel();
        self.0.pool.clear();
        self.0.context.tasks.close();
        self.0.context.tasks.wait().await;
    }

    /// Counts the connections that wait for a request.
    #[cfg(test)]
    pub(super) fn idle_connections(&self) -> usize {
        self.0.pool.len()
    }

    async fn exchange(
        &self,
        node: &NodeId,
        kind: Kind,
        client: Option<SocketAddr>,
        mut request: Request<Body>,
    ) -> Result<(Response<Incoming>, PeerConnection), PeerError> {
        let Shared { context, pool, .. } = &*self.0;
        if context.stop.is_cancelled() {
            return Err(PeerError::Stopping);
        }
        let from = context.node_id.clone();
        let client = client.map(|client| client.to_string()).unwrap_or_default();
        let statement = Statement { kind, from, number: 0, client };
        if let Some(mut idle) = pool.take(node)
            && idle.is_ready().await
        {
            match idle.send(context, statement.clone(), request).await {
                Ok(response) if is_refusal(&response) => return Err(PeerError::NotAuthentic),
                Ok(response) => return Ok((response, idle)),
                Err(mut unsent) => match unsent.take_message() {
                    Some(again) => request = again,
                    None => return Err(broken(&idle, unsent.into_error())),
                },
            }
        }
        let peer = self.find(node).await.ok_or(PeerError::Gone)?;
        let mut connection = self.open(node, &peer).await?;
        let sent = connection.send(context, statement, request).await;
        match sent {
            Ok(response) if is_refusal(&response) => Err(PeerError::NotAuthentic),
            Ok(response) => Ok((response, connection)),
            Err(error) => Err(broken(&connection, error.into_error())),
        }
    }

    /// Boxed: it happens now and then, and every request would have its size.
    fn open<'a>(
        &'a self,
        node: &'a NodeId,
        peer: &'a LivePeer,
    ) -> BoxFuture<'a, Result<PeerConnection, PeerError>> {
        Box::pin(PeerConnection::open(&self.0.context, node, peer))
    }

    /// Waits for a node's answer, but not for ever.
    async fn in_time<T>(
        &self,
        node: &NodeId,
        timeout: AnswerTimeout,
        mut answering: Pin<&mut impl Future<Output = Result<T, PeerError>>>,
    ) -> Result<T, PeerError> {
        let (limit, step) = match timeout {
            AnswerTimeout::For(limit) => (limit, limit),
            AnswerTimeout::WhileItLives(limit) => (limit, HEAD_TIMEOUT.min(limit)),
        };
        let until = Instant::now().checked_add(limit);
        loop {
            if let Ok(answered) = tokio::time::timeout(step, &mut answering).await {
                return answered;
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Err(PeerError::TooSlow);
            }
            self.show_life(node).await?;
        }
    }

    /// Finds out whether a node answers at all.
    async fn show_life(&self, node: &NodeId) -> Result<(), PeerError> {
        let peer = self.find(node).await.ok_or(PeerError::Gone)?;
        let connection = self.open(node, &peer).await;
        self.0.pool.put(connection.map_err(|_| PeerError::TooSlow)?);
        Ok(())
    }
}

/// Whether the internal listener has refused a request as not authentic. Where it is the client's user that is refused, the
/// response says how to authenticate.
fn is_refusal(response: &Response<Incoming>) -> bool {
    response.status() == StatusCode::UNAUTHORIZED
        && !response.headers().contains_key(header::WWW_AUTHENTICATE)
}

/// Distinguishes whose end of an exchange it was that failed. Where the node is gone, which was asked all the same, it is not known
/// what it has done.
fn broken(connection: &PeerConnection, error: hyper::Error) -> PeerError {
    let is_ours = error.is_user() && !connection.cut.is_cancelled();
    if is_ours { PeerError::BodyBroken(error) } else { PeerError::Lost(error) }
}

impl fmt::Debug for PeerClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerClient").field("node_id", &self.0.context.node_id).finish_non_exhaustive()
    }
}
