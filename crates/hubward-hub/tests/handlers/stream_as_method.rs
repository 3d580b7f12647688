//! A stream that is added as a plain method.

use futures_util::stream;
use hubward_hub::Hub;

async fn count() -> stream::Empty<u32> {
    stream::empty()
}

fn main() {
    let _hub: Hub = Hub::new("numbers").method("Count", count);
}
