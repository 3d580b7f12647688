//! Hubs whose options have a time that never comes: one hub for each such option, and one with all of them. The options are
//! taken apart into all of their fields, so that a new one is not forgotten.

use std::time::Duration;

use hubward::{Builder, Hub, HubOptions, Outage, TransportOptions};

use super::counted::counted;

/// Where the hub with all of them is.
const ALL: &str = "/never";

/// A field that is no time.
trait NoTime {}

impl NoTime for bool {}
impl NoTime for i32 {}
impl NoTime for u32 {}
impl NoTime for usize {}
impl NoTime for Option<usize> {}
/// Its time is set beside.
impl NoTime for Outage {}

fn no_time(_: impl NoTime) {}

/// Makes the options with each of the times at its longest, and those with all of them.
macro_rules! longest {
    ($options:ident { $($time:ident),* } $($other:ident),*) => {{
        let $options { $($time,)* $($other,)* } = $options::default();
        $(let _: Duration = $time;)*
        $(no_time($other);)*
        let all = $options { $($time: Duration::MAX,)* ..$options::default() };
        (vec![$((stringify!($time), $options { $time: Duration::MAX, ..$options::default() })),*], all)
    }};
}

fn of_hubs() -> (Vec<(&'static str, HubOptions)>, HubOptions) {
    let (mut hubs, all) = longest!(HubOptions {
        handshake_timeout, keep_alive_interval, client_timeout, client_result_timeout, confirmation_timeout
    }
        maximum_receive_message_bytes, stream_buffer_capacity, maximum_parallel_invocations, calls_per_connection,
        client_results_per_connection, detailed_errors, stateful_reconnect_buffer_bytes, streams_per_connection,
        groups_per_connection, group_name_bytes, mailbox_messages, mailbox_bytes, accept_during_outage,
        on_outage
    );
    let on_outage = Outage::Hold { max_bytes: 1 << 20, max_wait: Duration::MAX };
    hubs.push(("on_outage", HubOptions { on_outage, ..HubOptions::default() }));
    (hubs, HubOptions { on_outage, ..all })
}

fn of_transports() -> (Vec<(&'static str, TransportOptions)>, TransportOptions) {
    longest!(TransportOptions {
        connect_timeout, disconnect_timeout, poll_timeout, close_timeout, send_timeout
    }
        web_sockets, server_sent_events, long_polling, allow_stateful_reconnects, minimum_protocol_version,
        minimum_drain_bytes_per_second, absent_connections, post_body_bytes, application_buffer_bytes,
        close_on_authentication_expiration
    )
}

/// Mounts all of them.
pub(super) fn add(mut builder: Builder) -> Builder {
    let ((hubs, all_of_hub), (transports, all_of_transport)) = (of_hubs(), of_transports());
    for (name, options) in hubs {
        builder = builder.hub(path(name), hub(name).options(options));
    }
    for (name, options) in transports {
        builder = builder.hub_with_options(path(name), hub(name), options);
    }
    builder.hub_with_options(ALL, hub("never").options(all_of_hub), all_of_transport)
}

/// The paths of all of them.
pub(crate) fn paths() -> Vec<String> {
    let (hubs, transports) = (of_hubs().0, of_transports().0);
    let names = hubs.iter().map(|hub| hub.0).chain(transports.iter().map(|transport| transport.0));
    names.map(path).chain([ALL.to_owned()]).collect()
}

fn path(name: &str) -> String {
    format!("{ALL}/{name}")
}

fn hub(name: &str) -> Hub {
    counted(Hub::new(name)).method("Ask", async |cx: hubward::HubContext| {
        cx.clients().caller().invoke::<i32>("Question", ()).await
    })
}
