//! The server below the requests: what a client costs that is silent, slow or endless.

#![allow(clippy::unwrap_used, reason = "helpers of tests are not in test functions")]

mod attack;
mod limits;
mod requests;
mod turns;

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use hubward_transport::ServeOptions;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A timeout that a test waits for.
const SHORT: Duration = Duration::from_millis(200);

/// A server with these options until it is dropped.
struct Served {
    address: SocketAddr,
    serving: JoinSet<()>,
}

async fn serve(options: ServeOptions) -> Served {
    let router = Router::new()
        .route("/", get(async |ConnectInfo(from): ConnectInfo<SocketAddr>| from.to_string()))
        .route("/post", post(async |body: String| body))
        .route("/never", get(async || pending::<()>().await))
        .route("/endless", get(async || Body::from(vec![b'x'; 64 << 20])));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(async move { hubward_transport::serve(listener, router, options).await.unwrap() });
    Served { address, serving }
}
