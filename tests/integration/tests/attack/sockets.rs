//! What the kernel knows of the node's sockets.

use std::net::SocketAddr;

/// A line of the kernel's table of TCP sockets.
pub(crate) struct Socket {
    /// Whether it is one that has ended, and holds nothing.
    pub is_ended: bool,
    /// Bytes that were written and not acknowledged.
    pub unacknowledged: usize,
}

/// Returns the node's socket towards a client, in any state.
pub(crate) fn socket(node: SocketAddr, client: SocketAddr) -> Option<Socket> {
    let suffixes = (format!(":{:04X}", node.port()), format!(":{:04X}", client.port()));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, state, queues, ..] = fields[..] else { return None };
        if !local.ends_with(&suffixes.0) || !remote.ends_with(&suffixes.1) {
            return None;
        }
        let (written, _) = queues.split_once(':')?;
        // State 6 is TIME_WAIT.
        Some(Socket { is_ended: state == "06", unacknowledged: usize::from_str_radix(written, 16).unwrap() })
    })
}
