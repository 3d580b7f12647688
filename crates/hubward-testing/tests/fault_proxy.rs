//! The faults of the proxy are those that it was asked for, and end when they are to.

use std::io::ErrorKind;
use std::time::Duration;

use hubward_testing::{FaultProxy, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// A client and the server that it has reached through a proxy.
struct Pair {
    proxy: FaultProxy,
    listener: TcpListener,
    client: TcpStream,
    server: TcpStream,
}

impl Pair {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = FaultProxy::start(listener.local_addr().unwrap()).await;
        let (client, server) = connect(&proxy, &listener).await;
        Self { proxy, listener, client, server }
    }
}

async fn connect(proxy: &FaultProxy, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(proxy.address()).await.unwrap();
    let (server, _) = within("the proxy's connection", listener.accept()).await.unwrap();
    (client, server)
}

async fn passes(from: &mut TcpStream, to: &mut TcpStream, text: &[u8]) {
    from.write_all(text).await.unwrap();
    receives(to, text).await;
}

async fn receives(socket: &mut TcpStream, text: &[u8]) {
    let mut received = vec![0; text.len()];
    within("bytes", socket.read_exact(&mut received)).await.unwrap();
    assert_eq!(received, text);
}

#[tokio::test]
async fn bytes_pass_both_ways_and_so_does_the_end_of_each() {
    let Pair { mut client, mut server, proxy: _proxy, .. } = Pair::start().await;
    passes(&mut client, &mut server, b"to the server").await;
    passes(&mut server, &mut client, b"to the client").await;
    client.shutdown().await.unwrap();
    assert_eq!(within("the end", server.read(&mut [0])).await.unwrap(), 0);
    passes(&mut server, &mut client, b"a late answer").await;
    drop(server);
    assert_eq!(within("the end", client.read(&mut [0])).await.unwrap(), 0);
}

#[tokio::test]
async fn an_interruption_closes_connections_and_refuses_others_until_it_ends() {
    let Pair { mut client, mut server, proxy, listener } = Pair::start().await;
    passes(&mut client, &mut server, b"before").await;
    for _ in 0..2 {
        proxy.interrupt().await;
        for socket in [&mut client, &mut server] {
            let read = within("the end", socket.read(&mut [0])).await;
            assert!(matches!(&read, Ok(0)) || read.is_err(), "{read:?}");
        }
        let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        proxy.resume().await;
        (client, server) = connect(&proxy, &listener).await;
        passes(&mut client, &mut server, b"after").await;
        passes(&mut server, &mut client, b"after").await;
    }
}

#[tokio::test]
async fn what_is_held_comes_later_and_the_other_direction_goes_on() {
    let Pair { mut client, mut server, proxy, listener: _listener } = Pair::start().await;
    proxy.hold();
    server.write_all(b"held").await.unwrap();
    for _ in 0..10 {
        passes(&mut client, &mut server, b"goes on").await;
    }
    let early = tokio::time::timeout(Duration::from_millis(50), client.read(&mut [0])).await;
    assert!(early.is_err(), "{early:?}");
    proxy.release();
    receives(&mut client, b"held").await;
    passes(&mut server, &mut client, b"more").await;
}

#[tokio::test]
async fn a_delay_holds_for_each_part_and_does_not_add_up() {
    let Pair { mut client, mut server, proxy, listener: _listener } = Pair::start().await;
    let delay = Duration::from_millis(100);
    proxy.delay(delay);
    let began = Instant::now();
    for _ in 0..20 {
        client.write_all(b"x").await.unwrap();
        tokio::task::yield_now().await;
    }
    receives(&mut server, &[b'x'; 20]).await;
    let took = began.elapsed();
    assert!(took >= delay && took < 10 * delay, "{took:?}");
}

#[tokio::test]
async fn a_client_of_an_upstream_that_refuses_is_closed() {
    let Pair { proxy, listener, .. } = Pair::start().await;
    drop(listener);
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let read = within("the end", client.read(&mut [0])).await;
    assert!(matches!(&read, Ok(0)) || read.is_err(), "{read:?}");
}
