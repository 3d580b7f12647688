//! Whether nodes can work with a Redis: a report for an operator, and the warnings that a node logs when it starts. Nothing
//! here changes what a node does.

mod permissions;
mod server;
mod settings;

use std::fmt;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;

use crate::shared::Shared;

/// What was found about a Redis, by server. Made by [`Redis::check`](crate::Redis::check).
#[derive(Clone, Debug)]
pub struct CheckReport {
    findings: Vec<Finding>,
}

impl CheckReport {
    /// All that was looked at, in order.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether nodes can work with this Redis: nothing has failed. There may be warnings.
    pub fn has_passed(&self) -> bool {
        !self.findings.iter().any(|finding| matches!(finding.outcome, Outcome::Failed(_)))
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The server, as `host:port`; all that were named, where none could be asked.
    pub server: String,
    /// What was looked at, such as `reachable`.
    pub subject: &'static str,
    /// How it is.
    pub outcome: Outcome,
}

/// How it is, in words for an operator. None has a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be; the text may be empty.
    Passed(String),
    /// Nodes work, but something may be lost; the text says what, and what to do.
    Warning(String),
    /// Nodes cannot work; the text says why, and what to do.
    Failed(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (label, text) = match &self.outcome {
            Outcome::Passed(text) => ("ok", text),
            Outcome::Warning(text) => ("warning", text),
            Outcome::Failed(text) => ("FAILED", text),
        };
        write!(f, "{label:<7}  {}  {}", self.server, self.subject)?;
        if text.is_empty() { Ok(()) } else { write!(f, ": {text}") }
    }
}

/// Looks at every primary.
pub(crate) async fn check(redis: &Shared) -> CheckReport {
    let primaries = match redis.topology.primaries().await {
        Ok(primaries) => primaries,
        Err(failure) => {
            let outcome = Outcome::Failed(failure.to_string());
            let servers = redis.topology.to_string();
            return CheckReport {
                findings: vec![Finding { server: servers, subject: "primaries found", outcome }],
            };
        }
    };
    let servers = primaries.addresses().iter().map(|address| server::check(redis, &primaries, address));
    let findings = join_all(servers).await.into_iter().flatten().collect();
    CheckReport { findings }
}

/// Logs what is wrong with the settings of a server, if they can be read.
pub(crate) async fn log_mistakes(connection: &MultiplexedConnection, server: &str) {
    match settings::of(connection).await {
        Ok(mistakes) => mistakes.iter().for_each(|mistake| tracing::warn!(server, "{mistake}")),
        Err(error) => tracing::debug!(%error, server, "The settings of Redis cannot be read."),
    }
}
