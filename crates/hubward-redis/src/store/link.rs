//! One connection to the primary that has the keys, made anew whenever it breaks, with a pool beside it for queries.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::aio::ConnectionLike as _;
use redis::{Pipeline, cmd};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::query_pool::{self, QueryPool};
use super::scripts::Scripts;
use crate::address::Address;
use crate::backoff::Backoff;
use crate::connection::{RedisConnection, RedisPush};
use crate::error::RedisFailure;
use crate::key_space::slot;
use crate::shared::Shared;

/// How long the next connection waits at most: calls that are repeated while servers fail over wait for it.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// A connection that works, as far as is known.
#[derive(Clone)]
pub(super) struct Up {
    generation: u64,
    /// Which start of which server it is to.
    pub(super) server: Arc<str>,
    pub(super) connection: RedisConnection,
    pub(super) pool: QueryPool,
}

/// How the link stands.
#[derive(Clone)]
pub(super) enum RedisLinkState {
    New,
    Up(Up),
    Down(Down),
}

/// Why there is no connection.
#[derive(Clone)]
pub(super) struct Down {
    failure: RedisFailure,
    /// How often a backplane had reached Redis by then.
    reached: u64,
}

pub(super) struct RedisLink {
    redis: Arc<Shared>,
    pub(super) scripts: Scripts,
    state: watch::Sender<RedisLinkState>,
    broken: Notify,
    generations: AtomicU64,
}

/// The connection before: what it still has to carry out must not follow what the next one is given.
struct Previous {
    server: Address,
    /// Its number, which a Redis that restarts gives to another connection.
    id: String,
    /// Where it came from, as Redis sees it. With the number, this is no other connection.
    from: String,
}

impl RedisLink {
    pub(super) fn new(redis: &Arc<Shared>) -> Self {
        let scripts = Scripts::new(redis.topology.is_cluster());
        let (state, broken, generations) =
            (watch::Sender::new(RedisLinkState::New), Notify::new(), AtomicU64::new(0));
        Self { redis: Arc::clone(redis), scripts, state, broken, generations }
    }

    /// Returns the connection. While it is not known whether there is one, it waits; while there is none, it fails with
    /// the reason.
    pub(super) async fn up(&self) -> Result<Up, RedisFailure> {
        let mut states = self.state.subscribe();
        let state = states.wait_for(|state| self.is_known(state)).await;
        match state.as_deref() {
            Ok(RedisLinkState::Up(up)) => Ok(up.clone()),
            Ok(RedisLinkState::Down(down)) => Err(down.failure.clone()),
            Ok(RedisLinkState::New) | Err(_) => {
                Err(RedisFailure::said("the connection to Redis has been closed"))
            }
        }
    }

    /// Where a backplane has reached Redis since the link went down, it is about to be tried again.
    fn is_known(&self, state: &RedisLinkState) -> bool {
        match state {
            RedisLinkState::New => false,
            RedisLinkState::Up(_) => true,
            RedisLinkState::Down(down) => down.reached == self.times_reached(),
        }
    }

    fn times_reached(&self) -> u64 {
        *self.redis.reached.borrow()
    }

    /// Forgets how the link stood: a connection does not outlive its runtime.
    pub(super) fn reset(&self) {
        self.state.send_replace(RedisLinkState::New);
    }

    /// Waits until a connection that was found broken has been replaced, and no longer than that.
    pub(super) async fn replaced(&self, broken: &Up, limit: Duration) {
        let mut states = self.state.subscribe();
        let is_other = |state: &RedisLinkState| matches!(state, RedisLinkState::Up(up) if up.generation != broken.generation);
        let _ = tokio::time::timeout(limit, states.wait_for(is_other)).await;
    }

    /// Notes that a connection does not work any more.
    pub(super) fn report_broken(&self, up: &Up, failure: &RedisFailure) {
        self.break_up(up.generation, failure);
    }

    fn break_up(&self, generation: u64, failure: &RedisFailure) {
        let changed = self.state.send_if_modified(|state| {
            let is_it = matches!(state, RedisLinkState::Up(up) if up.generation == generation);
            if is_it {
                *state =
                    RedisLinkState::Down(Down { failure: failure.clone(), reached: self.times_reached() });
            }
            is_it
        });
        if changed {
            self.broken.notify_one();
        }
    }

