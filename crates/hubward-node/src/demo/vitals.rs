//! Simulated vitals: the same for everybody, whichever node they are on.

use std::time::Duration;

use futures_util::{Stream, stream};
use hubward::HubHandle;
use serde::Serialize;

use super::{now_ms, ward};

/// Wards that the demo knows; the page suggests them.
const WARDS: [&str; 3] = ["cardiology", "neurology", "emergency"];

/// Patients of a ward.
const PATIENTS: [&str; 4] = ["Ada Lovelace", "Alan Turing", "Grace Hopper", "Edsger Dijkstra"];

/// Time between two readings.
const INTERVAL: Duration = Duration::from_secs(1);

/// A reading at a bed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Vitals {
    ward: String,
    patient: &'static str,
    bed: u32,
    heart_rate: u32,
    oxygen: u32,
    alarm: bool,
    at: u64,
}

/// A number for each second, without end.
pub(super) fn ticks() -> impl Stream<Item = u64> {
    let interval = tokio::time::interval(INTERVAL);
    stream::unfold(interval, |mut interval| async move {
        interval.tick().await;
        Some((now_ms() / 1000, interval))
    })
}

/// The readings of a ward in a second: waves of different lengths, with an alarm now and then.
pub(super) fn of_ward(ward: &str, second: u64) -> Vec<Vitals> {
    let seed: u64 = ward.bytes().map(u64::from).sum();
    (0u32..)
        .zip(PATIENTS)
        .map(|(bed, patient)| {
            let phase = (second + seed * u64::from(bed + 1)) as f64;
            let wave = (phase / 7.0).sin() * 9.0 + (phase / 3.0).cos() * 4.0;
            let alarm = (second / 5 + seed + u64::from(bed) * 7).is_multiple_of(17);
            Vitals {
                ward: ward.to_owned(),
                patient,
                bed: bed + 1,
                heart_rate: (76.0 + wave) as u32 + if alarm { 58 } else { 0 },
                oxygen: (97.0 + (phase / 11.0).sin() * 2.0) as u32 - if alarm { 9 } else { 0 },
                alarm,
                at: now_ms(),
            }
        })
        .collect()
}

/// Sends each ward its readings, without end.
pub(super) async fn simulate(hub: HubHandle) -> std::io::Result<()> {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        let second = now_ms() / 1000;
        for ward in WARDS {
            for vitals in of_ward(ward, second) {
                if let Err(error) = hub.group(ward::group(ward)).send("Vitals", (vitals,)).await {
                    tracing::warn!(%error, "Vitals could not be sent to the other nodes.");
                }
            }
        }
    }
}
