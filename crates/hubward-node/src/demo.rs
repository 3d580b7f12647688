//! `hubward demo`: nodes on the in-memory backplane, with a chat, a ward dashboard and a page to try them.

mod chat;
mod clock;
mod demo_node;
mod page;
mod sign_in;
mod vitals;
mod ward;

use std::io::{ErrorKind, IsTerminal, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hubward::auth::Policy;
use hubward::{Cluster, Hubward, ServeOptions, TransportOptions};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing_subscriber::EnvFilter;

use crate::command::DemoOptions;
use crate::demo::demo_node::{DemoNode, NodeInfo};
use crate::failure::Failure;
use crate::token;

/// Time for the graceful shutdown: a client has five seconds for its Close message, and the node a little more.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(6);

pub(crate) fn run(options: DemoOptions) -> Result<(), Failure> {
    let filter = log_filter(&std::env::var("HUBWARD_LOG").unwrap_or_default())?;
    // A file that the log goes to is read without a terminal's colours.
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(options))
}

fn log_filter(wanted: &str) -> Result<EnvFilter, Failure> {
    let directives = if wanted.trim().is_empty() { "info" } else { wanted };
    EnvFilter::try_new(directives).map_err(|error| {
        format!("HUBWARD_LOG: {error}; it takes `debug`, or `warn,hubward_server=debug`").into()
    })
}

async fn serve(options: DemoOptions) -> Result<(), Failure> {
    let key = signing_key(&options);
    let (listeners, nodes) = listen(&options).await?;
    let cluster = Cluster::in_memory();
    let mut running = Vec::new();
    let mut tasks = JoinSet::new();
    for (listener, info) in listeners.into_iter().zip(nodes.clone()) {
        let node = Arc::new(DemoNode { info, nodes: nodes.clone(), issuer: token::issuer(&key)? });
        let hubs = hubs(&node, &cluster)?;
        hubs.start().await?;
        let app = hubs.mount(page::router(node));
        tasks.spawn(hubward::serve(listener, app, serve_options(&options)));
        running.push(hubs);
    }
    // The messages reach the other nodes over the backplane, so one node is enough to send them.
    if let Some(wards) = running.first().and_then(|hubs| hubs.hub("ward")) {
        tasks.spawn(ward::send_vitals(wards));
    }
    announce(&nodes)?;
    shutdown_signal().await?;
    shut_down(&running).await
}

/// The demo signs everybody in, so no web page may reach it by a name of its own (DNS rebinding).
fn serve_options(options: &DemoOptions) -> ServeOptions {
    let shown = match options.address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let loopback = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
    let hosts = loopback.into_iter().chain([shown]).chain(options.hosts.iter().cloned()).collect();
    ServeOptions { hosts, ..ServeOptions::default() }
}

fn signing_key(options: &DemoOptions) -> String {
    match &options.key {
        Some(key) => key.expose().to_owned(),
        // Two random ids of 128 bits each are a key that only this demo has.
        None => hubward::auth::random_id() + &hubward::auth::random_id(),
    }
}

async fn listen(options: &DemoOptions) -> Result<(Vec<TcpListener>, Vec<NodeInfo>), Failure> {
    let (mut listeners, mut nodes) = (Vec::new(), Vec::new());
    for number in 0..options.nodes {
        let port = port_of(options.port, number).ok_or("the last port is 65535: choose a smaller --port")?;
        let address = SocketAddr::new(options.address, port);
        let listener = TcpListener::bind(address).await.map_err(|error| cannot_listen(address, &error))?;
        let url = format!("http://{}", listener.local_addr()?);
        listeners.push(listener);
        nodes.push(NodeInfo { name: format!("node-{}", number + 1), url });
    }
    Ok((listeners, nodes))
}

/// Ports are consecutive, but 0 is whichever is free, for every node.
fn port_of(first: u16, number: u16) -> Option<u16> {
    if first == 0 { Some(0) } else { first.checked_add(number) }
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> String {
    let option = match error.kind() {
        ErrorKind::AddrNotAvailable => "--address, one of this machine's",
        _ => "--port",
    };
    format!("cannot listen on {address}: {error}; choose another {option}")
}

fn hubs(node: &DemoNode, cluster: &Cluster) -> Result<Hubward, Failure> {
    let name = node.info.name.as_str();
    let transports = TransportOptions { allow_stateful_reconnects: true, ..TransportOptions::default() };
    let hubs = Hubward::builder()
        .auth(node.issuer.authenticator())
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
    writeln!(out, "\n  Hubward is running. Open {}", first.url)?;
    for other in nodes.iter().skip(1) {
        writeln!(out, "  and in another window {}  ({})", other.url, other.name)?;
    }
    writeln!(out, "  Stop with Ctrl-C.\n")
}

async fn shutdown_signal() -> std::io::Result<()> {
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

async fn shut_down(nodes: &[Hubward]) -> Result<(), Failure> {
    writeln!(std::io::stderr(), "Shutting down: clients are notified that they may reconnect.")?;
    let done = futures_util::future::join_all(nodes.iter().map(Hubward::shut_down));
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, done).await.is_err() {
        tracing::warn!("Some connections did not close in time.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_is_reached_by_localhost_by_its_address_and_by_the_names_that_it_was_given() {
        let options = DemoOptions {
            nodes: 1,
            port: 0,
            address: "::2".parse().unwrap(),
            hosts: vec!["demo.lan".into()],
            key: None,
        };
        let hosts = serve_options(&options).hosts;
        assert_eq!(hosts, ["localhost", "127.0.0.1", "[::1]", "[::2]", "demo.lan"]);
    }

    #[test]
    fn a_log_filter_that_cannot_be_read_is_refused_with_what_it_takes() {
        let error = log_filter("warn,hubward_server=loud").unwrap_err().to_string();
        assert!(error.starts_with("HUBWARD_LOG: ") && error.contains("warn,hubward_server=debug"), "{error}");
        assert_eq!(log_filter("").unwrap().to_string(), "info");
        assert_eq!(log_filter("debug").unwrap().to_string(), "debug");
    }

    #[test]
    fn an_address_of_another_machine_is_not_taken_for_a_port_in_use() {
        let address = SocketAddr::from(([203, 0, 113, 7], 8080));
        let advice = |kind: ErrorKind| cannot_listen(address, &kind.into());
        assert!(advice(ErrorKind::AddrNotAvailable).contains("choose another --address"));
        assert!(advice(ErrorKind::AddrInUse).contains("choose another --port"));
    }

    #[test]
    fn every_node_takes_a_free_port_where_the_first_does() {
        assert_eq!([0, 1].map(|number| port_of(0, number)), [Some(0), Some(0)]);
        assert_eq!([0, 1].map(|number| port_of(8080, number)), [Some(8080), Some(8081)]);
        assert_eq!(port_of(65535, 1), None);
    }
}
