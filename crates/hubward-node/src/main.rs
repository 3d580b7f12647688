//! The ready-made node. So far it can show itself (`hubward demo`) and mint tokens for development
//! (`hubward token`).

mod command;
mod demo;
mod token;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Anything that ends the program; it says what to do.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> std::process::ExitCode {
    let done = match command::Arguments::parse().command {
        command::Command::Demo(options) => demo::run(options),
        command::Command::Token(options) => token::run(options),
    };
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            // Nothing is left to do where even standard error is gone.
            let _ = writeln!(std::io::stderr(), "hubward: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
