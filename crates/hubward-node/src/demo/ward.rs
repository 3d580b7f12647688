//! The ward hub: who may see a ward, and who may order medication.

use futures_util::{Stream, StreamExt};
use hubward::{HandlerExt, Hub, HubContext, HubError};
use serde::Serialize;

use super::vitals::{self, Vitals};

#[derive(Serialize)]
struct Ordered {
    patient: String,
    drug: String,
    by: String,
}

pub(super) fn hub() -> Hub {
    Hub::new("ward")
        .authorize("ClinicalStaff")
        .method("SubscribeToWard", subscribe)
        .method("UnsubscribeFromWard", async |cx: HubContext, ward: String| {
            cx.groups().remove(group(&ward)).await
        })
        .method("OrderMedication", order_medication.authorize("DoctorsOnly"))
        .stream("WatchVitals", watch_vitals)
}

/// The group of a ward.
pub(super) fn group(ward: &str) -> String {
    format!("ward:{ward}")
}

fn check_ward(cx: &HubContext, ward: &str) -> Result<(), HubError> {
    if cx.principal().claim("department") != Some(ward) && !cx.principal().has_role("admin") {
        return Err(HubError::shown("Access to this ward requires matching department assignment."));
    }
    Ok(())
}

async fn subscribe(cx: HubContext, ward: String) -> Result<(), HubError> {
    check_ward(&cx, &ward)?;
    Ok(cx.groups().add(group(&ward)).await?)
}

async fn order_medication(cx: HubContext, patient: String, drug: String) -> Result<String, HubError> {
    if patient.trim().is_empty() || drug.trim().is_empty() {
        return Err(HubError::shown("Name the patient and the drug."));
    }
    let by = cx.principal().user_id().map(ToString::to_string).unwrap_or_default();
    let answer = format!("{drug} for {patient}");
    if let Some(ward) = cx.principal().claim("department") {
        cx.clients().group(group(ward)).send("MedicationOrdered", (Ordered { patient, drug, by },)).await?;
    }
    Ok(answer)
}

async fn watch_vitals(cx: HubContext, ward: String) -> Result<impl Stream<Item = Vitals>, HubError> {
    check_ward(&cx, &ward)?;
    Ok(vitals::ticks().flat_map(move |tick| futures_util::stream::iter(vitals::of_ward(&ward, tick))))
}
