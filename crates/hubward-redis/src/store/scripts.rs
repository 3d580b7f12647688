//! The scripts that run in Redis. Each is loaded once for each connection and then named by its hash.

use redis::Cmd;

/// Makes a struct with a script for each file in `lua/`.
macro_rules! scripts {
    ($($name:ident),* $(,)?) => {
        pub(super) struct Scripts {
            $(pub(super) $name: Script,)*
        }

        impl Scripts {
            /// Makes them for servers with or without sharded pub/sub.
            pub(super) fn new(is_cluster: bool) -> Self {
                Self {
                    $($name: Script::new(is_cluster, include_str!(concat!("lua/", stringify!($name), ".lua"))),)*
                }
            }

            /// All of them.
            pub(super) fn iter(&self) -> impl Iterator<Item = &Script> {
                [$(&self.$name),*].into_iter()
            }
        }
    };
}

scripts! {
    announce, heartbeat, withdraw, list, sweep, open, owner, join, leave, end, restore, take_over, park, unpark, add_user, remove_user,
    ban_user, unban_user, user_membership, groups_of_users, groups_of_connection, members, count, contains, users_online,
    connections_of_user, nodes_of_user,
}

/// One script.
pub(super) struct Script {
    code: String,
    hash: String,
}

impl Script {
    fn new(is_cluster: bool, body: &str) -> Self {
        let publish = if is_cluster { "SPUBLISH" } else { "PUBLISH" };
        let code = concat_common(body).replace("@PUBLISH@", publish);
        let hash = redis::Script::new(&code).get_hash().to_owned();
        Self { code, hash }
    }

    /// The command that loads it.
    pub(super) fn load(&self) -> Cmd {
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(&self.code);
        load
    }

    pub(super) fn hash(&self) -> &str {
        &self.hash
    }
}

fn concat_common(body: &str) -> String {
    format!("{}{body}", include_str!("lua/common.lua"))
}
