//! A function that is not async.

use hubward_hub::Hub;

fn add(a: i32, b: i32) -> i32 {
    a + b
}

fn main() {
    let _hub: Hub = Hub::new("numbers").method("Add", add);
}
