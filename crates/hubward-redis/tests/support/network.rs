//! Redis as a network of the backplanes' suite: each node reaches the servers through proxies of its own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hubward_backplane::conformance::backplane::recording_node::TestNetwork;
use hubward_backplane::{Backplane, Topic};
use hubward_redis::{Redis, RedisBuilder};
use hubward_testing::FaultProxy;
use hubward_types::NodeId;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::{Servers, acl, address, prefix};

type Proxies = HashMap<SocketAddr, FaultProxy>;

pub(crate) struct RedisNetwork {
    servers: Servers,
    prefix: String,
    proxies: Mutex<Vec<(NodeId, Arc<Proxies>)>>,
}

impl RedisNetwork {
    /// Makes one whose prefix is that of a user who may do what the guide says, until a channel is refused.
    pub(crate) async fn new(servers: impl Future<Output = Servers>) -> Self {
        let (servers, prefix) = (servers.await, prefix());
        for server in &servers.servers {
            acl::set(server, &prefix, &acl::of_servers(&prefix)).await;
        }
        Self { servers, prefix, proxies: Mutex::default() }
    }

    fn redis(&self, proxies: Arc<Proxies>) -> Redis {
        let map = move |at: &hubward_redis::Address| {
            let proxied = proxies.iter().find(|(upstream, _)| address(**upstream) == *at);
            proxied.map_or_else(|| at.clone(), |(_, proxy)| address(proxy.address()))
        };
        let builder: RedisBuilder = self.servers.redis().prefix(&self.prefix);
        builder.username(&self.prefix).password(acl::PASSWORD).map_addresses(map).build().unwrap()
    }

    fn of_node(&self, node: &NodeId) -> Vec<Arc<Proxies>> {
        let proxies = self.proxies.lock();
        proxies.iter().filter(|(name, _)| name == node).map(|(_, proxies)| Arc::clone(proxies)).collect()
    }
}

impl TestNetwork for RedisNetwork {
    fn backplane(&self, node: NodeId) -> Arc<dyn Backplane> {
        let start = async {
            let mut proxies = Proxies::new();
            for upstream in &self.servers.addresses {
                proxies.insert(*upstream, FaultProxy::start(*upstream).await);
            }
            proxies
        };
        let proxies = Arc::new(block_in_place(|| Handle::current().block_on(start)));
        self.proxies.lock().push((node, Arc::clone(&proxies)));
        Arc::new(self.redis(proxies).backplane())
    }

    fn interrupt<'a>(&'a self, node: &'a NodeId) -> BoxFuture<'a, ()> {
        async {
            for proxies in self.of_node(node) {
                for proxy in proxies.values() {
                    proxy.interrupt().await;
                }
            }
        }
        .boxed()
    }

    fn resume<'a>(&'a self, node: &'a NodeId) -> BoxFuture<'a, ()> {
        async {
            for proxies in self.of_node(node) {
                for proxy in proxies.values() {
                    proxy.resume().await;
                }
            }
        }
        .boxed()
    }

    fn hold<'a>(&'a self, node: &'a NodeId) -> BoxFuture<'a, ()> {
        async {
            let proxies = self.of_node(node);
            proxies.iter().flat_map(|proxies| proxies.values()).for_each(FaultProxy::hold);
        }
        .boxed()
    }

    fn release<'a>(&'a self, node: &'a NodeId) -> BoxFuture<'a, ()> {
        async {
            let proxies = self.of_node(node);
            proxies.iter().flat_map(|proxies| proxies.values()).for_each(FaultProxy::release);
        }
        .boxed()
    }

    fn refuse(&self, topic: Topic) -> BoxFuture<'_, ()> {
        async move {
            let allowed = all_but(&channel(&self.prefix, &topic));
            let mut command = vec!["ACL", "SETUSER", &*self.prefix, "resetchannels"];
            command.extend(allowed.iter().map(|pattern| &**pattern));
            self.servers.cli(&command).await;
        }
        .boxed()
    }
}

/// The name of a group's channel, as the guide says.
fn channel(prefix: &str, topic: &Topic) -> String {
    match topic {
        Topic::Group(hub, group) => format!("{prefix}:1:g:{}:{hub}{group}", hub.as_str().len()),
        other => panic!("the suite refuses no {other:?}"),
    }
}

/// Patterns that match every channel but this one, since Redis's rules only allow: what is shorter, what has another
/// letter at some place, and what is longer.
fn all_but(channel: &str) -> Vec<String> {
    let mut patterns = vec![format!("&{channel}?*")];
    for (place, letter) in channel.char_indices() {
        let begin = &channel[..place];
        patterns.push(format!("&{begin}"));
        patterns.push(format!("&{begin}[^{letter}]*"));
    }
    // An empty pattern is none.
    patterns.retain(|pattern| pattern != "&");
    patterns
}
