//! From a checked WebSocket request to a running pipe. The request is answered at once; the pipe begins when the
//! HTTP server lets go of the socket, in a task that ends with handing it over.

mod handshake;

use std::sync::Arc;

use axum::response::Response;
use hyper::upgrade::OnUpgrade;

pub(crate) use handshake::{Handshake, asks_for_web_socket};

use crate::connections::resume::Resume;
use crate::pipe::websocket::{Io, WebSocketPipe};
use crate::{Acceptor, Connection, ConnectionManager, Pipe, TransportOptions};

/// Opens a WebSocket for a new connection. `connect` makes the connection from its pipe.
pub(crate) fn open(
    manager: &ConnectionManager,
    handshake: Handshake,
    options: Arc<TransportOptions>,
    acceptor: Arc<dyn Acceptor>,
    connect: impl FnOnce(Pipe) -> Connection + Send + 'static,
) -> Response {
    let (response, upgrade) = handshake.into_response();
    manager.tasks().spawn(async move {
        if let Some(pipe) = pipe(upgrade, options).await {
            acceptor.accept(connect(pipe));
        }
    });
    response
}

/// Opens another WebSocket for a connection that lives.
pub(crate) fn resume(
    manager: &ConnectionManager,
    handshake: Handshake,
    options: Arc<TransportOptions>,
    resume: Arc<Resume>,
) -> Response {
    let (response, upgrade) = handshake.into_response();
    manager.tasks().spawn(async move {
        if let Some(pipe) = pipe(upgrade, options).await {
            resume.offer(pipe);
        }
    });
    response
}

/// Waits for the socket. None where the client was gone before it had the answer.
async fn pipe(upgrade: OnUpgrade, options: Arc<TransportOptions>) -> Option<Pipe> {
    let (io, early) = Io::take(upgrade.await.ok()?);
    Some(WebSocketPipe::new(io, early, options).into())
}
