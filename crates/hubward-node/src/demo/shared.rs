//! What the demo in one process and the demo in several have in common.

use crate::command::DemoOptions;

/// The line that a node's process writes to standard output when it serves.
pub(super) const READY: &str = "ready";

pub(super) fn signing_key(options: &DemoOptions) -> String {
    match &options.key {
        Some(key) => key.expose().to_owned(),
        // Two random ids of 128 bits each are a key that only this demo has.
        None => hubward::auth::random_id() + &hubward::auth::random_id(),
    }
}

pub(super) fn node_name(number: u16) -> String {
    format!("node-{}", number + 1)
}

/// Ports are consecutive, but 0 is whichever is free, for every node.
pub(super) fn port_of(first: u16, number: u16) -> Option<u16> {
    if first == 0 { Some(0) } else { first.checked_add(number) }
}

/// Waits for SIGTERM or SIGINT, from now on and not only when it is awaited. Called before it is announced that this runs, so
/// that whoever reads that can end it gracefully.
pub(super) fn shutdown_signal() -> std::io::Result<impl Future<Output = std::io::Result<()>>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => Ok(()),
                _ = terminate.recv() => Ok(()),
            }
        })
    }
    #[cfg(not(unix))]
    Ok(tokio::signal::ctrl_c())
}

/// Waits until the process that started this one has ended, however it did: it holds the other end of the standard input.
pub(super) async fn parent_ended() {
    let (ended, wait) = tokio::sync::oneshot::channel::<()>();
    // A thread, since the runtime would wait for its own that read.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(ended);
    });
    let _ = wait.await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_takes_a_free_port_where_the_first_does() {
        assert_eq!([0, 1].map(|number| port_of(0, number)), [Some(0), Some(0)]);
        assert_eq!([0, 1].map(|number| port_of(8080, number)), [Some(8080), Some(8081)]);
        assert_eq!(port_of(65535, 1), None);
    }
}
