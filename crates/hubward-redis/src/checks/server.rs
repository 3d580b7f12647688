//! What is looked at on one server: reachable, new enough, the right kind, its settings, and the user's permissions.

use std::collections::HashMap;

use redis::Value;
use redis::aio::ConnectionLike as _;

use super::permissions::{NeededPermission, permissions, refused_commands};
use super::report::{CheckOutcome, Finding};
use super::settings;
use crate::address::Address;
use crate::connection::RedisConnection;
use crate::error::RedisFailure;
use crate::shared::Shared;
use crate::topology::Primaries;

/// The oldest major version of Redis: the first with sharded pub/sub. Valkey began at 7.
const OLDEST_MAJOR: u32 = 7;

pub(super) async fn check(redis: &Shared, primaries: &Primaries, address: &Address) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut note = |subject, outcome| {
        findings.push(Finding { server: address.to_string(), subject, outcome });
    };
    match redis.topology.connector.connect(address, |_| ()).await {
        Ok(mut connection) => {
            note("reachable", CheckOutcome::Passed(String::new()));
            let permissions = permissions(redis, primaries, address);
            let is_cluster = redis.topology.is_cluster();
            // One that does not respond is not asked for the rest, each time for as long as it may take.
            if let Err(failure) = ask_all(&mut connection, is_cluster, permissions, &mut note).await {
                note("responding", CheckOutcome::Failed(failure.to_string()));
            }
        }
        // A server that does not know TLS waits for the rest of what it takes for a command.
        Err(failure) if failure.is_late() && redis.topology.connector.tls.is_some() => {
            let advice =
                "If it does not speak TLS at this port, do without: redis://, or redis.tls.enabled = false";
            note("reachable", CheckOutcome::Failed(format!("{failure}. {advice}")));
        }
        Err(failure) => note("reachable", CheckOutcome::Failed(failure.to_string())),
    }
    findings
}

/// Asks for everything. Fails where the server does not respond, or with nothing that can be read.
async fn ask_all(
    connection: &mut RedisConnection,
    is_cluster: bool,
    permissions: Vec<NeededPermission>,
    note: &mut impl FnMut(&'static str, CheckOutcome),
) -> Result<(), RedisFailure> {
    let greeting = hello(connection).await?;
    note("version", version(&greeting));
    note("kind of server", kind(&greeting, is_cluster));
    if is_sentinel(&greeting) {
        // It has neither keys nor messages of others, so that all the rest would fail, too.
        return Ok(());
    }
    match settings::of(connection).await {
        Ok(mistakes) if mistakes.is_empty() => note("settings", CheckOutcome::Passed(String::new())),
        Ok(mistakes) => {
            mistakes.into_iter().for_each(|mistake| note("settings", CheckOutcome::Warning(mistake)))
        }
        Err(failure) if failure.is_response() => {
            let advice = "Make sure yourself that maxmemory-policy is noeviction";
            note("settings", CheckOutcome::Warning(format!("they cannot be read: {failure}. {advice}")));
        }
        Err(failure) => return Err(failure),
    }
    for permission in permissions {
        let outcome = ask(connection, &permission).await?;
        note(permission.subject, outcome);
    }
    Ok(())
}

/// Asks for what the server is. Every user may do this, but not `INFO`.
async fn hello(connection: &mut RedisConnection) -> Result<HashMap<String, String>, RedisFailure> {
    let reply = connection.req_packed_command(&redis::cmd("HELLO")).await?;
    let Value::Map(fields) = reply else {
        return Err(RedisFailure::said("its reply to HELLO cannot be read"));
    };
    let text = |value: &Value| redis::from_redis_value_ref::<String>(value).ok();
    // The list of modules is no text, and of no concern.
    Ok(fields.iter().filter_map(|(name, value)| text(name).zip(text(value))).collect())
}

fn version(greeting: &HashMap<String, String>) -> CheckOutcome {
    let field = |name| greeting.get(name).map_or("unknown", String::as_str);
    let (server, version) = (field("server"), field("version"));
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major >= OLDEST_MAJOR => CheckOutcome::Passed(format!("{server} {version}")),
        _ => CheckOutcome::Failed(format!(
            "it is {server} {version}; Hubward needs Redis 7.0 or newer, or Valkey"
        )),
    }
}

fn is_sentinel(greeting: &HashMap<String, String>) -> bool {
    greeting.get("mode").is_some_and(|mode| mode == "sentinel")
}

fn kind(greeting: &HashMap<String, String>, is_cluster: bool) -> CheckOutcome {
    let is = |name: &str, value: &str| greeting.get(name).is_some_and(|found| found == value);
    if is_sentinel(greeting) {
        let advice = "it is a Sentinel; begin the URL with redis-sentinel:// and end it with the name of the primary, or set the \
                      mode to sentinel";
        return CheckOutcome::Failed(advice.to_owned());
    }
    if is("role", "replica") || is("role", "slave") {
        let advice = "it is a replica; connect to its primary, or through Sentinel";
        return CheckOutcome::Failed(advice.to_owned());
    }
    if !is_cluster && is("mode", "cluster") {
        let advice =
            "it belongs to a Redis Cluster; begin the URL with redis-cluster://, or set the mode to cluster";
        return CheckOutcome::Failed(advice.to_owned());
    }
    CheckOutcome::Passed(if is_cluster { "a primary of a Cluster" } else { "a primary" }.to_owned())
}

/// Does what a node needs the permission for. Fails where the server does not respond.
async fn ask(
    connection: &mut RedisConnection,
    permission: &NeededPermission,
) -> Result<CheckOutcome, RedisFailure> {
    for command in &permission.commands {
        let refused = match connection.req_packed_command(command).await? {
            Value::ServerError(error) => Some(RedisFailure::from(redis::RedisError::from(error))),
            reply => refused_commands(&reply),
        };
        let Some(failure) = refused else { continue };
        return Ok(match permission.without {
            Some(without) => CheckOutcome::Warning(format!("{failure}. {without}")),
            None => CheckOutcome::Failed(failure.to_string()),
        });
    }
    Ok(CheckOutcome::Passed(String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(fields: &[(&str, &str)]) -> HashMap<String, String> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn redis_from_7_on_and_valkey_are_new_enough() {
        let of = |server, number| version(&greeting(&[("server", server), ("version", number)]));
        assert_eq!(of("redis", "7.0.15"), CheckOutcome::Passed("redis 7.0.15".into()));
        assert_eq!(of("valkey", "8.1.0"), CheckOutcome::Passed("valkey 8.1.0".into()));
        assert!(matches!(of("redis", "6.2.1"), CheckOutcome::Failed(text) if text.contains("redis 6.2.1")));
        assert!(matches!(version(&greeting(&[])), CheckOutcome::Failed(_)));
    }

    #[test]
    fn a_replica_a_sentinel_and_a_server_of_a_cluster_are_not_taken_for_a_standalone_redis() {
        let of = |role, mode, is_cluster| kind(&greeting(&[("role", role), ("mode", mode)]), is_cluster);
        assert!(
            matches!(of("master", "sentinel", false), CheckOutcome::Failed(text) if text.contains("redis-sentinel://"))
        );
        assert!(matches!(of("master", "standalone", false), CheckOutcome::Passed(_)));
        assert!(matches!(of("master", "cluster", true), CheckOutcome::Passed(_)));
        assert!(
            matches!(of("master", "cluster", false), CheckOutcome::Failed(text) if text.contains("redis-cluster://"))
        );
        assert!(
            matches!(of("replica", "standalone", false), CheckOutcome::Failed(text) if text.contains("Sentinel"))
        );
    }
}
