//! A node, or several in one process, with the hubs that the answers of ASP.NET Core were recorded with, and a hub for
//! tests of several nodes.
//!
//! `conformance-server --listen 127.0.0.1:8081[,127.0.0.1:8082…]`: each address is a node, and several are joined by the
//! in-memory backplane. It is a tool for tests and benchmarks, with a signing key that is public.

mod bench;
mod cluster;
mod hub;
mod nullable;
mod reading;
mod secure;
mod sends;
mod streams;
mod string_result;

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use hubward::auth::{Authenticator, Cors, JwtConfig, JwtKey, Policy};
use hubward::{Cluster, Hubward, ServeOptions};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Time for the graceful shutdown: a client has five seconds for its Close message, and the node a little more.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(6);

#[derive(Parser)]
struct CommandLine {
    /// Addresses to listen on, separated by commas; each is a node.
    #[arg(long, value_delimiter = ',', default_value = "127.0.0.1:8081")]
    listen: Vec<SocketAddr>,
}

/// Any error that ends the program.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let command_line = CommandLine::parse();
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_env("HUBWARD_LOG")).init();
    let cluster = (command_line.listen.len() > 1).then(Cluster::in_memory);
    let mut serving = tokio::task::JoinSet::new();
    let mut nodes = Vec::new();
    for (number, address) in command_line.listen.into_iter().enumerate() {
        let hubs = node(cluster.as_ref(), &format!("node-{}", number + 1))?;
        hubs.start().await?;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        serving.spawn(hubward::serve(listener, hubs.mount(Default::default()), ServeOptions::default()));
        nodes.push(hubs);
    }
    announce()?;
    tokio::signal::ctrl_c().await?;
    let shutting_down = futures_util::future::join_all(nodes.iter().map(Hubward::shut_down));
    // A client that does not read its Close message must not keep the tool running.
    let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, shutting_down).await;
    Ok(())
}

/// Says on standard output that the nodes listen, for whatever waits for that.
fn announce() -> std::io::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "listening")
}

fn node(cluster: Option<&Cluster>, name: &str) -> Result<Hubward, Failure> {
    let key = JwtKey::hmac(b"conformance-signing-key-of-32-bytes-or-more")?;
    let jwt = JwtConfig {
        keys: vec![key],
        issuers: vec!["https://issuer.example".into()],
        audiences: vec!["hubs".into()],
        leeway: Duration::ZERO,
        role_claims: vec!["role".into()],
        ..JwtConfig::default()
    };
    let mut builder = Hubward::builder()
        .auth(Authenticator::jwt(jwt)?)
        .policy("Authenticated", Policy::authenticated())
        .policy("Staff", Policy::any_role(["nurse", "doctor", "admin"]))
        .policy("DoctorsOnly", Policy::any_role(["doctor"]))
        .cors(Cors::origins(["https://app.example"])?)
        .hub_with_options("/bench", bench::hub(), bench::transports())
        .hub_with_options("/cluster", cluster::hub(), cluster::transports());
    for (path, hub) in hub::variants() {
        builder = builder.hub_with_options(path, hub, hub::transports(path));
    }
    builder = builder.hub("/conformance-secure", secure::hub());
    if let Some(cluster) = cluster {
        builder = builder.join(cluster, name);
    }
    Ok(builder.build()?)
}
