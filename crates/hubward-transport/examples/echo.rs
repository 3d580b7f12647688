//! Echoes what it is sent, on any transport: `cargo run -p hubward-transport --example echo -- 8080`, then open
//! `ws://127.0.0.1:8080/echo`, or negotiate at `http://127.0.0.1:8080/echo/negotiate`.

use std::sync::Arc;

use hubward_auth::KeyRing;
use hubward_transport::{ConnectionManager, Endpoint, ServeOptions, raw};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse())?;
    let manager =
        ConnectionManager::new("example", KeyRing::random(), CancellationToken::new(), TaskTracker::new());
    let echo = raw::handler(|mut connection| async move {
        while let Some(bytes) = connection.receive().await {
            connection.send(bytes).await?;
        }
        Ok(())
    });
    let app = Endpoint::new("/echo", "echo", Arc::new(echo), manager).router();
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    hubward_transport::serve(listener, app, ServeOptions::default()).await?;
    Ok(())
}
