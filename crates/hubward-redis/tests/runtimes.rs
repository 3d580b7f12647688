//! Programs with several runtimes: what was started in one that has ended, and is used from another.
#![allow(clippy::unwrap_used, reason = "a failure here is to fail a test")]

use std::sync::Arc;

use bytes::Bytes;
use hubward_backplane::{Backplane, BackplaneError, GroupStore, ReceivedEnvelope, Subscriber, Topic};
use hubward_redis::Redis;
use hubward_testing::redis::{RedisOptions, RedisServer};
use hubward_testing::within;
use tokio::runtime::Runtime;

struct NoSubscriber;

impl Subscriber for NoSubscriber {
    fn deliver(&self, _: &[ReceivedEnvelope]) {}
    fn interrupted(&self, _: &str) {}
    fn resumed(&self) {}
}

fn redis(server: &RedisServer) -> Redis {
    Redis::url(&server.url()).unwrap().build().unwrap()
}

#[test]
fn a_backplane_whose_runtime_has_ended_accepts_nothing_that_it_cannot_send() {
    let (main, other) = (Runtime::new().unwrap(), Runtime::new().unwrap());
    let server = main.block_on(RedisServer::start(RedisOptions::default()));
    let backplane = redis(&server).backplane();
    other.block_on(backplane.start(Arc::new(NoSubscriber))).unwrap();
    drop(other);
    main.block_on(async {
        let published = within("the end", backplane.publish(vec![Topic::Nodes], Bytes::new())).await;
        assert!(matches!(published, Err(BackplaneError::Stopped)), "{published:?}");
        let subscribed = within("the end", backplane.subscribe(vec![Topic::Nodes])).await;
        assert!(matches!(subscribed[..], [Err(BackplaneError::Stopped)]), "{subscribed:?}");
        within("the stop", backplane.stop()).await;
    });
}

#[test]
fn a_store_whose_runtime_has_ended_connects_anew_in_that_of_the_next_call() {
    let (main, other) = (Runtime::new().unwrap(), Runtime::new().unwrap());
    let server = main.block_on(RedisServer::start(RedisOptions::default()));
    let store = redis(&server).store();
    let add = async || store.add_user(&"hub".into(), &"group".into(), &"user".into(), None).await;
    let list = async || store.groups_of_user(&"hub".into(), &"user".into()).await;
    other.block_on(async {
        add().await.unwrap();
        list().await.unwrap();
    });
    drop(other);
    main.block_on(async {
        add().await.unwrap();
        list().await.unwrap();
    });
}
