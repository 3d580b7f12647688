//! What several nodes over a real Redis cost, beside the same without what is measured. It starts `redis-server` and nodes
//! by itself, each a process. Measurements, not tests: ratios of one run on one machine.
//!
//! `cargo bench -p hubward-conformance-server --bench redis -- across` compares a message to a user of another node with
//! a floor that only publishes and receives the same bytes; `-- broadcast` compares a broadcast over two nodes with one on one
//! node; `-- storm` compares connects with and without Redis.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement that cannot be made is to end with the reason, and prints what it measures"
)]

mod across;
mod broadcast;
mod floor;
mod processes;
mod storm;

use tokio::task::JoinSet;

#[tokio::main]
async fn main() {
    // Cargo adds arguments of its own, which begin with dashes.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    match arguments.first().map(String::as_str) {
        None => {
            across::measure().await;
            in_a_thread(broadcast::measure).await;
            storm::measure().await;
        }
        Some("across") => across::measure().await,
        Some("broadcast") => in_a_thread(broadcast::measure).await,
        Some("storm") => storm::measure().await,
        Some(_) => {
            // In a task, as everything in a node is: the main thread is none of the runtime's workers, and to wake one
            // from there costs more.
            let mut task = JoinSet::new();
            task.spawn(role(arguments));
            task.join_next().await.unwrap().unwrap();
        }
    }
}

/// Runs what has a runtime of its own.
async fn in_a_thread(measure: fn()) {
    tokio::task::spawn_blocking(measure).await.unwrap();
}

/// What this program does where it is one of those that are measured.
async fn role(arguments: Vec<String>) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["floor-sender", url, control, channel, file] => floor::send(url, control, channel, file).await,
        ["floor-receiver", url, control, channel] => floor::receive(url, control, channel).await,
        ["node-sender", url, control] => across::send(url, control).await,
        _ => panic!("there is no measurement of {arguments:?}: say 'across', 'broadcast' or 'storm'"),
    }
}
