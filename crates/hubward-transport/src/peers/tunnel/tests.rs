//! What a tunnel copies, and when it ends.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::*;

const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// What lies in the buffer of each socket at most.
const SOCKET_BYTES: usize = 1024;

/// A tunnel between the other ends of these sockets.
struct Pair {
    client: DuplexStream,
    node: DuplexStream,
    ended: JoinHandle<()>,
}

impl Pair {
    fn new(from_client: &'static [u8], from_node: &'static [u8]) -> Self {
        let (client, client_end) = duplex(SOCKET_BYTES);
        let (node, node_end) = duplex(SOCKET_BYTES);
        let end = |socket, unwritten| End {
            io: Io::Other(Box::new(socket)),
            unwritten: Bytes::from_static(unwritten),
        };
        let tunnel = tunnel(end(client_end, from_client), end(node_end, from_node), SEND_TIMEOUT);
        #[expect(clippy::disallowed_methods, reason = "the test waits for it")]
        let ended = tokio::spawn(tunnel);
        Self { client, node, ended }
    }
}

async fn read(socket: &mut DuplexStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    socket.read_exact(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test(start_paused = true)]
async fn bytes_go_both_ways_in_order_those_first_that_came_with_the_heads() {
    let mut pair = Pair::new(b"early ", b"first ");
    pair.client.write_all(b"up").await.unwrap();
    pair.node.write_all(b"down").await.unwrap();
    assert_eq!(read(&mut pair.node, 8).await, b"early up");
    assert_eq!(read(&mut pair.client, 10).await, b"first down");
    let large: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
    let (sent, received) = tokio::join!(pair.client.write_all(&large), read(&mut pair.node, large.len()));
    sent.unwrap();
    assert!(received == large);
}

#[tokio::test(start_paused = true)]
async fn one_direction_may_end_before_the_other_and_both_are_the_end() {
    let mut pair = Pair::new(b"", b"");
    pair.client.write_all(b"last").await.unwrap();
    pair.client.shutdown().await.unwrap();
    let mut received = Vec::new();
    pair.node.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"last");
    pair.node.write_all(b"reply").await.unwrap();
    assert_eq!(read(&mut pair.client, 5).await, b"reply");
    pair.node.shutdown().await.unwrap();
    pair.ended.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_end_that_does_not_follow_the_other_is_waited_for_no_longer() {
    let mut pair = Pair::new(b"", b"");
    pair.node.shutdown().await.unwrap();
    let begun = Instant::now();
    pair.ended.await.unwrap();
    assert_eq!(begun.elapsed(), HALF_OPEN);
}

#[tokio::test(start_paused = true)]
async fn what_one_end_does_not_take_is_not_read_from_the_other_and_not_for_ever() {
    let mut pair = Pair::new(b"", b"");
    let begun = Instant::now();
    let flood = async {
        let mut sent = 0;
        while let Ok(written) = pair.node.write(&[0; 4096]).await {
            sent += written;
        }
        sent
    };
    let sent = flood.await;
    assert!(sent <= 3 * SOCKET_BYTES + 4096, "{sent} bytes were taken for a client that reads nothing");
    assert_eq!(begun.elapsed(), SEND_TIMEOUT);
    pair.ended.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_keeps_its_tunnel() {
    let mut pair = Pair::new(b"", b"");
    let sending = async {
        for _ in 0..16 {
            pair.node.write_all(&[7; SOCKET_BYTES]).await.unwrap();
        }
    };
    let reading = async {
        for _ in 0..16 {
            tokio::time::sleep(SEND_TIMEOUT - Duration::from_secs(1)).await;
            read(&mut pair.client, SOCKET_BYTES).await;
        }
    };
    tokio::join!(sending, reading);
    assert!(!pair.ended.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_is_dropped_closes_both_ends() {
    let mut pair = Pair::new(b"", b"");
    pair.ended.abort();
    assert_eq!(pair.client.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(pair.node.read(&mut [0]).await.unwrap(), 0);
}
