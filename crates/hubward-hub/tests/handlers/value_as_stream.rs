//! A plain value that is added as a stream.

use hubward_hub::Hub;

async fn one() -> u32 {
    1
}

fn main() {
    let _hub: Hub = Hub::new("numbers").stream("One", one);
}
