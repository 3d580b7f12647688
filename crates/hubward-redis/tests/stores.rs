//! The suites of group stores and node registries, on each kind of Redis.

mod support;

macro_rules! on_redis {
    ($($kind:ident),*) => {$(
        mod $kind {
            use crate::support::{self, stores};

            hubward_backplane::group_store_suite!(stores(support::$kind()));

            mod nodes {
                use super::*;

                hubward_backplane::node_registry_suite!(stores(support::$kind()));
            }
        }
    )*};
}

on_redis!(standalone, tls, sentinels, cluster);
