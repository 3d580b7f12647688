//! From a checked WebSocket request to a running pipe. The response is sent at once; the pipe begins when the HTTP
//! server releases the socket, in a task that ends with handing the pipe over.

mod handshake;

use std::sync::Arc;

use axum::response::Response;
use hyper::upgrade::OnUpgrade;

pub(crate) use handshake::{Handshake, is_for_web_socket};

use crate::connections::connection::{Acceptor, Connection};
use crate::connections::manager::ConnectionManager;
use crate::connections::resume::Resume;
use crate::options::TransportOptions;
use crate::pipe::Pipe;
use crate::pipe::websocket::{Io, WebSocketPipe};

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

/// Opens another WebSocket for a connection that is resumed.
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

/// Waits for the socket. `None` where the client was gone before it had the response.
async fn pipe(upgrade: OnUpgrade, options: Arc<TransportOptions>) -> Option<Pipe> {
    let (io, early) = Io::take(upgrade.await.ok()?);
    Some(WebSocketPipe::new(io, early, options).into())
}
