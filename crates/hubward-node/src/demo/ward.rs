//! The ward hub: who may see a ward, and who may order medication.

use std::pin::pin;

use futures_util::{Stream, StreamExt};
use hubward::{HandlerExt, Hub, HubContext, HubError, HubHandle};
use serde::Serialize;

use super::vitals::{self, Vitals};

#[derive(Serialize)]
struct MedicationOrder {
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

/// Returns the group of those who watch a ward.
fn group(ward: &str) -> String {
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
    let ordered = format!("{drug} for {patient}");
    if let Some(ward) = cx.principal().claim("department") {
        cx.clients()
            .group(group(ward))
            .send("MedicationOrdered", (MedicationOrder { patient, drug, by },))
            .await?;
    }
    Ok(ordered)
}

async fn watch_vitals(cx: HubContext, ward: String) -> Result<impl Stream<Item = Vitals>, HubError> {
    check_ward(&cx, &ward)?;
    let readings = move |second| futures_util::stream::iter(vitals::of_ward(&ward, second));
    Ok(vitals::seconds().flat_map(readings))
}

/// Sends the readings of each ward to those who watch it, without end.
pub(super) async fn send_vitals(hub: HubHandle) -> std::io::Result<()> {
    let mut seconds = pin!(vitals::seconds());
    while let Some(second) = seconds.next().await {
        for ward in vitals::WARDS {
            for vitals in vitals::of_ward(ward, second) {
                if let Err(error) = hub.group(group(ward)).send("Vitals", (vitals,)).await {
                    tracing::warn!(%error, "Vitals could not be sent to the other nodes.");
                }
            }
        }
    }
    Ok(())
}
