//! The README and the guide for hub authors, page by page, so that their examples are compiled with the documentation
//! tests.

macro_rules! page {
    ($name:ident, $file:literal) => {
        #[doc = include_str!(concat!("../../../docs/guide/", $file))]
        struct $name;
    };
}

page!(Readme, "../../README.md");
page!(FirstHub, "first-hub.md");
page!(ClientsAndGroups, "clients-and-groups.md");
page!(Streams, "streams.md");
page!(Errors, "errors.md");
page!(Auth, "auth.md");
page!(Limits, "limits.md");
#[cfg(feature = "redis")]
page!(SeveralNodes, "several-nodes.md");
page!(Draining, "draining.md");
page!(BackplanesAndStores, "backplanes-and-stores.md");
