//! An error that is serializable as well: whether it is meant as a value is left open.

use hubward_hub::Hub;

#[derive(Debug, serde::Serialize)]
struct NotFound;

impl std::fmt::Display for NotFound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not found")
    }
}

impl std::error::Error for NotFound {}

async fn find() -> Result<u32, NotFound> {
    Err(NotFound)
}

fn main() {
    let _: Hub = Hub::new("hub").method("Find", find);
}
