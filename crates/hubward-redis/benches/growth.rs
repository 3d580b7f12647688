//! Whether what is done for one group, user or connection costs more where there are many others: Redis's own time for
//! each call at 1, 1,000 and 100,000 of them, and the memory of each. It starts a `redis-server` by itself.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement that cannot be made is to end with the reason, and prints what it measures"
)]

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use hubward_backplane::{
    Backplane, GroupStore, NodeInfo, NodeRegistry, OpenConnection, Owner, ReceivedEnvelope, Subscriber, Topic,
};
use hubward_redis::{Redis, RedisBackplane, RedisStore};
use hubward_testing::redis::{RedisOptions, RedisServer};
use hubward_types::{ConnectionId, GroupName, HubName, UserId};

/// How many there are of each thing, one after the other.
const SIZES: [usize; 3] = [1, 1_000, 100_000];
/// Calls of each kind that are measured, and how often: the least counts.
const CALLS: usize = 2_000;
const ROUNDS: usize = 3;
/// How many calls are under way at a time.
const AT_ONCE: usize = 64;
/// No heartbeat is sent while this measures.
const LEASE: Duration = Duration::from_secs(24 * 3600);

struct Nowhere;

impl Subscriber for Nowhere {
    fn deliver(&self, _: &[ReceivedEnvelope]) {}
    fn interrupted(&self, _: &str) {}
    fn resumed(&self) {}
}

struct Bench {
    server: RedisServer,
    store: RedisStore,
    owner: Owner,
    sending: RedisBackplane,
    receiving: RedisBackplane,
}

#[tokio::main]
async fn main() {
    println!("Redis's time for a call, in µs, the least of {ROUNDS} times {CALLS} calls.");
    println!("\nThere are so many connections, each of a user of its own and in a group of its own:");
    print_header();
    let bench = Bench::start().await;
    let mut there_are = 0;
    let mut memory = Vec::new();
    for size in SIZES {
        memory = bench.grow(there_are, size).await;
        there_are = size;
        bench.print_row(size, "group").await;
    }
    println!("\nSo many are in one group:");
    print_header();
    let bench = Bench::start().await;
    there_are = 0;
    for size in SIZES {
        bench.open(there_are..size).await;
        bench.join(there_are..size, |_| "group".into()).await;
        there_are = size;
        bench.print_row(size, "group").await;
    }
    println!("\nThere are so many other nodes:");
    print_header();
    let bench = Bench::start().await;
    there_are = 0;
    for size in [1, 10, 100] {
        for number in there_are..size {
            announce(&bench.store, &format!("other-{number}")).await;
        }
        there_are = size;
        bench.print_row(size, "group").await;
    }
    println!("\nMemory of Redis, in bytes, the mean of 99,000:");
    memory.extend(Bench::start().await.memory_of_users().await);
    for (what, bytes) in memory {
        println!("{bytes:8.0}  {what}");
    }
}

fn print_header() {
    println!("{:>9} {:>8} {:>8} {:>8} {:>8} {:>8}", "", "connect", "end", "join", "leave", "send");
}

async fn announce(store: &RedisStore, name: &str) -> Owner {
    let node = NodeInfo { id: name.into(), address: None, hubs: vec![hub()] };
    let epoch = store.announce(node.clone()).await.unwrap();
    Owner { node: node.id, epoch }
}

fn hub() -> HubName {
    "clinical".into()
}

/// Of the length that ids have.
fn connection(number: usize) -> ConnectionId {
    format!("{number:022}").into()
}

/// As long as a UUID.
fn user(number: usize) -> UserId {
    format!("{number:036}").into()
}

fn group(number: usize) -> GroupName {
    format!("ward:{number:07}").into()
}

/// Makes calls, some at a time. None may fail.
async fn all<F: Future<Output = ()>>(calls: impl Iterator<Item = F>) {
    stream::iter(calls).buffer_unordered(AT_ONCE).for_each(async |()| ()).await;
}

impl Bench {
    async fn start() -> Self {
        let server = RedisServer::start(RedisOptions::default()).await;
        let redis = Redis::url(&server.url()).unwrap().lease(LEASE).build().unwrap();
        let (store, sending, receiving) = (redis.store(), redis.backplane(), redis.backplane());
        let owner = announce(&store, "node").await;
        sending.start(Arc::new(Nowhere)).await.unwrap();
        receiving.start(Arc::new(Nowhere)).await.unwrap();
        Self { server, store, owner, sending, receiving }
    }

    /// Adds connections with a user and a group each. Returns what each has taken.
    async fn grow(&self, from: usize, to: usize) -> Vec<(&'static str, f64)> {
        let mut memory = Vec::new();
        let mut last = self.used_memory().await;
        let mut each = async |what| {
            let now = self.used_memory().await;
            memory.push((what, (now - last) / (to - from) as f64));
            last = now;
        };
        self.open(from..to).await;
        each("a connection, the only one of its user (an id of 36 bytes)").await;
        self.join(from..to, group).await;
        each("a membership, the only one of its group (a name of 12 bytes)").await;
        let topics: Vec<Topic> = (from..to).map(|number| Topic::Group(hub(), group(number))).collect();
        for subscribed in self.receiving.subscribe(topics).await {
            subscribed.unwrap();
        }
        each("a group that a node subscribes to").await;
        memory
    }

