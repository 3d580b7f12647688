//! Redis Cluster: three primaries, and a replica of each.

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::process::Command;

use crate::port::Port;
use crate::redis::options::RedisOptions;
use crate::redis::server::{RedisServer, has_caught_up};
use crate::wait::{eventually, within};

/// How many slots the keys of a Cluster are spread over.
pub const SLOTS: u16 = 16_384;

/// After how long without an answer a node is considered failed, and its replica takes over.
const NODE_TIMEOUT_MS: usize = 2000;

/// Six nodes. They are known by their index, from 0 to 5.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts all six, and waits until the Cluster is complete.
    pub async fn start() -> Self {
        let mut nodes = Vec::new();
        for _ in 0..6 {
            nodes.push(start_node().await);
        }
        let addresses: Vec<String> = nodes.iter().map(|node| node.address().to_string()).collect();
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(&addresses).args([
            "--cluster-replicas",
            "1",
            "--cluster-yes",
        ]);
        create.stdin(Stdio::null()).kill_on_drop(true);
        let output = within("redis-cli --cluster create", create.output()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let cluster = Self { nodes };
        cluster.ready().await;
        cluster
    }

    /// Returns a URL that names all nodes.
    pub fn url(&self) -> String {
        let addresses: Vec<String> = self.addresses().iter().map(SocketAddr::to_string).collect();
        format!("redis-cluster://{}", addresses.join(","))
    }

    /// Returns where the nodes listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(RedisServer::address).collect()
    }

    /// Returns the nodes, for a test to pause, to restart or to ask.
    pub fn nodes(&mut self) -> &mut [RedisServer] {
        &mut self.nodes
    }

    /// Returns the slot of a key or of a sharded channel.
    pub async fn slot(&self, key: &str) -> u16 {
        self.any().cli(&["cluster", "keyslot", key]).await.parse().unwrap()
    }

    /// Returns the primary that has this slot.
    pub async fn primary_of(&self, slot: u16) -> usize {
        let state = self.any().cli(&["cluster", "nodes"]).await;
        let lines = state.lines().map(Line::parse);
        let mut owners =
            lines.filter(|line| line.slots.iter().any(|(first, last)| (*first..=*last).contains(&slot)));
        let owner = owners.next().unwrap_or_else(|| panic!("nobody has slot {slot}:\n{state}"));
        self.index(owner.address)
    }

    /// Returns another primary than the one that has this slot, for the slot to be moved to.
    pub async fn other_primary_than_of(&self, slot: u16) -> usize {
        let owner = self.primary_of(slot).await;
        let state = self.any().cli(&["cluster", "nodes"]).await;
        let primaries = state.lines().map(Line::parse).filter(|line| !line.slots.is_empty());
        primaries.map(|line| self.index(line.address)).find(|index| *index != owner).unwrap()
    }

    /// Moves a slot with its keys from one primary to another, as `redis-cli --cluster reshard` does.
    pub async fn move_slot(&self, slot: u16, from: usize, to: usize) {
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let (source_id, target_id) = (id(source).await, id(target).await);
        let number = slot.to_string();
        target.cli(&["cluster", "setslot", &number, "importing", &source_id]).await;
        source.cli(&["cluster", "setslot", &number, "migrating", &target_id]).await;
        let port = target.address().port().to_string();
        loop {
            let keys = source.cli(&["cluster", "getkeysinslot", &number, "100"]).await;
            let keys: Vec<&str> = keys.lines().collect();
            if keys.is_empty() {
                break;
            }
            let migrate = ["migrate", "127.0.0.1", &port, "", "0", "5000", "keys"];
            source.cli(&[&migrate[..], &keys].concat()).await;
        }
        // The target first: if the source lost the slot before, nobody would have it for a moment.
        let primaries = [target, source].into_iter().chain(&self.nodes);
        for node in primaries.filter(|node| node.is_running()) {
            // Replicas learn it from the others.
            let _ = node.try_cli(&["cluster", "setslot", &number, "node", &target_id]).await;
        }
        eventually("the slot's new owner", async || self.primary_of(slot).await == to).await;
        self.ready().await;
    }

    /// Waits until the replica of the primary that has this slot has all that the primary has now. Redis does not wait
    /// for that: what is written just before a primary dies may be lost.
    pub async fn replicated(&self, slot: u16) {
        let primary = self.primary_of(slot).await;
        let primary_id = id(&self.nodes[primary]).await;
        let state = self.any().cli(&["cluster", "replicas", &primary_id]).await;
        for replica in state.lines().map(Line::parse) {
            has_caught_up(&self.nodes[self.index(replica.address)], &self.nodes[primary]).await;
        }
    }

    /// Kills the primary that has this slot, and waits until its replica has taken over. Returns which was killed; a
    /// replica is what it becomes when it restarts.
    pub async fn kill_primary_of(&mut self, slot: u16) -> usize {
        let killed = self.primary_of(slot).await;
        self.nodes[killed].kill();
        eventually("the replica to take over", async || self.primary_of(slot).await != killed).await;
        self.ready().await;
        killed
    }

    /// Waits until each node that runs considers the Cluster complete, and knows the same primaries and replicas, and
    /// each replica follows its primary.
    pub async fn ready(&self) {
        eventually("a Cluster that is complete", async || {
            let mut views = Vec::new();
            for node in self.nodes.iter().filter(|node| node.is_running()) {
                let Some(view) = view_when_ready(node).await else { return false };
                views.push(view);
            }
            views.windows(2).all(|pair| pair[0] == pair[1])
        })
        .await;
    }

    fn any(&self) -> &RedisServer {
        self.nodes.iter().find(|node| node.is_running()).expect("a node runs")
    }

    fn index(&self, address: SocketAddr) -> usize {
        self.nodes.iter().position(|node| node.address() == address).unwrap()
    }
}

