//! A part of the state that the hub's state does not have.

use hubward_hub::{Hub, State};

#[derive(Clone)]
struct Wards;

async fn beds(_wards: State<Wards>) -> u32 {
    12
}

async fn number(_number: State<u32>) -> u32 {
    7
}

fn main() {
    let _hub: Hub = Hub::new("numbers").method("Number", number).method("Beds", beds).with_state(7u32);
}
