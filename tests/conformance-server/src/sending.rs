//! Methods that send, to each of SignalR's selectors, and those that join and leave groups.

use hubward::{Hub, HubContext, HubError};

use crate::reading::Reading;

type Sent = Result<(), HubError>;

pub(crate) fn add(hub: Hub) -> Hub {
    hub.method("ToAll", async |cx: HubContext, m: String| {
        Sent::Ok(cx.clients().all().send("Message", (m,)).await?)
    })
    .method("ToCaller", async |cx: HubContext, m: String| {
        Sent::Ok(cx.clients().caller().send("Message", (m,)).await?)
    })
    .method("ToOthers", async |cx: HubContext, m: String| {
        Sent::Ok(cx.clients().others().send("Message", (m,)).await?)
    })
    .method("ToAllExcept", async |cx: HubContext, m: String, ids: Vec<String>| {
        Sent::Ok(cx.clients().all_except(ids).send("Message", (m,)).await?)
    })
    .method("ToConnection", async |cx: HubContext, id: String, m: String| {
        Sent::Ok(cx.clients().connection(id).send("Message", (m,)).await?)
    })
    .method("ToConnections", async |cx: HubContext, ids: Vec<String>, m: String| {
        Sent::Ok(cx.clients().connections(ids).send("Message", (m,)).await?)
    })
    .method("ToGroup", async |cx: HubContext, group: String, m: String| {
        Sent::Ok(cx.clients().group(group).send("Message", (m,)).await?)
    })
    .method("ToGroups", async |cx: HubContext, groups: Vec<String>, m: String| {
        Sent::Ok(cx.clients().groups(groups).send("Message", (m,)).await?)
    })
    .method("ToGroupExcept", async |cx: HubContext, group: String, m: String, ids: Vec<String>| {
        Sent::Ok(cx.clients().group_except(group, ids).send("Message", (m,)).await?)
    })
    .method("ToOthersInGroup", async |cx: HubContext, group: String, m: String| {
        Sent::Ok(cx.clients().others_in_group(group).send("Message", (m,)).await?)
    })
    .method("ToUser", async |cx: HubContext, user: String, m: String| {
        Sent::Ok(cx.clients().user(user).send("Message", (m,)).await?)
    })
    .method("ToUsers", async |cx: HubContext, users: Vec<String>, m: String| {
        Sent::Ok(cx.clients().users(users).send("Message", (m,)).await?)
    })
    .method("SendReading", async |cx: HubContext, reading: Reading| {
        Sent::Ok(cx.clients().caller().send("Reading", (reading, 7, true)).await?)
    })
    .method("SendNoArguments", async |cx: HubContext| Sent::Ok(cx.clients().caller().send("Poke", ()).await?))
    .method("Join", async |cx: HubContext, group: String| Sent::Ok(cx.groups().add(group).await?))
    .method("Leave", async |cx: HubContext, group: String| Sent::Ok(cx.groups().remove(group).await?))
    .method("AddOther", async |cx: HubContext, id: String, group: String| {
        Sent::Ok(cx.groups().add_connection(id, group).await?)
    })
}
