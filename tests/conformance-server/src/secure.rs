//! The hub that needs an authenticated principal, with methods that need certain roles.

use futures_util::{Stream, stream};
use hubward::{HandlerExt, Hub, HubContext, HubError};

use crate::hub;
use crate::nullable::NullableString;

pub(crate) fn hub() -> Hub {
    hub::named("secure")
        .authorize("Authenticated")
        .method("OrderMedication", order_medication.authorize("DoctorsOnly"))
        .stream("WatchDoctors", watch_doctors.authorize("DoctorsOnly"))
        .method("SubscribeToWard", subscribe_to_ward.authorize("Staff"))
        .method("ToWard", to_ward)
}

async fn order_medication(patient: NullableString, drug: NullableString) -> String {
    format!("{} for {}", drug.unwrap_or_default(), patient.unwrap_or_default())
}

async fn watch_doctors(n: i32) -> impl Stream<Item = i32> {
    stream::iter(0..n)
}

async fn subscribe_to_ward(cx: HubContext, ward: NullableString) -> Result<(), HubError> {
    if cx.principal().claim("department") != ward.as_deref() && !cx.principal().has_role("admin") {
        return Err(HubError::shown("Access to this ward requires matching department assignment."));
    }
    Ok(cx.groups().add(format!("ward:{}", ward.unwrap_or_default())).await?)
}

async fn to_ward(cx: HubContext, ward: NullableString, m: NullableString) -> Result<(), HubError> {
    Ok(cx.clients().group(format!("ward:{}", ward.unwrap_or_default())).send("Message", (m,)).await?)
}
