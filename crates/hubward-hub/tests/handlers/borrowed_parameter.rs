//! A parameter that borrows from the call.

use hubward_hub::Hub;

async fn record(_text: &str) {}

fn main() {
    let _hub: Hub = Hub::new("numbers").method("Record", record);
}
