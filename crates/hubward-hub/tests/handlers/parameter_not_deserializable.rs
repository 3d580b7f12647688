//! A parameter that cannot be decoded.

use hubward_hub::Hub;

struct Reading;

async fn record(_reading: Reading) {}

fn main() {
    let _hub: Hub = Hub::new("numbers").method("Record", record);
}
