//! The floor: two programs that only publish and receive bytes, with the crate and the kind of connections that
//! `hubward-redis` has. For each byte of a control connection the first publishes a message; for each message the
//! second writes a byte there. What comes together is sent together.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ProtocolVersion, PushInfo, PushKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

async fn connect(url: &str, config: AsyncConnectionConfig) -> MultiplexedConnection {
    let config = config.set_response_timeout(Some(Duration::from_secs(4))).set_pipeline_buffer_size(1024);
    let info: redis::ConnectionInfo = redis::IntoConnectionInfo::into_connection_info(url).unwrap();
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let client = Client::open(info.set_redis_settings(settings)).unwrap();
    client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
}

pub(crate) async fn send(url: &str, control: &str, channel: &str, file: &str) {
    let message = std::fs::read(file).unwrap();
    let mut redis = connect(url, AsyncConnectionConfig::new()).await;
    let mut control = TcpStream::connect(control).await.unwrap();
    let mut wanted = [0; 1024];
    control.write_all(b"!").await.unwrap();
    while let Ok(messages @ 1..) = control.read(&mut wanted).await {
        let mut pipeline = redis::Pipeline::with_capacity(messages);
        for _ in 0..messages {
            pipeline.cmd("PUBLISH").arg(channel).arg(&message);
        }
        let _: Vec<u64> = pipeline.query_async(&mut redis).await.unwrap();
    }
}

pub(crate) async fn receive(url: &str, control: &str, channel: &str) {
    let (received, mut messages) = mpsc::unbounded_channel();
    let pushes = move |push: PushInfo| match push.kind {
        PushKind::Message => received.send(push.data),
        _ => Ok(()),
    };
    let mut redis = connect(url, AsyncConnectionConfig::new().set_push_sender(pushes)).await;
    redis.subscribe(channel).await.unwrap();
    let mut control = TcpStream::connect(control).await.unwrap();
    control.write_all(b"!").await.unwrap();
    let mut batch = Vec::new();
    while messages.recv_many(&mut batch, 1024).await > 0 {
        let bytes = vec![b'.'; batch.drain(..).count()];
        control.write_all(&bytes).await.unwrap();
    }
}
