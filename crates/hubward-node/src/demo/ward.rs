//! The ward hub: who may see a ward, and who may order medication.

use std::pin::pin;

use futures_util::{Stream, StreamExt};
use hubward::{HandlerExt, Hub, HubContext, HubError, HubHandle, NodeId};
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
        .method("UnsubscribeFromWard", unsubscribe)
        .method("OrderMedication", order_medication.authorize("DoctorsOnly"))
        .stream("WatchVitals", watch_vitals)
}

/// Returns the group of those who watch a ward.
fn group(ward: &str) -> String {
    format!("ward:{ward}")
}

/// Returns the group of those who watch a ward on one node. Each node sends the readings to its own, so that they go on
/// whichever other node ends.
fn group_of_node(ward: &str, node: &NodeId) -> String {
    format!("ward:{ward}@{node}")
}

fn check_ward(cx: &HubContext, ward: &str) -> Result<(), HubError> {
    if cx.principal().claim("department") != Some(ward) && !cx.principal().has_role("admin") {
        return Err(HubError::shown("Access to this ward requires matching department assignment."));
    }
    Ok(())
}

async fn subscribe(cx: HubContext, ward: String) -> Result<(), HubError> {
    check_ward(&cx, &ward)?;
    cx.groups().add(group(&ward)).await?;
    Ok(cx.groups().add(group_of_node(&ward, cx.node())).await?)
}

async fn unsubscribe(cx: HubContext, ward: String) -> Result<(), HubError> {
    cx.groups().remove(group_of_node(&ward, cx.node())).await?;
    Ok(cx.groups().remove(group(&ward)).await?)
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

/// Sends the readings of each ward to those who watch it on this node, without end.
pub(super) async fn send_vitals(hub: HubHandle, node: NodeId) -> std::io::Result<()> {
    let mut seconds = pin!(vitals::seconds());
    while let Some(second) = seconds.next().await {
        for ward in vitals::WARDS {
            for vitals in vitals::of_ward(ward, second) {
                // Where it cannot be published, those whom it is for have it all the same.
                if let Err(error) = hub.group(group_of_node(ward, &node)).send("Vitals", (vitals,)).await {
                    tracing::debug!(%error, "Vitals could not be published.");
                }
            }
        }
    }
    Ok(())
}
