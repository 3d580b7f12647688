//! The node that is attacked: the process that tests start, and how they start it.

mod counted;
mod hubs;
pub(crate) mod never;
mod poison;

use std::time::Duration;

use hubward::{Cluster, Hubward, ServeOptions};
use hubward_tests::{NodeProcess, announce, issuer, parent_ended};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// How many nodes the process has.
const NODES: &str = "HUBWARD_ATTACKED_NODES";

/// Time after which the node sees that a socket stalls: short, so that tests are, and long for a machine with load.
const QUICK: Duration = Duration::from_secs(4);

/// Starts a node.
pub(crate) fn node() -> NodeProcess {
    nodes(1)
}

/// Starts a process with several nodes that are joined in memory.
pub(crate) fn nodes(count: usize) -> NodeProcess {
    NodeProcess::start("node::serves_until_its_test_ends", &[(NODES, &count.to_string())])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the node that the other tests start"]
async fn serves_until_its_test_ends() {
    let Ok(count) = std::env::var(NODES) else { return };
    let count: usize = count.parse().unwrap();
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let cluster = (count > 1).then(Cluster::in_memory);
    let mut serving = JoinSet::new();
    let mut addresses = Vec::new();
    for number in 1..=count {
        let builder = hubs::add(Hubward::builder().auth(issuer().authenticator()));
        let builder = match &cluster {
            Some(cluster) => builder.join(cluster, format!("node-{number}")),
            None => builder,
        };
        let hubs = builder.build().unwrap();
        hubs.start().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap());
        serving.spawn(serve(listener, hubs));
    }
    announce(&addresses);
    parent_ended().await;
}

async fn serve(listener: TcpListener, hubs: Hubward) {
    let options = ServeOptions {
        head_timeout: QUICK,
        body_timeout: QUICK,
        idle_timeout: QUICK,
        write_timeout: QUICK,
        hosts: vec!["localhost".into()],
        ..ServeOptions::default()
    };
    hubward::serve(listener, hubs.mount(Default::default()), options).await.unwrap();
}
