//! One connection to another node: made, encrypted where that is wanted, and the node introduced. It carries one request at a
//! time.

use std::io;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hubward_auth::random_id;
use hubward_types::NodeId;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::context::PeerContext;
use super::directory::LivePeer;
use super::error::PeerError;
use super::signature::{self, Statement};
use super::socket;

/// How long it may take to connect to a node, as pods of one cluster do, and until it has introduced itself. A node that is
/// stopped does neither.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a connection that was used may take until it can be used again: its task has only to notice that a response is
/// complete.
const READY_TIMEOUT: Duration = Duration::from_millis(50);

/// How much of a response's head is read, and of its body at once.
const BUFFER_BYTES: usize = 64 << 10;

/// HTTP/1.1 needs a host. What nodes ask each other is for none.
const NO_HOST: HeaderValue = HeaderValue::from_static("");

/// How long something is still received from a node that has gone. One that leaves has said all before, and closes its
/// connections; but that it has left may be known sooner than what it said has come.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// Waits until nothing is received any more from a node that `gone` is of: it has gone, or this one stops.
pub(super) async fn over(gone: CancellationToken, stop: CancellationToken) {
    let is_over = async {
        gone.cancelled().await;
        tokio::time::sleep(LAST_BYTES).await;
    };
    tokio::select! {
        () = is_over => {}
        () = stop.cancelled() => {}
    }
}

pub(super) struct PeerConnection {
    pub(super) node: NodeId,
    sender: http1::SendRequest<Body>,
    /// What the other end gave this connection.
    nonce: String,
    /// How many requests were sent.
    number: u64,
    /// When it was used last.
    pub(super) used: Instant,
    /// Cancelled when the node has gone: nothing is sent there any more.
    gone: CancellationToken,
    /// Cancelled when that was [a while](LAST_BYTES) ago, or this one ends: whatever the connection transports breaks off.
    pub(super) cut: CancellationToken,
    /// Ends the connection's task.
    _closed: DropGuard,
}

impl PeerConnection {
    /// Connects to a node.
    pub(super) async fn open(
        context: &PeerContext,
        node: &NodeId,
        peer: &LivePeer,
    ) -> Result<Self, PeerError> {
        let address = peer.address.as_deref().ok_or(PeerError::NoListener)?;
        let opening = async {
            let socket = socket::connect(address).await.map_err(|error| match error.kind() {
                io::ErrorKind::ConnectionRefused => PeerError::Refused(error),
                _ => PeerError::Unreachable(error),
            })?;
            let mut connection = match &context.tls {
                None => Self::handshake(context, node, peer, socket).await?,
                Some(tls) => {
                    let socket = tls.connect(socket).await.map_err(PeerError::Unreachable)?;
                    Self::handshake(context, node, peer, socket).await?
                }
            };
            connection.introduce(context).await?;
            Ok(connection)
        };
        let opened = tokio::time::timeout(CONNECT_TIMEOUT, opening).await;
        opened.unwrap_or_else(|_| Err(PeerError::Unreachable(io::ErrorKind::TimedOut.into())))
    }

    async fn handshake<T>(
        context: &PeerContext,
        node: &NodeId,
        peer: &LivePeer,
        socket: T,
    ) -> Result<Self, PeerError>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut http = http1::Builder::new();
        http.max_buf_size(BUFFER_BYTES);
        let (sender, connection) = http.handshake(TokioIo::new(socket)).await.map_err(PeerError::Lost)?;
        let (cut, closed) = (CancellationToken::new(), CancellationToken::new());
        let (cutting, closing) = (cut.clone(), closed.clone());
        let over = over(peer.gone.clone(), context.stop.clone());
        let cut_off = async move {
            over.await;
            cutting.cancel();
        };
        context.tasks.spawn(async move {
            // Cut before the connection is dropped, since that looks like the end of a response.
            tokio::select! {
                biased;
                () = closing.cancelled() => {}
                () = cut_off => {}
                _ = connection.with_upgrades() => {}
            }
        });
        Ok(Self {
            node: node.clone(),
            sender,
            nonce: String::new(),
            number: 0,
            used: Instant::now(),
            gone: peer.gone.clone(),
            cut,
            _closed: closed.drop_guard(),
        })
    }

    /// Asks the other end who it is, before it learns anything of a client.
    async fn introduce(&mut self, context: &PeerContext) -> Result<(), PeerError> {
        let asked = random_id();
        let mut request = Request::new(Body::empty());
        *request.method_mut() = Method::OPTIONS;
        request.headers_mut().insert(header::HOST, NO_HOST);
        for (name, value) in
            [(signature::NODE, signature::encoded(&self.node)), (signature::NONCE, asked.clone())]
        {
            if let Ok(value) = HeaderValue::try_from(value) {
                request.headers_mut().insert(name, value);
            }
        }
        let response = match self.sender.send_request(request).await {
            Ok(response) => response,
            Err(_) if self.cut.is_cancelled() => return Err(PeerError::Gone),
            // Nothing is lost yet.
            Err(_) => return Err(PeerError::Unreachable(io::ErrorKind::ConnectionReset.into())),
        };
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            return Err(PeerError::Busy);
        }
        let text = |name| signature::text(response.headers(), name);
        let (Some(nonce), Some(code)) = (text(signature::NONCE), text(signature::CODE)) else {
            return Err(PeerError::NotAuthentic);
        };
        let is_introduced = response.status() == StatusCode::NO_CONTENT
            && signature::is_introduced(&context.keys, &self.node, &asked, nonce, code);
        if !is_introduced {
            return Err(PeerError::NotAuthentic);
        }
        self.nonce = nonce.to_owned();
        Ok(())
    }

    /// Waits until the connection can be used; false where it cannot any more.
    pub(super) async fn is_ready(&mut self) -> bool {
        let ready = tokio::time::timeout(READY_TIMEOUT, self.sender.ready()).await;
        matches!(ready, Ok(Ok(()))) && !self.cut.is_cancelled() && !self.gone.is_cancelled()
    }

    /// Sends a request. The error has it, where nothing of it was sent.
    pub(super) async fn send(
        &mut self,
        context: &PeerContext,
        statement: Statement,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Body>>> {
        self.number += 1;
        let statement = Statement { number: self.number, ..statement };
        let (mut parts, body) = request.into_parts();
        parts.headers.entry(header::HOST).or_insert(NO_HOST);
        statement.sign(&context.keys, &self.node, &self.nonce, &mut parts);
        self.sender.try_send_request(Request::from_parts(parts, body)).await
    }
}
