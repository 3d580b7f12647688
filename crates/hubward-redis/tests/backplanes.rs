//! The suite of backplanes, on each kind of Redis.

mod support;

macro_rules! on_redis {
    ($($kind:ident),*) => {$(
        mod $kind {
            use crate::support::{self, network::RedisNetwork};

            hubward_backplane::backplane_suite!(RedisNetwork::new(support::$kind()));
        }
    )*};
}

on_redis!(standalone, tls, sentinels, cluster);