    /// Returns what other things take.
    async fn memory_of_users(&self) -> Vec<(&'static str, f64)> {
        let number = 99_000;
        let mut memory = Vec::new();
        let mut last = self.used_memory().await;
        let mut each = async |what| {
            let now = self.used_memory().await;
            memory.push((what, (now - last) / number as f64));
            last = now;
        };
        let hub = hub();
        all((0..number).map(|one| self.open_one(one, None))).await;
        each("a connection without a user").await;
        self.join(0..number, |_| "large".into()).await;
        each("a membership in a group that has many").await;
        let add = |user: UserId, ttl| {
            let added = self.store.add_user(&hub, &"users".into(), &user, ttl);
            async move { _ = added.await.unwrap() }
        };
        all((0..number).map(|one| add(user(one), None))).await;
        each("a user in a group").await;
        all((number..2 * number).map(|one| add(user(one), Some(LEASE)))).await;
        each("a user in a group until some time").await;
        let ban = |user: UserId| {
            let banned = self.store.ban_user(&hub, &"users".into(), &user);
            async move { _ = banned.await.unwrap() }
        };
        all((2 * number..3 * number).map(|one| ban(user(one)))).await;
        each("a user that is banned from a group").await;
        memory
    }

    /// Opens connections, each of a user of its own.
    async fn open(&self, numbers: std::ops::Range<usize>) {
        all(numbers.map(|number| self.open_one(number, Some(user(number))))).await;
    }

    async fn open_one(&self, number: usize, user: Option<UserId>) {
        let (owner, claim) = (self.owner.clone(), Duration::ZERO);
        let opening = OpenConnection { hub: hub(), connection: connection(number), user, owner, claim };
        self.store.open_connection(opening).await.unwrap();
    }

    async fn join(&self, numbers: std::ops::Range<usize>, group: impl Fn(usize) -> GroupName) {
        let hub = hub();
        let joins = numbers.map(|number| {
            let joined = self.store.add_connection(&hub, &group(number), &connection(number), &self.owner);
            async { joined.await.unwrap() }
        });
        all(joins).await;
    }

    async fn used_memory(&self) -> f64 {
        self.server.info("used_memory").await.parse().unwrap()
    }

    /// Measures each kind of call, with connections and groups beside those that there are.
    async fn print_row(&self, size: usize, large: &str) {
        let mut row = [f64::INFINITY; 5];
        for _ in 0..ROUNDS {
            for (least, time) in row.iter_mut().zip(self.measure(large).await) {
                *least = least.min(time);
            }
        }
        let columns: Vec<String> = row.iter().map(|time| format!("{time:8.1}")).collect();
        println!("{size:>9} {}", columns.join(" "));
    }

    async fn measure(&self, large: &str) -> [f64; 5] {
        let numbers = || 1_000_000..1_000_000 + CALLS;
        let (hub, group) = (hub(), GroupName::from(large));
        let connect = self.time_of("evalsha", self.open(numbers())).await;
        let join = self.time_of("evalsha", self.join(numbers(), |_| group.clone())).await;
        let leaves = numbers().map(|number| {
            let left = self.store.remove_connection(&hub, &group, &connection(number), &self.owner);
            async { left.await.unwrap() }
        });
        let leave = self.time_of("evalsha", all(leaves)).await;
        let ends = numbers().map(|number| {
            let ended = self.store.end_connection(&hub, &connection(number), &self.owner);
            async { ended.await.unwrap() }
        });
        let end = self.time_of("evalsha", all(ends)).await;
        let topic = Topic::Group(hub.clone(), group.clone());
        for subscribed in self.receiving.subscribe(vec![topic.clone()]).await {
            subscribed.unwrap();
        }
        let message: bytes::Bytes = vec![b'x'; 300].into();
        let sends = (0..CALLS).map(|_| {
            let sent = self.sending.publish(vec![topic.clone()], message.clone());
            async { sent.await.unwrap() }
        });
        let send = self.time_of("publish", all(sends)).await;
        [connect, end, join, leave, send]
    }

    /// Returns how long Redis has taken for each call of a command, once it has had them all.
    async fn time_of(&self, command: &str, calls: impl Future<Output = ()>) -> f64 {
        self.server.cli(&["config", "resetstat"]).await;
        calls.await;
        loop {
            let info = self.server.cli(&["info", "commandstats"]).await;
            let line = info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:")));
            let value = |name: &str| -> Option<f64> {
                line?.split(',').find_map(|field| field.strip_prefix(name)?.trim().parse().ok())
            };
            if let (Some(made), Some(time)) = (value("calls="), value("usec_per_call="))
                && made >= CALLS as f64
            {
                return time;
            }
        }
    }
}
