//! Methods that send, one for each of SignalR's selectors, and those that change groups.

use hubward::{Hub, HubContext, HubError};

use crate::nullable::{NullableString, NullableStrings, exclusions, group_names, non_null_items, not_null};
use crate::reading::Reading;

type SendResult = Result<(), HubError>;

pub(crate) fn add(hub: Hub) -> Hub {
    add_group_changes(add_selectors(hub))
}

fn add_selectors(hub: Hub) -> Hub {
    hub.method("ToAll", async |cx: HubContext, m: NullableString| {
        SendResult::Ok(cx.clients().all().send("Message", (m,)).await?)
    })
    .method("ToCaller", async |cx: HubContext, m: NullableString| {
        SendResult::Ok(cx.clients().caller().send("Message", (m,)).await?)
    })
    .method("ToOthers", async |cx: HubContext, m: NullableString| {
        SendResult::Ok(cx.clients().others().send("Message", (m,)).await?)
    })
    .method("ToAllExcept", async |cx: HubContext, m: NullableString, ids: NullableStrings| {
        SendResult::Ok(cx.clients().all_except(exclusions(ids)).send("Message", (m,)).await?)
    })
    .method("ToConnection", async |cx: HubContext, id: NullableString, m: NullableString| {
        SendResult::Ok(cx.clients().connection(not_null(id, "connectionId")?).send("Message", (m,)).await?)
    })
    .method("ToConnections", async |cx: HubContext, ids: NullableStrings, m: NullableString| {
        SendResult::Ok(cx.clients().connections(non_null_items(ids)?).send("Message", (m,)).await?)
    })
    .method("ToGroup", async |cx: HubContext, group: NullableString, m: NullableString| {
        SendResult::Ok(cx.clients().group(not_null(group, "groupName")?).send("Message", (m,)).await?)
    })
    .method("ToGroups", async |cx: HubContext, names: NullableStrings, m: NullableString| {
        SendResult::Ok(cx.clients().groups(group_names(names)?).send("Message", (m,)).await?)
    })
    .method(
        "ToGroupExcept",
        async |cx: HubContext, group: NullableString, m: NullableString, ids: NullableStrings| {
            let group = not_null(group, "groupName")?;
            SendResult::Ok(cx.clients().group_except(group, exclusions(ids)).send("Message", (m,)).await?)
        },
    )
    .method("ToOthersInGroup", async |cx: HubContext, group: NullableString, m: NullableString| {
        SendResult::Ok(
            cx.clients().others_in_group(not_null(group, "groupName")?).send("Message", (m,)).await?,
        )
    })
    .method("ToUser", async |cx: HubContext, user: NullableString, m: NullableString| {
        SendResult::Ok(cx.clients().user(not_null(user, "userId")?).send("Message", (m,)).await?)
    })
    .method("ToUsers", async |cx: HubContext, users: NullableStrings, m: NullableString| {
        SendResult::Ok(cx.clients().users(non_null_items(users)?).send("Message", (m,)).await?)
    })
    .method("SendReading", async |cx: HubContext, reading: Option<Reading>| {
        SendResult::Ok(cx.clients().caller().send("Reading", (reading, 7, true)).await?)
    })
    .method("SendNoArguments", async |cx: HubContext| {
        SendResult::Ok(cx.clients().caller().send("Poke", ()).await?)
    })
}

fn add_group_changes(hub: Hub) -> Hub {
    hub.method("Join", async |cx: HubContext, group: NullableString| {
        SendResult::Ok(cx.groups().add(not_null(group, "groupName")?).await?)
    })
    .method("Leave", async |cx: HubContext, group: NullableString| {
        SendResult::Ok(cx.groups().remove(not_null(group, "groupName")?).await?)
    })
    .method("AddOther", async |cx: HubContext, id: NullableString, group: NullableString| {
        let (id, group) = (not_null(id, "connectionId")?, not_null(group, "groupName")?);
        SendResult::Ok(cx.groups().add_connection(id, group).await?)
    })
}
