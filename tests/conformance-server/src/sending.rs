//! Methods that send, to each of SignalR's selectors, and those that join and leave groups.

use hubward::{Hub, HubContext, HubError};

use crate::nulls::{Text, Texts, excepted, groups, listed, needed};
use crate::reading::Reading;

type Sent = Result<(), HubError>;

pub(crate) fn add(hub: Hub) -> Hub {
    hub.method("ToAll", async |cx: HubContext, m: Text| {
        Sent::Ok(cx.clients().all().send("Message", (m,)).await?)
    })
    .method("ToCaller", async |cx: HubContext, m: Text| {
        Sent::Ok(cx.clients().caller().send("Message", (m,)).await?)
    })
    .method("ToOthers", async |cx: HubContext, m: Text| {
        Sent::Ok(cx.clients().others().send("Message", (m,)).await?)
    })
    .method("ToAllExcept", async |cx: HubContext, m: Text, ids: Texts| {
        Sent::Ok(cx.clients().all_except(excepted(ids)).send("Message", (m,)).await?)
    })
    .method("ToConnection", async |cx: HubContext, id: Text, m: Text| {
        Sent::Ok(cx.clients().connection(needed(id, "connectionId")?).send("Message", (m,)).await?)
    })
    .method("ToConnections", async |cx: HubContext, ids: Texts, m: Text| {
        Sent::Ok(cx.clients().connections(listed(ids)?).send("Message", (m,)).await?)
    })
    .method("ToGroup", async |cx: HubContext, group: Text, m: Text| {
        Sent::Ok(cx.clients().group(needed(group, "groupName")?).send("Message", (m,)).await?)
    })
    .method("ToGroups", async |cx: HubContext, names: Texts, m: Text| {
        Sent::Ok(cx.clients().groups(groups(names)?).send("Message", (m,)).await?)
    })
    .method("ToGroupExcept", async |cx: HubContext, group: Text, m: Text, ids: Texts| {
        let group = needed(group, "groupName")?;
        Sent::Ok(cx.clients().group_except(group, excepted(ids)).send("Message", (m,)).await?)
    })
    .method("ToOthersInGroup", async |cx: HubContext, group: Text, m: Text| {
        Sent::Ok(cx.clients().others_in_group(needed(group, "groupName")?).send("Message", (m,)).await?)
    })
    .method("ToUser", async |cx: HubContext, user: Text, m: Text| {
        Sent::Ok(cx.clients().user(needed(user, "userId")?).send("Message", (m,)).await?)
    })
    .method("ToUsers", async |cx: HubContext, users: Texts, m: Text| {
        Sent::Ok(cx.clients().users(listed(users)?).send("Message", (m,)).await?)
    })
    .method("SendReading", async |cx: HubContext, reading: Option<Reading>| {
        Sent::Ok(cx.clients().caller().send("Reading", (reading, 7, true)).await?)
    })
    .method("SendNoArguments", async |cx: HubContext| Sent::Ok(cx.clients().caller().send("Poke", ()).await?))
    .method("Join", async |cx: HubContext, group: Text| {
        Sent::Ok(cx.groups().add(needed(group, "groupName")?).await?)
    })
    .method("Leave", async |cx: HubContext, group: Text| {
        Sent::Ok(cx.groups().remove(needed(group, "groupName")?).await?)
    })
    .method("AddOther", async |cx: HubContext, id: Text, group: Text| {
        let (id, group) = (needed(id, "connectionId")?, needed(group, "groupName")?);
        Sent::Ok(cx.groups().add_connection(id, group).await?)
    })
}
