//! What servers of a Redis Cluster know: which of them has which slots.

use redis::Value;

use super::primaries::Primaries;
use crate::address::Address;
use crate::connector::Connector;
use crate::error::RedisFailure;

/// The most ranges of slots that are read: each slot on its own.
const MAX_RANGES: usize = crate::key_space::SLOTS as usize;

/// Asks a server for the primaries of its cluster.
pub(super) async fn primaries(connector: &Connector, server: &Address) -> Result<Primaries, RedisFailure> {
    let mut connection = connector.connect(server, |_| ()).await?;
    let mut command = redis::cmd("CLUSTER");
    command.arg("SLOTS");
    let ranges: Vec<(u16, u16, Value)> = read_ranges(command.query_async(&mut connection).await?)?;
    let owned =
        ranges.into_iter().map(|(first, last, primary)| Ok((first, last, address(&primary, server)?)));
    Primaries::of_ranges(owned.collect::<Result<_, RedisFailure>>()?)
}

/// Each range is its first slot, its last, its primary and its replicas.
fn read_ranges(ranges: Vec<Vec<Value>>) -> Result<Vec<(u16, u16, Value)>, RedisFailure> {
    if ranges.len() > MAX_RANGES {
        return Err(RedisFailure::said("the Redis Cluster has more ranges of slots than slots"));
    }
    let read = |range: Vec<Value>| match &range[..] {
        [first, last, primary, ..] => {
            let slot = |value: &Value| {
                redis::from_redis_value_ref::<u16>(value).map_err(|error| {
                    RedisFailure::said(format!("a slot of the Redis Cluster cannot be read: {error}"))
                })
            };
            Ok((slot(first)?, slot(last)?, primary.clone()))
        }
        _ => Err(RedisFailure::said("a range of slots of the Redis Cluster has no server")),
    };
    ranges.into_iter().map(read).collect()
}

/// A server says of itself that its host is the one it was asked at, by leaving it out.
fn address(server: &Value, asked: &Address) -> Result<Address, RedisFailure> {
    let unreadable = || RedisFailure::said("a server of the Redis Cluster cannot be read");
    let Value::Array(parts) = server else { return Err(unreadable()) };
    let [host, port, ..] = &parts[..] else { return Err(unreadable()) };
    let host: Option<String> = redis::from_redis_value_ref(host).map_err(|_| unreadable())?;
    let port: u16 = redis::from_redis_value_ref(port).map_err(|_| unreadable())?;
    match host.filter(|host| !host.is_empty() && host != "?") {
        Some(host) => Address::named_by_server(host, port),
        None => Ok(Address::new(asked.host.clone(), port)),
    }
}
