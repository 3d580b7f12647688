//! A raw connection whose token expires, in paused time, over an in-memory WebSocket.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hubward_auth::KeyRing;
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::*;
use crate::connections::manager::ConnectionManager;
use crate::options::TransportOptions;

const LIFETIME: Duration = Duration::from_secs(60);

/// Opens a connection whose token expires after [`LIFETIME`]; returns the client's socket and the node's tasks.
fn open(acceptor: &impl Acceptor, closes: bool) -> (DuplexStream, TaskTracker) {
    let tasks = TaskTracker::new();
    let manager = ConnectionManager::new("node", KeyRing::random(), CancellationToken::new(), tasks.clone());
    let (client, io) = tokio::io::duplex(1024);
    let principal = Principal::builder().expires_at(SystemTime::now() + LIFETIME).build();
    let options =
        TransportOptions { close_on_authentication_expiration: closes, ..TransportOptions::default() };
    acceptor.accept(crate::testing::web_socket(io, "c1", "raw", principal, manager, Arc::new(options)));
    (client, tasks)
}

/// Waits for the server's close frame, and returns after how long it came.
async fn closed_after(client: &mut DuplexStream) -> Duration {
    let (begin, mut frame) = (Instant::now(), [0; 4]);
    client.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame, [0x88, 2, 0x03, 0xE8]);
    begin.elapsed()
}

fn assert_is_lifetime(after: Duration) {
    assert!(after <= LIFETIME && after > LIFETIME - Duration::from_secs(1), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_raw_connection_ends_with_its_token() {
    let (ended, mut ends) = mpsc::unbounded_channel();
    let handler = handler(move |mut connection| {
        let ended = ended.clone();
        async move {
            let received = connection.receive().await;
            ended.send((received, connection.send("late").await)).unwrap();
            Ok(())
        }
    });
    let (mut client, tasks) = open(&handler, true);
    assert_is_lifetime(closed_after(&mut client).await);
    assert_eq!(ends.recv().await, Some((None, Err(PipeError::TokenExpired))));
    tasks.close();
    drop(client);
    tasks.wait().await;
}

#[tokio::test(start_paused = true)]
async fn a_raw_connection_whose_handler_is_busy_ends_with_its_token() {
    let handler = handler(async |_connection: RawConnection| std::future::pending().await);
    let (mut client, _tasks) = open(&handler, true);
    assert_is_lifetime(closed_after(&mut client).await);
}

#[tokio::test(start_paused = true)]
async fn a_raw_connection_outlives_its_token_where_the_options_say_so() {
    let handler = handler(|mut connection| async move {
        connection.receive().await;
        Ok(())
    });
    let (mut client, tasks) = open(&handler, false);
    assert!(timeout(2 * LIFETIME, closed_after(&mut client)).await.is_err());
    tasks.close();
    drop(client);
    tasks.wait().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_for_the_token_of_a_raw_connection_that_has_ended() {
    let (mut client, tasks) = open(&handler(async |_| Ok(())), true);
    assert!(closed_after(&mut client).await < Duration::from_secs(1));
    tasks.close();
    drop(client);
    let begin = Instant::now();
    tasks.wait().await;
    assert!(begin.elapsed() < LIFETIME / 2);
}
