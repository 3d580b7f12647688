//! Redis that restarts: it gives the numbers of its connections anew, to others.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failure here is to fail a test"
)]

use std::net::SocketAddr;
use std::sync::Arc;

use hubward_backplane::{
    Backplane as _, GroupStore, NodeInfo, NodeLoad, NodeRegistry, Owner, ReceivedEnvelope, RegistryError,
    StoreError, Subscriber,
};
use hubward_redis::{Redis, RedisStore};
use hubward_testing::redis::{Data, RedisOptions, RedisServer};
use hubward_testing::{FaultProxy, eventually, within};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// More connections than a server had before it restarted, so that one of them has the number of the store's.
const OTHERS: usize = 50;

async fn ping(socket: &mut TcpStream) {
    socket.write_all(b"PING\r\n").await.unwrap();
    let mut reply = [0; 7];
    within("a reply", socket.read_exact(&mut reply)).await.unwrap();
    assert_eq!(&reply, b"+PONG\r\n");
}

#[tokio::test]
async fn a_store_that_connects_again_ends_no_connection_of_others() {
    let mut server = RedisServer::start(RedisOptions::default()).await;
    let proxy = FaultProxy::start(server.address()).await;
    let store = Redis::url(&format!("redis://{}", proxy.address())).unwrap().build().unwrap().store();
    let add = || store.add_user(&"hub".into(), &"group".into(), &"user".into(), None);
    add().await.unwrap();

    proxy.interrupt().await;
    server.restart(Data::Lost).await;
    let mut others = Vec::new();
    for _ in 0..OTHERS {
        let mut other = TcpStream::connect(server.address()).await.unwrap();
        ping(&mut other).await;
        others.push(other);
    }
    proxy.resume().await;
    eventually("the store to be connected", async || add().await.is_ok()).await;
    for other in &mut others {
        ping(other).await;
    }
}

fn node() -> NodeInfo {
    NodeInfo { id: "node".into(), address: None, hubs: Vec::new() }
}

async fn has_ended(store: &RedisStore, life: &Owner) {
    let is_fenced =
        async || matches!(store.heartbeat(life, NodeLoad::default()).await, Err(RegistryError::Fenced));
    eventually("the life to have ended", is_fenced).await;
}

#[tokio::test]
async fn a_nodes_life_ends_with_the_start_of_the_server_that_it_was_announced_on() {
    let mut server = RedisServer::start(RedisOptions::default()).await;
    let proxy = FaultProxy::start(server.address()).await;
    let store = Redis::url(&format!("redis://{}", proxy.address())).unwrap().build().unwrap().store();
    let node = node();
    let mut owner = Owner { node: node.id.clone(), epoch: store.announce(node.clone()).await.unwrap() };
    // A connection that ends is no end of the server.
    proxy.interrupt().await;
    proxy.resume().await;
    eventually("the store to be connected", async || {
        store.heartbeat(&owner, NodeLoad::default()).await.is_ok()
    })
    .await;

    // All that was recorded is there again, but nobody knows whether that is all.
    for data in [Data::Kept, Data::Lost] {
        server.restart(data).await;
        has_ended(&store, &owner).await;
        owner.epoch = store.announce(node.clone()).await.unwrap();
        store.heartbeat(&owner, NodeLoad::default()).await.unwrap();
    }
}

#[tokio::test]
async fn a_node_begins_anew_where_redis_knows_of_an_earlier_life_of_it() {
    let mut server = RedisServer::start(RedisOptions::default()).await;
    let store = Redis::url(&server.url()).unwrap().build().unwrap().store();
    let announce = async || Owner { node: node().id, epoch: store.announce(node()).await.unwrap() };
    let earlier = announce().await;
    server.cli(&["save"]).await;
    store.withdraw(&earlier).await.unwrap();
    let later = announce().await;
    server.kill();
    server.restart(Data::Kept).await;
    has_ended(&store, &later).await;
    store.heartbeat(&announce().await, NodeLoad::default()).await.unwrap();
}

/// What clients have asked of a server: to end other connections.
type Kills = Arc<Mutex<Vec<String>>>;

/// Forwards connections to a server, but closes the first one over which a client asks to end another.
async fn close_at_first_kill(listener: TcpListener, server: SocketAddr, kills: Kills) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(forward(client, TcpStream::connect(server).await.unwrap(), kills.clone()));
    }
}

async fn forward(client: TcpStream, server: TcpStream, kills: Kills) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = async {
        let mut part = [0; 16 * 1024];
        while let Ok(length @ 1..) = from_client.read(&mut part).await {
            let text = String::from_utf8_lossy(&part[..length]);
            if text.contains("KILL") {
                let mut kills = kills.lock();
                kills.push(text.into_owned());
                if kills.len() == 1 {
                    return;
                }
            }
            to_server.write_all(&part[..length]).await.unwrap();
        }
    };
    tokio::select! {
        () = requests => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
    }
}

#[tokio::test]
async fn a_connection_that_could_not_be_ended_is_ended_by_the_next_one() {
    let server = RedisServer::start(RedisOptions::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Kills::default());
    let mut forwarding = JoinSet::new();
    forwarding.spawn(close_at_first_kill(listener, server.address(), asked.clone()));
    let store = Redis::url(&format!("redis://{address}")).unwrap().build().unwrap().store();
    let add = || store.add_user(&"hub".into(), &"group".into(), &"user".into(), None);
    add().await.unwrap();
    server.cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    eventually("the store to be connected", async || !asked.lock().is_empty() && add().await.is_ok()).await;
    let asked = asked.lock();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[0], asked[1]);
}

/// Calls a store as soon as its backplane says that it is whole again.
struct CallsStore {
    store: Arc<RedisStore>,
    results: mpsc::UnboundedSender<Result<(), StoreError>>,
    calls: Mutex<JoinSet<()>>,
}

impl Subscriber for CallsStore {
    fn deliver(&self, _: &[ReceivedEnvelope]) {}

    fn interrupted(&self, _: &str) {}

    fn resumed(&self) {
        let (store, results) = (self.store.clone(), self.results.clone());
        self.calls.lock().spawn(async move {
            let added = store.add_user(&"hub".into(), &"group".into(), &"user".into(), None).await;
            results.send(added.map(|_| ())).unwrap();
        });
    }
}

#[tokio::test]
async fn a_store_can_be_called_when_its_backplane_is_whole_again() {
    let server = RedisServer::start(RedisOptions::default()).await;
    let proxy = FaultProxy::start(server.address()).await;
    let redis = Redis::url(&format!("redis://{}", proxy.address())).unwrap().build().unwrap();
    let (store, backplane) = (Arc::new(redis.store()), redis.backplane());
    let add = || store.add_user(&"hub".into(), &"group".into(), &"user".into(), None);
    add().await.unwrap();
    let (results, mut called) = mpsc::unbounded_channel();
    let subscriber = CallsStore { store: store.clone(), results, calls: Mutex::default() };
    backplane.start(Arc::new(subscriber)).await.unwrap();
    for _ in 0..10 {
        proxy.interrupt().await;
        eventually("the store to be down", async || add().await.is_err()).await;
        proxy.resume().await;
        within("the backplane to be whole", called.recv()).await.unwrap().unwrap();
    }
}
