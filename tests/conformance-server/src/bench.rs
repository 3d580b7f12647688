//! The hub that load generators drive. It has no limits that a load could reach.

use hubward::{Hub, HubContext, HubError, HubOptions, TransportOptions};

pub(crate) fn hub() -> Hub {
    let options = HubOptions {
        maximum_receive_message_bytes: None,
        mailbox_messages: usize::MAX,
        mailbox_bytes: usize::MAX,
        ..HubOptions::default()
    };
    Hub::new("bench")
        .options(options)
        .method("Echo", async |text: String| text)
        .method("Broadcast", broadcast)
        .method("Join", async |cx: HubContext, group: String| cx.groups().add(group).await)
        .method("ToGroup", to_group)
}

pub(crate) fn transports() -> TransportOptions {
    TransportOptions { application_buffer_bytes: 0, ..TransportOptions::default() }
}

async fn broadcast(cx: HubContext, text: String) -> Result<(), HubError> {
    Ok(cx.clients().all().send("Message", (text,)).await?)
}

async fn to_group(cx: HubContext, group: String, text: String) -> Result<(), HubError> {
    Ok(cx.clients().group(group).send("Message", (text,)).await?)
}