    /// Keeps the link up until it is dropped.
    pub(super) async fn maintain(self: Arc<Self>) {
        let (mut backoff, mut previous) = (Backoff::default(), None);
        let mut reached = self.redis.reached.subscribe();
        loop {
            let before = *reached.borrow_and_update();
            let wait = match self.connect(&mut previous).await {
                Ok(up) => {
                    let began = Instant::now();
                    self.state.send_replace(RedisLinkState::Up(up));
                    self.broken.notified().await;
                    backoff.next_wait_after(began.elapsed())
                }
                Err(failure) => {
                    self.state.send_replace(RedisLinkState::Down(Down { failure, reached: before }));
                    backoff.next_wait()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait.min(LONGEST_WAIT)) => {}
                Ok(()) = reached.changed() => {}
            }
        }
    }

    async fn connect(self: &Arc<Self>, previous: &mut Option<Previous>) -> Result<Up, RedisFailure> {
        let generation = self.generations.fetch_add(1, Ordering::Relaxed) + 1;
        let connector = &self.redis.topology.connector;
        let primaries = self.redis.topology.primaries().await?;
        let address = primaries.address_of(slot(self.redis.keys.keys().as_bytes()));
        let address = address.ok_or_else(|| RedisFailure::said("no server has the keys"))?;
        let link = Arc::downgrade(self);
        let mut connection =
            connector.connect(address, move |push| notice_end(&link, generation, push)).await?;
        // It stays the one before until this one works.
        if let Some(previous) = previous.as_ref().filter(|previous| previous.server == *address) {
            let mut kill = cmd("CLIENT");
            kill.arg("KILL").arg("ID").arg(&previous.id).arg("ADDR").arg(&previous.from);
            // A server that has closed it, or does not allow this, says so.
            let _ = connection.req_packed_command(&kill).await?;
        }
        load_scripts(&self.scripts, &mut connection).await?;
        *previous = this_connection(&mut connection, address).await?;
        let server = start_of_server(&mut connection).await?;
        // Where it cannot be known, it may be another one each time.
        let server = server.unwrap_or_else(|| generation.to_string()).into();
        let pool = query_pool::new(&self.redis, address)?;
        Ok(Up { generation, server, connection, pool })
    }
}

/// Asks what a connection is to its server; `None` where that is not allowed.
async fn this_connection(
    connection: &mut RedisConnection,
    server: &Address,
) -> Result<Option<Previous>, RedisFailure> {
    let mut info = cmd("CLIENT");
    info.arg("INFO");
    let info = connection.req_packed_command(&info).await?;
    // `id=4 addr=127.0.0.1:50000 …`
    let info: String = redis::from_redis_value(info).unwrap_or_default();
    let field = |name| info.split_whitespace().find_map(|field| field.strip_prefix(name)).map(str::to_owned);
    let previous = |(id, from)| Previous { server: server.clone(), id, from };
    Ok(field("id=").zip(field("addr=")).map(previous))
}

/// Asks for what no other start of a server has; `None` where that is not allowed.
async fn start_of_server(connection: &mut RedisConnection) -> Result<Option<String>, RedisFailure> {
    let mut info = cmd("INFO");
    info.arg("server");
    let info = connection.req_packed_command(&info).await?;
    let info: String = redis::from_redis_value(info).unwrap_or_default();
    Ok(info.lines().find_map(|line| line.strip_prefix("run_id:")).map(str::to_owned))
}

/// Loads all scripts, so that they can be named by their hashes.
async fn load_scripts(scripts: &Scripts, connection: &mut RedisConnection) -> Result<(), RedisFailure> {
    let mut pipeline = Pipeline::new();
    for script in scripts.iter() {
        pipeline.add_command(script.load());
    }
    let replies = connection.req_packed_commands(&pipeline, 0, pipeline.len()).await?;
    for (reply, script) in replies.into_iter().zip(scripts.iter()) {
        // The first refusal is that of all.
        let hash: String =
            redis::from_redis_value(reply.extract_error()?).map_err(redis::RedisError::from)?;
        if hash != script.hash() {
            return Err(RedisFailure::said("Redis has loaded other scripts than it was given"));
        }
    }
    Ok(())
}

fn notice_end(link: &Weak<RedisLink>, generation: u64, push: RedisPush) {
    if let (RedisPush::Ended(failure), Some(link)) = (push, link.upgrade()) {
        link.break_up(generation, &failure);
    }
}
