//! What a user of Redis has to be allowed for a node to work, as commands that change nothing.

use redis::{Cmd, Value, cmd};

use crate::address::Address;
use crate::error::{RedisFailure, advice_of_reply};
use crate::key_space::{SLOTS, slot};
use crate::shared::Shared;
use crate::topology::Primaries;

/// Tries each command that the scripts of the store call.
const SCRIPT: &str = include_str!("try_commands.lua");

/// What a node does with a server.
pub(super) struct NeededPermission {
    pub(super) subject: &'static str,
    pub(super) commands: Vec<Cmd>,
    /// How it is without, for what a node can do without.
    pub(super) without: Option<&'static str>,
}

impl NeededPermission {
    fn new(subject: &'static str, commands: Vec<Cmd>) -> Self {
        Self { subject, commands, without: None }
    }
}

/// All that a node needs of this primary.
pub(super) fn permissions(redis: &Shared, primaries: &Primaries, address: &Address) -> Vec<NeededPermission> {
    let is_cluster = redis.topology.is_cluster();
    let prefix = if is_cluster { "S" } else { "" };
    let on = |command: &str, channel: &str| {
        let mut on = cmd(&format!("{prefix}{command}"));
        on.arg(channel);
        on
    };
    let subscribing = |channel: &str| vec![on("SUBSCRIBE", channel), on("UNSUBSCRIBE", channel)];
    let mut permissions = Vec::new();
    if let Some(channel) = channel_on(redis, primaries, address) {
        let mut publish = on("PUBLISH", &channel);
        publish.arg("");
        permissions.push(NeededPermission::new("publishing messages", vec![publish]));
        permissions.push(NeededPermission::new("subscribing to messages", subscribing(&channel)));
    }
    if primaries.address_of(slot(redis.keys.keys().as_bytes())) == Some(address) {
        let events = redis.keys.events();
        permissions
            .push(NeededPermission::new("subscribing to nodes that come and go", subscribing(&events)));
        permissions.push(NeededPermission::new("scripts on the keys", scripts(redis, prefix)));
        permissions.push(NeededPermission {
            subject: "using connections again",
            // What the pool sends before it lends a connection again.
            commands: vec![cmd("UNWATCH"), cmd("PING")],
            without: Some("Without it, a query that follows a pause opens another connection"),
        });
        permissions.push(NeededPermission {
            subject: "knowing whether Redis has restarted",
            commands: vec![about_server()],
            without: Some("Without it, a node records all that it holds after each interruption"),
        });
        permissions.push(NeededPermission {
            subject: "ending an earlier connection",
            commands: ending(),
            without: Some(
                "Without it, a call that Redis has not yet carried out when a connection breaks may be carried out \
                 after later ones",
            ),
        });
    }
    permissions
}

/// A channel of the prefix that this server has and no topic uses.
fn channel_on(redis: &Shared, primaries: &Primaries, address: &Address) -> Option<String> {
    // Of so many names, a server lacks all with a chance of one in three thousand, even where it has a single slot.
    let mut names = (0..u32::from(SLOTS) * 8).map(|number| redis.keys.unused_channel(number));
    names.find(|name| primaries.address_of(slot(name.as_bytes())) == Some(address))
}

fn scripts(redis: &Shared, prefix: &str) -> Vec<Cmd> {
    let script = SCRIPT.replace("@PUBLISH@", &format!("{prefix}PUBLISH"));
    let (mut load, mut call) = (cmd("SCRIPT"), cmd("EVALSHA"));
    load.arg("LOAD").arg(&script);
    call.arg(redis::Script::new(&script).get_hash()).arg(1).arg(redis.keys.keys());
    vec![load, call]
}

fn about_server() -> Cmd {
    let mut info = cmd("INFO");
    info.arg("server");
    info
}

/// No connection has this number and comes from there.
fn ending() -> Vec<Cmd> {
    let (mut info, mut kill) = (cmd("CLIENT"), cmd("CLIENT"));
    info.arg("INFO");
    kill.arg("KILL").arg("ID").arg(1).arg("ADDR").arg("0.0.0.0:0");
    vec![info, kill]
}

/// Reads what the script returns: pairs of a command and the error that it was refused with. `None` where all are allowed,
/// and for the replies to other commands.
pub(super) fn refused_commands(reply: &Value) -> Option<RedisFailure> {
    let Value::Array(pairs) = reply else { return None };
    let texts: Vec<String> =
        pairs.iter().filter_map(|value| redis::from_redis_value_ref(value).ok()).collect();
    let (_, error) = (texts.first()?, texts.get(1)?);
    let commands: Vec<&str> = texts.iter().step_by(2).map(String::as_str).collect();
    let (code, detail) = error.split_once(' ').unwrap_or((error, ""));
    let advice = advice_of_reply(code, detail).map(|advice| format!(" ({advice})"));
    Some(RedisFailure::said(format!(
        "a script was refused {}: {error}{}",
        commands.join(", "),
        advice.unwrap_or_default()
    )))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The commands that Lua code calls by one of these functions.
    fn called(code: &str) -> BTreeSet<&str> {
        let calls = ["redis.call('", "try('"].into_iter().flat_map(|call| code.split(call).skip(1));
        calls.filter_map(|rest| rest.split('\'').next()).collect()
    }

    #[test]
    fn every_command_of_the_store_is_tried() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/lua");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let store: String = files.map(|path| std::fs::read_to_string(path).unwrap()).collect();
        assert!(called(&store).len() > 20, "{:?}", called(&store));
        assert_eq!(called(SCRIPT), called(&store));
    }

    #[test]
    fn refusals_are_put_together_with_what_to_do() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let refused = text("ERR The user executing the script can't run this command or subcommand");
        let reply = Value::Array(vec![text("TIME"), refused.clone(), text("HSET"), refused]);
        let failure = refused_commands(&reply).unwrap().to_string();
        assert!(failure.contains("TIME, HSET: ERR") && failure.contains("ACL rule"), "{failure}");
        assert!(refused_commands(&Value::Array(vec![])).is_none());
        assert!(refused_commands(&Value::Int(0)).is_none());
    }
}
