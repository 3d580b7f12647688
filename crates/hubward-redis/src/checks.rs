//! Whether nodes can work with a Redis: a report for an operator, and the warnings that a node logs when it starts. Nothing
//! here changes what a node does.

mod permissions;
mod report;
mod server;
mod settings;

use futures_util::future::join_all;

pub use self::report::{CheckOutcome, CheckReport, Finding};
use crate::connection::RedisConnection;
use crate::shared::Shared;

/// Looks at every primary.
pub(crate) async fn check(redis: &Shared) -> CheckReport {
    let primaries = match redis.topology.primaries().await {
        Ok(primaries) => primaries,
        Err(failure) => {
            let outcome = CheckOutcome::Failed(failure.to_string());
            let servers = redis.topology.to_string();
            let finding = Finding { server: servers, subject: "primaries found", outcome };
            return CheckReport::new(vec![finding]);
        }
    };
    let servers = primaries.addresses().iter().map(|address| server::check(redis, &primaries, address));
    let findings = join_all(servers).await.into_iter().flatten().collect();
    CheckReport::new(findings)
}

/// Logs what is wrong with the settings of a server, if they can be read.
pub(crate) async fn log_mistakes(connection: &RedisConnection, server: &str) {
    match settings::of(connection).await {
        Ok(mistakes) => mistakes.iter().for_each(|mistake| tracing::warn!(server, "{mistake}")),
        Err(error) => tracing::debug!(%error, server, "The settings of Redis cannot be read."),
    }
}
