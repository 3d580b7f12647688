//! The program with real Redis: its configuration is read from files, mounted secrets and variables, and is what it works with.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is to fail a test")]

mod check;
mod demo;
mod ending;
mod vitals;

use tokio::process::Command;

/// The program, with no configuration of whoever runs the tests.
fn hubward(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubward"));
    command.args(arguments).kill_on_drop(true).env_clear();
    command
}
