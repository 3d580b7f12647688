//! `hubward demo`: nodes on an embedded backplane, with a chat, a ward dashboard and a page to try them.

mod chat;
mod page;
mod sign_in;
mod vitals;
mod ward;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hubward::auth::{DevelopmentIssuer, Policy};
use hubward::{Cluster, Hubward, TransportOptions};
use serde::Serialize;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use crate::Failure;
use crate::command::DemoOptions;
use crate::token;

/// How long leaving may take: a goodbye to each client, and their answers.
const LEAVING: Duration = Duration::from_secs(6);

/// A node as the page lists it.
#[derive(Clone, Serialize)]
struct NodeInfo {
    name: String,
    url: String,
}

/// What all parts of a node's demo share.
struct Demo {
    node: NodeInfo,
    nodes: Vec<NodeInfo>,
    issuer: DevelopmentIssuer,
}

pub(crate) fn run(options: DemoOptions) -> Result<(), Failure> {
    let filter = EnvFilter::try_from_env("HUBWARD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(options))
}

async fn serve(options: DemoOptions) -> Result<(), Failure> {
    let key = match &options.key {
        Some(key) => key.expose().to_owned(),
        // Two random names of 128 bits each: nobody's key but this demo's.
        None => {
            let random = || hubward::auth::random_id().as_str().to_owned();
            random() + &random()
        }
    };
    let mut listeners = Vec::new();
    let mut nodes = Vec::new();
    for number in 0..options.nodes {
        let port =
            options.port.checked_add(number).ok_or("the last port is 65535: choose a smaller --port")?;
        let address = SocketAddr::new(options.address, port);
        let bound = TcpListener::bind(address).await;
        let listener =
            bound.map_err(|error| format!("cannot listen on {address}: {error}; choose another --port"))?;
        let url = format!("http://{}", listener.local_addr()?);
        listeners.push(listener);
        nodes.push(NodeInfo { name: format!("node-{}", number + 1), url });
    }
    let cluster = Cluster::in_memory();
    let mut running = Vec::new();
    let mut serving = tokio::task::JoinSet::new();
    for (listener, node) in listeners.into_iter().zip(nodes.clone()) {
        let demo = Arc::new(Demo { node, nodes: nodes.clone(), issuer: token::issuer(&key)? });
        let hubs = hubs(&demo, &cluster)?;
        hubs.start().await?;
        let app = hubs.router().merge(page::router(demo)).into_make_service_with_connect_info::<SocketAddr>();
        serving.spawn(async move { axum::serve(listener, app).await });
        running.push(hubs);
    }
    if let Some(first) = running.first().and_then(|hubs| hubs.hub("ward")) {
        serving.spawn(vitals::simulate(first));
    }
    announce(&nodes)?;
    leave_signal().await?;
    writeln!(std::io::stderr(), "Leaving: clients are told that they may reconnect.")?;
    let leaving = futures_util::future::join_all(running.iter().map(Hubward::shut_down));
    if tokio::time::timeout(LEAVING, leaving).await.is_err() {
        tracing::warn!("Some clients did not answer their goodbye in time.");
    }
    Ok(())
}

fn hubs(demo: &Arc<Demo>, cluster: &Cluster) -> Result<Hubward, Failure> {
    let name = demo.node.name.as_str();
    let transports = TransportOptions { allow_stateful_reconnects: true, ..TransportOptions::default() };
    let hubs = Hubward::builder()
        .auth(demo.issuer.authenticator())
        .policy("SignedIn", Policy::authenticated())
        .policy("ClinicalStaff", Policy::any_role(["nurse", "doctor", "admin"]))
        .policy("DoctorsOnly", Policy::any_role(["doctor"]))
        .hub_with_options("/hubs/chat", chat::hub(name), transports.clone())
        .hub_with_options("/hubs/ward", ward::hub(), transports)
        .join(cluster, name)
        .build()?;
    Ok(hubs)
}

fn announce(nodes: &[NodeInfo]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let Some(first) = nodes.first() else { return Ok(()) };
    writeln!(out, "\n  Hubward is up. Open {}", first.url)?;
    for other in nodes.iter().skip(1) {
        writeln!(out, "  and in a second window {}  ({})", other.url, other.name)?;
    }
    writeln!(out, "  Stop with Ctrl-C.\n")
}

async fn leave_signal() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// Milliseconds since 1970, as the page shows times.
fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}
