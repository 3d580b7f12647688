//! A node, or several in one process, with the hubs that the answers of ASP.NET Core were recorded with, and a hub for
//! tests of several nodes.
//!
//! `conformance-server --listen 127.0.0.1:8081[,127.0.0.1:8082…]`: each address is a node, and several are joined by the
//! in-memory backplane. With `--redis URL` each is a node of the cluster of all processes that are started with this URL. Each
//! says under `/health/ready` whether it is ready, and drains on SIGTERM. It is a tool for tests and benchmarks, with keys that
//! are public.

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
use futures_util::future::{join_all, select_all};
use hubward::auth::{Authenticator, Cors, JwtConfig, JwtKey, KeyRing, Policy, SealingKey};
use hubward::redis::Redis;
use hubward::{Builder, Cluster, DrainOptions, Hubward, ServeOptions};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the nodes of all processes seal connection tokens with. It is public, as all of this tool is.
const CONNECTION_TOKEN_KEY: [u8; 32] = *b"conformance-server-token-key-32b";

#[derive(Parser)]
struct CommandLine {
    /// Addresses to listen on, separated by commas; each is a node.
    #[arg(long, value_delimiter = ',', default_value = "127.0.0.1:8081")]
    listen: Vec<SocketAddr>,
    /// Joins all processes of the same Redis to one cluster.
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// What keys and channels in Redis begin with.
    #[arg(long, value_name = "PREFIX", default_value = "hubward", requires = "redis")]
    redis_prefix: String,
    /// Where a node listens for the others. Port 0 is any that is free.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", requires = "redis")]
    internal_listen: SocketAddr,
    /// Where the others reach that, if not there.
    #[arg(long, value_name = "ADDRESS", requires = "redis")]
    address: Option<String>,
    /// After how many milliseconds without a heartbeat a node counts as dead.
    #[arg(long, value_name = "MS", default_value = "15000", requires = "redis")]
    lease: u64,
    /// For how many milliseconds it serves everything after SIGTERM, while it is not ready any more.
    #[arg(long, value_name = "MS", default_value = "0")]
    drain_delay: u64,
    /// How many milliseconds it takes at most to end after SIGTERM, the drain delay included. A second signal ends it at once.
    #[arg(long, value_name = "MS", default_value = "10000")]
    grace: u64,
    /// Over how many milliseconds the closing of connections is spread. Without it, over half of what the delay leaves of
    /// the grace time, and ten seconds at most.
    #[arg(long, value_name = "MS")]
    close_window: Option<u64>,
}

/// How the nodes of this process are joined to others.
enum Joined {
    Alone,
    InMemory(Cluster),
    Redis { redis: Redis, internal_listener: SocketAddr, address: Option<String> },
}

/// Any error that ends the program.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let command_line = CommandLine::parse();
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_env("HUBWARD_LOG")).init();
    let joined = Joined::new(&command_line)?;
    let mut serving = tokio::task::JoinSet::new();
    let mut nodes = Vec::new();
    for (number, address) in command_line.listen.into_iter().enumerate() {
        let hubs = node(&joined, &format!("node-{}", number + 1))?;
        hubs.start().await?;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        let app = hubs.mount(hubs.health());
        serving.spawn(hubward::serve(listener, app, ServeOptions::default()));
        nodes.push(hubs);
    }
    let mut signals = EndSignals::new()?;
    announce()?;
    let begun = nodes.iter().map(|node| Box::pin(node.drain_begun()));
    tokio::select! {
        () = signals.next() => {}
        _ = select_all(begun) => {}
    }
    let options = DrainOptions {
        delay: Duration::from_millis(command_line.drain_delay),
        grace: Duration::from_millis(command_line.grace),
        close_window: command_line.close_window.map(Duration::from_millis),
    };
    tokio::select! {
        _ = join_all(nodes.iter().map(|node| node.drain(options))) => {}
        // Who asks twice does not want to wait.
        () = signals.next() => {}
    }
    Ok(())
}

/// SIGTERM and SIGINT, from when this is made.
struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    fn new() -> std::io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Joined {
    fn new(command_line: &CommandLine) -> Result<Self, Failure> {
        let Some(url) = &command_line.redis else {
            let is_alone = command_line.listen.len() == 1;
            return Ok(if is_alone { Self::Alone } else { Self::InMemory(Cluster::in_memory()) });
        };
        let redis = Redis::url(url)?.prefix(&*command_line.redis_prefix);
        Ok(Self::Redis {
            redis: redis.lease(Duration::from_millis(command_line.lease)).build()?,
            internal_listener: command_line.internal_listen,
            address: command_line.address.clone(),
        })
    }

    fn join(&self, builder: Builder, name: &str) -> Result<Builder, Failure> {
        match self {
            Self::Alone => Ok(builder),
            Self::InMemory(cluster) => Ok(builder.join(cluster, name)),
            Self::Redis { redis, internal_listener, address } => {
                let keys = KeyRing::new(vec![SealingKey::from_bytes(CONNECTION_TOKEN_KEY)?])?;
                // Processes are started alike, so the name is not enough.
                let name = format!("{name}-{}", std::process::id());
                let builder = builder.redis(redis, name, keys).internal_listener(*internal_listener);
                Ok(match address {
                    Some(address) => builder.address(address),
                    None => builder,
                })
            }
        }
    }
}

/// Says on standard output that the nodes listen, for whatever waits for that.
fn announce() -> std::io::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "listening")
}

fn node(joined: &Joined, name: &str) -> Result<Hubward, Failure> {
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
    Ok(joined.join(builder, name)?.build()?)
}
