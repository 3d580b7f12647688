//! Simulated vital signs: the same on every node, since they follow from the time alone.

use std::time::Duration;

use futures_util::{Stream, stream};
use serde::Serialize;

use super::clock::now_ms;

/// The wards that have patients; the page suggests them.
pub(super) const WARDS: [&str; 3] = ["cardiology", "neurology", "emergency"];

/// The patients of each ward.
const PATIENTS: [&str; 4] = ["Ada Lovelace", "Alan Turing", "Grace Hopper", "Edsger Dijkstra"];

/// Time between two readings of a patient.
const INTERVAL: Duration = Duration::from_secs(1);

/// One reading of a patient's vital signs.
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

/// Yields the current second since 1970, once a second, without end.
pub(super) fn seconds() -> impl Stream<Item = u64> {
    let interval = tokio::time::interval(INTERVAL);
    stream::unfold(interval, |mut interval| async move {
        interval.tick().await;
        Some((now_ms() / 1000, interval))
    })
}

/// Returns the readings of a ward in one second: waves of different lengths, with an alarm now and then.
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
