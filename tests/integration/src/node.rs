//! Nodes on loopback ports, alone or in a cluster, and tokens that they accept.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use hubward::auth::DevelopmentIssuer;
use hubward::transport::{PipeError, raw::RawConnection};
use hubward::{Builder, Cluster, Hub, HubHandle, Hubward, ServeOptions, TransportOptions};
use hubward_testing::{Http, Response};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::connect::Connect;

/// A node that serves on a port of its own until it is dropped.
pub struct TestNode {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its hubs.
    pub hubs: Hubward,
    _serving: JoinSet<()>,
}

impl TestNode {
    /// Joins the others and begins to serve.
    pub async fn start(hubs: Hubward) -> Self {
        Self::serving(hubs, ServeOptions::default()).await
    }

    /// The same, with options of the server.
    pub async fn serving(hubs: Hubward, options: ServeOptions) -> Self {
        hubs.start().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        let serve = hubward::serve(listener, hubs.mount(Default::default()), options);
        serving.spawn(async move { serve.await.unwrap() });
        Self { address, hubs, _serving: serving }
    }

    /// Starts a node with one hub, at `/hub`, that accepts the tokens of [`issuer`].
    pub async fn with_hub(hub: Hub) -> Self {
        Self::with_hub_and_transports(hub, TransportOptions::default()).await
    }

    /// The same, with options of the hub's path.
    pub async fn with_hub_and_transports(hub: Hub, transports: TransportOptions) -> Self {
        let builder = Hubward::builder().auth(issuer().authenticator());
        Self::start(builder.hub_with_options("/hub", hub, transports).build().unwrap()).await
    }

    /// Begins to connect a client to a hub.
    pub fn client(&self, path: &str) -> Connect {
        Connect::new(self.address, path)
    }

    /// Speaks to the clients of the hub `hub` from outside of it.
    pub fn handle(&self) -> HubHandle {
        self.hubs.hub("hub").unwrap()
    }

    /// Sends one request over a connection of its own.
    pub async fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        Http::exchange(self.address, method, target, headers, body).await
    }
}

/// Starts nodes that are joined in memory. `build` adds the hubs of each.
pub async fn cluster(nodes: usize, build: impl Fn(Builder) -> Builder) -> Vec<TestNode> {
    let cluster = Cluster::in_memory();
    let mut started = Vec::new();
    for number in 1..=nodes {
        let builder = Hubward::builder().join(&cluster, format!("node-{number}"));
        started.push(TestNode::start(build(builder).build().unwrap()).await);
    }
    started
}

/// A raw connection handler that sends back what it receives.
pub async fn echo_bytes(mut connection: RawConnection) -> Result<(), PipeError> {
    while let Some(bytes) = connection.receive().await {
        connection.send(bytes).await?;
    }
    Ok(())
}

/// The issuer whose tokens the nodes of tests accept.
pub fn issuer() -> &'static DevelopmentIssuer {
    static ISSUER: LazyLock<DevelopmentIssuer> = LazyLock::new(|| {
        DevelopmentIssuer::new("a secret for tests, of 32 bytes and more", "tests", "hubs").unwrap()
    });
    &ISSUER
}

/// Makes a token that holds for an hour.
pub fn token(user: &str, roles: &[&str]) -> String {
    let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
    let hour = Duration::from_secs(3600);
    issuer().mint(user, &roles, &[], hour, SystemTime::now()).unwrap().expose().to_owned()
}

/// How much memory of this process is resident, which only Linux shows.
pub fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}
