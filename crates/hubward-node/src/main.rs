//! The ready-made node. So far it can demonstrate itself (`hubward demo`), check its configuration (`hubward check`) and mint
//! development tokens (`hubward token`).

mod check;
mod command;
mod config;
mod demo;
mod failure;
mod token;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let done = match command::CommandLine::parse().command {
        command::Command::Demo(options) => demo::run(options),
        command::Command::Check(options) => check::run(options),
        command::Command::Token(options) => token::run(options),
    };
    let Err(error) = done else { return ExitCode::SUCCESS };
    let mut causes = Vec::new();
    let mut cause: Option<&dyn std::error::Error> = Some(&*error);
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    // Where standard error is closed, there is no other place to report it.
    let _ = writeln!(std::io::stderr(), "hubward: {}", causes.join(": "));
    ExitCode::FAILURE
}
