//! The hub that needs a user, with methods for some of them.

use futures_util::{Stream, stream};
use hubward::{HandlerExt, Hub, HubContext, HubError};

use crate::hub;

pub(crate) fn hub() -> Hub {
    hub::named("secure")
        .authorize("Authenticated")
        .method("OrderMedication", order_medication.authorize("DoctorsOnly"))
        .stream("WatchDoctors", watch_doctors.authorize("DoctorsOnly"))
        .method("SubscribeToWard", subscribe_to_ward.authorize("Staff"))
        .method("ToWard", to_ward)
}

async fn order_medication(patient: String, drug: String) -> String {
    format!("{drug} for {patient}")
}

async fn watch_doctors(n: i32) -> impl Stream<Item = i32> {
    stream::iter(0..n)
}

async fn subscribe_to_ward(cx: HubContext, ward: String) -> Result<(), HubError> {
    if cx.user().claim("department") != Some(ward.as_str()) && !cx.user().has_role("admin") {
        return Err(HubError::shown("Access to this ward requires matching department assignment."));
    }
    Ok(cx.groups().add(format!("ward:{ward}")).await?)
}

async fn to_ward(cx: HubContext, ward: String, m: String) -> Result<(), HubError> {
    Ok(cx.clients().group(format!("ward:{ward}")).send("Message", (m,)).await?)
}
