//! Settings of Redis that would lose messages or memberships. A user who may not read them has to know them; nothing
//! depends on it.

use std::collections::HashMap;

use hubward_backplane::MAX_ENVELOPE_BYTES;

use crate::connection::RedisConnection;
use crate::error::RedisFailure;

/// The settings that are read.
const SETTINGS: [&str; 3] = ["client-output-buffer-limit", "maxmemory", "maxmemory-policy"];

/// How much may have to wait for a node at once: some of the largest messages, of several nodes. It is Redis's default.
const SUBSCRIBER_BYTES: usize = 4 * MAX_ENVELOPE_BYTES;

/// Reads what is wrong with the settings of a server. Fails where they cannot be read.
pub(super) async fn of(connection: &RedisConnection) -> Result<Vec<String>, RedisFailure> {
    let mut connection = connection.clone();
    let mut command = redis::cmd("CONFIG");
    command.arg("GET").arg(&SETTINGS);
    let settings: HashMap<String, String> = command.query_async(&mut connection).await?;
    Ok(mistakes(&settings))
}

fn mistakes(settings: &HashMap<String, String>) -> Vec<String> {
    let setting = |name: &str| settings.get(name).map_or("", String::as_str);
    let mut mistakes = Vec::new();
    let policy = setting("maxmemory-policy");
    let may_evict = !matches!(setting("maxmemory"), "" | "0") && !matches!(policy, "" | "noeviction");
    if may_evict {
        mistakes.push(format!(
            "Redis may evict groups and connections when it is full (maxmemory-policy {policy}). Set it to noeviction."
        ));
    }
    let limit = setting("client-output-buffer-limit");
    if let Some(bytes) = hard_pubsub_limit(limit).filter(|bytes| (1..SUBSCRIBER_BYTES).contains(bytes)) {
        mistakes.push(format!(
            "Redis closes a node's subscriptions when {bytes} bytes wait for it, and a message may have {MAX_ENVELOPE_BYTES}. \
             Set client-output-buffer-limit pubsub to {SUBSCRIBER_BYTES} or more."
        ));
    }
    mistakes
}

/// The limit beyond which Redis closes a subscriber at once, in bytes; 0 for none. The setting is a list of classes of
/// clients, each with a hard limit, a soft one, and its seconds.
fn hard_pubsub_limit(setting: &str) -> Option<usize> {
    let mut words = setting.split_whitespace();
    words.find(|word| *word == "pubsub")?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(limit: &str, maxmemory: &str, policy: &str) -> Vec<String> {
        let values = [limit, maxmemory, policy].map(str::to_owned);
        mistakes(&SETTINGS.map(str::to_owned).into_iter().zip(values).collect())
    }

    #[test]
    fn the_defaults_of_redis_are_no_mistake() {
        let limit = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
        assert_eq!(found(limit, "0", "noeviction"), Vec::<String>::new());
        assert_eq!(found(limit, "0", "allkeys-lru"), Vec::<String>::new());
        assert_eq!(found("pubsub 0 0 0", "100mb", "noeviction"), Vec::<String>::new());
        assert_eq!(mistakes(&HashMap::new()), Vec::<String>::new());
    }

    #[test]
    fn eviction_and_a_small_buffer_are_mistakes() {
        let found = found("normal 0 0 0 pubsub 1048576 0 0", "104857600", "allkeys-lru");
        assert!(found[0].contains("noeviction") && found[1].contains("1048576"), "{found:?}");
    }
}
