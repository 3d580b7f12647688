//! A future that holds what must not move between threads.

use std::rc::Rc;
use hubward_hub::Hub;

async fn count() -> u32 {
    let shared = Rc::new(1);
    std::future::ready(()).await;
    *shared
}

fn main() {
    let _hub: Hub = Hub::new("numbers").method("Count", count);
}
