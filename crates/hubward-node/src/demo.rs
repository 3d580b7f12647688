//! `hubward demo`: nodes with a chat, a ward dashboard and a page to try them. They are joined in memory, or by a Redis, each in
//! a process of its own.

mod chat;
mod clock;
mod demo_node;
mod joined;
mod named_lines;
mod page;
mod processes;
mod shared;
mod sign_in;
mod vitals;
mod ward;

use std::io::{ErrorKind, IsTerminal, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hubward::auth::Policy;
use hubward::{DrainOptions, Hubward, ServeOptions, TransportOptions};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::command::DemoOptions;
use crate::demo::demo_node::{DemoNode, NodeInfo};
use crate::demo::joined::Joined;
use crate::demo::named_lines::NamedLines;
use crate::demo::shared::{READY, node_name, parent_ended, port_of, shutdown_signal, signing_key};
use crate::failure::Failure;
use crate::token;

/// Time for the graceful end: a client has five seconds for its Close message, and the node a little more.
const GRACE: Duration = Duration::from_secs(6);

pub(crate) fn run(options: DemoOptions) -> Result<(), Failure> {
    let filter = log_filter(&std::env::var("HUBWARD_LOG").unwrap_or_default())?;
    // A file that the log goes to is read without a terminal's colours.
    let colours = std::io::stderr().is_terminal();
    let name = options.only.map(node_name);
    let lines = move || NamedLines::new(name.clone(), std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(lines).init();
    // A mistake in the configuration is this process's to report, not each node's.
    let has_redis = joined::redis(&options)?.is_some();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        match options.only {
            None if has_redis => processes::run(&options).await,
            _ => serve(options).await,
        }
    })
}

fn log_filter(wanted: &str) -> Result<EnvFilter, Failure> {
    let directives = if wanted.trim().is_empty() { "info" } else { wanted };
    // The library takes any word for a crate, of which it then logs everything.
    let is_word = |part: &&str| !part.is_empty() && !part.contains(['=', '[', ']']);
    let mut words = directives.split(',').map(str::trim).filter(is_word);
    if let Some(word) = words.find(|word| word.parse::<LevelFilter>().is_err()) {
        return Err(format!(
            "HUBWARD_LOG: '{word}' is no level; there are error, warn, info, debug, trace and off, and of one crate \
             {word}=debug"
        )
        .into());
    }
    EnvFilter::try_new(directives).map_err(|error| {
        format!("HUBWARD_LOG: {error}; it takes `debug`, or `warn,hubward_server=debug`").into()
    })
}

async fn serve(options: DemoOptions) -> Result<(), Failure> {
    let key = signing_key(&options);
    let nodes = listen(&options).await?;
    let (infos, joined) =
        (nodes.iter().map(|(info, _)| info.clone()).collect::<Vec<_>>(), Joined::new(&options)?);
    let mut running = Vec::new();
    let mut tasks = JoinSet::new();
    for (info, listener) in nodes {
        // A node of another process.
        let Some(listener) = listener else { continue };
        let node = Arc::new(DemoNode { info, nodes: infos.clone(), issuer: token::issuer(&key)? });
        let hubs = hubs(&node, &joined)?;
        hubs.start().await.map_err(|error| joined.explain(error))?;
        let app = hubs.mount(page::router(node).merge(hubs.health()));
        tasks.spawn(hubward::serve(listener, app, serve_options(&options)));
        if let Some(wards) = hubs.hub("ward") {
            tasks.spawn(ward::send_vitals(wards, hubs.node().clone()));
        }
        running.push(hubs);
    }
    let signalled = shutdown_signal()?;
    match options.only {
        Some(_) => writeln!(std::io::stdout(), "{}", READY)?,
        None => announce(&infos)?,
    }
    if options.only.is_none() {
        signalled.await?;
        let again = shutdown_signal()?;
        return tokio::select! {
            () = shut_down(&running) => Ok(()),
            again = again => Ok(again?),
        };
    }
    // A second signal is the parent's to act on: with Ctrl-C both get one, and the parent sends another.
    tokio::select! {
        signalled = signalled => signalled?,
        () = parent_ended() => {}
    }
    shut_down(&running).await;
    Ok(())
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

/// All nodes of the demo, with the listeners of those that are in this process.
async fn listen(options: &DemoOptions) -> Result<Vec<(NodeInfo, Option<TcpListener>)>, Failure> {
    let mut nodes = Vec::new();
    for number in 0..options.nodes {
        let port = port_of(options.port, number).ok_or("the last port is 65535: choose a smaller --port")?;
        let address = SocketAddr::new(options.address, port);
        let name = node_name(number);
        if options.only.is_some_and(|only| only != number) {
            nodes.push((NodeInfo { name, url: format!("http://{address}") }, None));
            continue;
        }
        let listener = TcpListener::bind(address).await.map_err(|error| cannot_listen(address, &error))?;
        let url = format!("http://{}", listener.local_addr()?);
        nodes.push((NodeInfo { name, url }, Some(listener)));
    }
    Ok(nodes)
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> String {
    let option = match error.kind() {
        ErrorKind::AddrNotAvailable => "--address, one of this machine's",
        _ => "--port",
    };
    format!("cannot listen on {address}: {error}; choose another {option}")
}

fn hubs(node: &DemoNode, joined: &Joined) -> Result<Hubward, Failure> {
    let name = node.info.name.as_str();
    let transports = TransportOptions { allow_stateful_reconnects: true, ..TransportOptions::default() };
    let builder = Hubward::builder()
        .auth(node.issuer.authenticator())
        .policy("SignedIn", Policy::authenticated())
        .policy("ClinicalStaff", Policy::any_role(["nurse", "doctor", "admin"]))
        .policy("DoctorsOnly", Policy::any_role(["doctor"]))
        .hub_with_options("/hubs/chat", chat::hub(name), transports.clone())
        .hub_with_options("/hubs/ward", ward::hub(), transports);
    Ok(joined.join(builder, name)?.build()?)
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

/// Nothing is in front of the demo that would have to notice, so that it drains without a delay.
async fn shut_down(nodes: &[Hubward]) {
    // Whether or not anybody reads it.
    let _ = writeln!(std::io::stderr(), "Shutting down: clients are notified that they may reconnect.");
    let options = DrainOptions::without_delay(GRACE);
    let reports = futures_util::future::join_all(nodes.iter().map(|node| node.drain(options))).await;
    let left: usize = reports.iter().map(|report| report.left).sum();
    if left > 0 {
        tracing::warn!(left, "Some connections did not close in time.");
    }
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
            redis: None,
            config: None,
            only: None,
        };
        let hosts = serve_options(&options).hosts;
        assert_eq!(hosts, ["localhost", "127.0.0.1", "[::1]", "[::2]", "demo.lan"]);
    }

    #[test]
    fn a_log_filter_that_cannot_be_read_is_refused_with_what_it_takes() {
        let error = log_filter("warn,hubward_server=loud").unwrap_err().to_string();
        assert!(error.starts_with("HUBWARD_LOG: ") && error.contains("warn,hubward_server=debug"), "{error}");
        for (wanted, word) in
            [("dbug", "dbug"), ("info,hubward_server", "hubward_server"), (" debug , lod", "lod")]
        {
            let error = log_filter(wanted).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("HUBWARD_LOG: '{word}' is no level; there are error, warn,")),
                "{error}"
            );
        }
        for good in ["DEBUG", "off", "[span]=debug", "warn,hubward_server[x{a=1}]=debug"] {
            log_filter(good).unwrap();
        }
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
}
