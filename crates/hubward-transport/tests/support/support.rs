//! A server on loopback with an endpoint under test, and what speaks to it.

pub(crate) mod tokens;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;

use hubward_auth::KeyRing;
use hubward_proto::Frame;
use hubward_testing::{Http, Response, within};
use hubward_transport::{
    Acceptor, Connection, ConnectionManager, Endpoint, Pipe, PipeError, Received, ServeOptions,
    TransportOptions, raw,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use tokens::{bearer, issuer, token};

/// The path of every endpoint under test.
pub(crate) const PATH: &str = "/hub";

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) manager: Arc<ConnectionManager>,
}

impl Server {
    /// Serves an endpoint that echoes.
    pub(crate) async fn echo(configure: impl FnOnce(Endpoint) -> Endpoint) -> Self {
        let echo = raw::handler(|mut connection| async move {
            while let Some(bytes) = connection.receive().await {
                connection.send(bytes).await?;
            }
            Ok(())
        });
        Self::start(Arc::new(echo), configure).await
    }

    /// Serves an endpoint whose connections the test takes.
    pub(crate) async fn taken(
        configure: impl FnOnce(Endpoint) -> Endpoint,
    ) -> (Self, mpsc::UnboundedReceiver<Connection>) {
        let (sender, connections) = mpsc::unbounded_channel();
        (Self::start(Arc::new(Taker(sender)), configure).await, connections)
    }

    async fn start(acceptor: Arc<dyn Acceptor>, configure: impl FnOnce(Endpoint) -> Endpoint) -> Self {
        let tasks = TaskTracker::new();
        let manager =
            ConnectionManager::new("node", KeyRing::random(), CancellationToken::new(), tasks.clone());
        let router = configure(Endpoint::new(PATH, "hub", acceptor, manager.clone())).router();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tasks.spawn(hubward_transport::serve(listener, router, ServeOptions::default()));
        Self { address, manager }
    }

    pub(crate) async fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        Http::exchange(self.address, method, target, headers, body).await
    }

    pub(crate) async fn get(&self, target: &str) -> Response {
        self.request("GET", target, &[], b"").await
    }

    pub(crate) async fn post(&self, target: &str, body: &[u8]) -> Response {
        self.request("POST", target, &[], body).await
    }

    /// Negotiates, and returns `P?id=…`.
    pub(crate) async fn negotiated(&self) -> String {
        self.negotiated_with("", &[]).await
    }

    pub(crate) async fn negotiated_with(&self, query: &str, headers: &[(&str, &str)]) -> String {
        let target = format!("{PATH}/negotiate?negotiateVersion=1{query}");
        let response = self.request("POST", &target, headers, b"").await;
        assert_eq!(response.status, 200, "{response:?}");
        format!("{PATH}?id={}", response.json()["connectionToken"].as_str().unwrap())
    }

    pub(crate) async fn web_socket(&self, target: &str) -> Result<Http, Response> {
        self.web_socket_with(target, &[]).await
    }

    pub(crate) async fn web_socket_with(
        &self,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Result<Http, Response> {
        Http::connect(self.address).await.upgrade(target, headers).await
    }
}

pub(crate) fn options(change: impl FnOnce(&mut TransportOptions)) -> impl FnOnce(Endpoint) -> Endpoint {
    let mut options = TransportOptions::default();
    change(&mut options);
    |endpoint| endpoint.options(options)
}

pub(crate) fn unchanged(endpoint: Endpoint) -> Endpoint {
    endpoint
}

struct Taker(mpsc::UnboundedSender<Connection>);

impl Acceptor for Taker {
    fn accept(&self, connection: Connection) {
        let _ = self.0.send(connection);
    }
}

/// Makes a frame of a text message.
pub(crate) fn text(message: &[u8]) -> Frame {
    Frame::from_payload(message, false).unwrap()
}

/// Makes a frame of a binary message.
pub(crate) fn binary(message: &[u8]) -> Frame {
    Frame::from_payload(message, true).unwrap()
}

/// Writes frames to a pipe until all of them are written or it fails.
pub(crate) async fn write(pipe: &mut Pipe, frames: &mut VecDeque<Frame>) -> Result<(), PipeError> {
    within("room to write", poll_fn(|cx| pipe.poll_write(cx, frames))).await
}

/// Waits for what a pipe receives next; bytes are appended to `input`.
pub(crate) async fn receive(pipe: &mut Pipe, input: &mut Vec<u8>) -> Received {
    within("what the pipe receives", poll_fn(|cx| pipe.poll_receive(cx, input))).await
}

/// Closes a pipe gracefully.
pub(crate) async fn close(pipe: &mut Pipe) {
    within("the close", poll_fn(|cx| pipe.poll_close(cx))).await;
}
