//! `hubward check`: whether the configuration is valid, and nodes can work with the Redis that it names.

use std::io::Write;

use crate::command::{CheckOptions, REDIS_VARIABLE};
use crate::config::{Config, Sources};
use crate::failure::Failure;

pub(crate) fn run(options: CheckOptions) -> Result<(), Failure> {
    let config = Config::load(Sources {
        file: options.config.as_deref(),
        environment: std::env::vars_os().collect(),
        redis_url: options.redis.as_ref(),
        other_defaults: &[],
    })?;
    let mut out = std::io::stdout().lock();
    let Some(redis) = config.redis else {
        writeln!(out, "The configuration is valid. It names no Redis: this node is alone.")?;
        writeln!(out, "Name one by --redis, by {REDIS_VARIABLE}__URL, or in a file: --config.")?;
        return Ok(());
    };
    writeln!(out, "The configuration is valid.")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(redis.check());
    for finding in report.findings() {
        // What a server says of itself is no command to the terminal.
        writeln!(out, "{}", finding.to_string().replace(char::is_control, " "))?;
    }
    match report.has_passed() {
        true => Ok(writeln!(out, "Nodes can work with this Redis.")?),
        false => Err("nodes cannot work with this Redis; what has FAILED is above".into()),
    }
}
