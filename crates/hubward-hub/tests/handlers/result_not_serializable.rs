//! A result that cannot be encoded.

use hubward_hub::Hub;

struct Reading;

async fn latest() -> Reading {
    Reading
}

fn main() {
    let _hub: Hub = Hub::new("numbers").method("Latest", latest);
}
