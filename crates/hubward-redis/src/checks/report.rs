//! What was found about a Redis, in words for an operator. No text has a password.

use std::fmt;

/// What was found about a Redis, by server. Made by [`Redis::check`](crate::Redis::check).
#[derive(Clone, Debug)]
pub struct CheckReport {
    findings: Vec<Finding>,
}

impl CheckReport {
    pub(super) fn new(findings: Vec<Finding>) -> Self {
        Self { findings }
    }

    /// All that was looked at, in order.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether nodes can work with this Redis: nothing has failed. There may be warnings.
    pub fn has_passed(&self) -> bool {
        !self.findings.iter().any(|finding| matches!(finding.outcome, CheckOutcome::Failed(_)))
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
    pub outcome: CheckOutcome,
}

/// How it is, in words for an operator. None has a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
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
            CheckOutcome::Passed(text) => ("ok", text),
            CheckOutcome::Warning(text) => ("warning", text),
            CheckOutcome::Failed(text) => ("FAILED", text),
        };
        write!(f, "{label:<7}  {}  {}", self.server, self.subject)?;
        if text.is_empty() { Ok(()) } else { write!(f, ": {text}") }
    }
}
