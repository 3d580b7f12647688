//! The users that the guide's page 'Several nodes' says suffice.

use hubward_testing::redis::RedisServer;

/// The user that nodes are.
pub(crate) const USER: &str = "hubward";
/// Its password.
pub(crate) const PASSWORD: &str = "secret";

const GUIDE: &str = include_str!("../../../../docs/guide/several-nodes.md");

/// The rules for servers that have data, with a prefix, or a pattern of several.
pub(crate) fn of_servers(prefix: &str) -> Vec<String> {
    rules(0).into_iter().map(|rule| rule.replace("clinic", prefix)).collect()
}

/// The rules for Sentinels.
pub(crate) fn of_sentinels() -> Vec<String> {
    rules(1)
}

/// The commands that rules allow.
pub(crate) fn allowed(rules: &[String]) -> Vec<&str> {
    rules.iter().filter_map(|rule| rule.strip_prefix('+')).collect()
}

/// Makes a user.
pub(crate) async fn set(server: &RedisServer, user: &str, rules: &[String]) {
    let mut command = vec!["ACL", "SETUSER", user, "reset"];
    command.extend(rules.iter().map(String::as_str));
    server.cli(&command).await;
}

fn rules(index: usize) -> Vec<String> {
    let mut users = GUIDE.lines().filter_map(|line| line.strip_prefix("user hubward "));
    let rules = users.nth(index).unwrap().replace("PASSWORD", PASSWORD);
    rules.split_whitespace().map(str::to_owned).collect()
}
