//! Redis that restarts: it gives the numbers of its connections anew, to others.
#![allow(clippy::unwrap_used, reason = "a failure here is to fail a test")]

use hubward_backplane::GroupStore;
use hubward_redis::Redis;
use hubward_testing::redis::{Data, RedisOptions, RedisServer};
use hubward_testing::{FaultProxy, eventually, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// More connections than a server had before it restarted, so that one of them has the number of the store's.
const OTHERS: usize = 50;

async fn ping(socket: &mut TcpStream) {
    socket.write_all(b"PING\r\n").await.unwrap();
    let mut reply = [0; 7];
    within("a reply", socket.read_exact(&mut reply)).await.unwrap();
    assert_eq!(&reply, b"+PONG\r\n");
}

#[tokio::test]
async fn a_store_that_connects_again_ends_no_connection_of_others() {
    let mut server = RedisServer::start(RedisOptions::default()).await;
    let proxy = FaultProxy::start(server.address()).await;
    let store = Redis::url(&format!("redis://{}", proxy.address())).unwrap().build().unwrap().store();
    let add = || store.add_user(&"hub".into(), &"group".into(), &"user".into(), None);
    add().await.unwrap();

    proxy.interrupt().await;
    server.restart(Data::Lost).await;
    let mut others = Vec::new();
    for _ in 0..OTHERS {
        let mut other = TcpStream::connect(server.address()).await.unwrap();
        ping(&mut other).await;
        others.push(other);
    }
    proxy.resume().await;
    eventually("the store to be connected", async || add().await.is_ok()).await;
    for other in &mut others {
        ping(other).await;
    }
}