/// A line of `CLUSTER NODES`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    address: SocketAddr,
    /// The id of a replica's primary.
    primary: String,
    /// The first and the last of each range.
    slots: Vec<(u16, u16)>,
}

impl Line {
    /// Reads `id ip:port@bus flags primary ping pong epoch link slot slot-slot [slot->-importing]`.
    fn parse(line: &str) -> Self {
        let fields: Vec<&str> = line.split(' ').collect();
        let (address, _) = fields[1].split_once('@').unwrap();
        let ranges = fields[8..].iter().filter(|range| !range.starts_with('['));
        let slots = ranges.map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            (first.parse().unwrap(), last.parse().unwrap())
        });
        let primary = fields[3].to_owned();
        Self { address: address.parse().unwrap(), primary, slots: slots.collect() }
    }
}

/// How a node sees the Cluster, where that is complete to it, and where it has its role.
async fn view_when_ready(node: &RedisServer) -> Option<Vec<Line>> {
    let is_complete = node.cli(&["cluster", "info"]).await.contains("cluster_state:ok");
    let state = node.cli(&["cluster", "nodes"]).await;
    let mut view: Vec<Line> = state.lines().map(Line::parse).collect();
    view.sort();
    // A node without slots is a replica, but not from its first moment.
    let has_slots = view.iter().any(|line| line.address == node.address() && !line.slots.is_empty());
    let follows =
        async || node.info("role").await == "slave" && node.info("master_link_status").await == "up";
    (is_complete && (has_slots || follows().await)).then_some(view)
}

async fn start_node() -> RedisServer {
    let bus = Port::reserve();
    let settings = vec![
        "cluster-enabled yes".to_owned(),
        format!("cluster-port {}", bus.number()),
        format!("cluster-node-timeout {NODE_TIMEOUT_MS}"),
        "repl-diskless-sync-delay 0".to_owned(),
    ];
    RedisServer::start_with(RedisOptions { settings, ..RedisOptions::default() }, &[], vec![bus]).await
}

async fn id(node: &RedisServer) -> String {
    node.cli(&["cluster", "myid"]).await
}
