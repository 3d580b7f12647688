//! What the compiler reports for arguments that are not a tuple. Its messages are pinned, because they are the first
//! help that a hub author gets. `TRYBUILD=overwrite cargo test -p hubward-proto --test arguments` writes them anew.

#[test]
fn a_bare_value_is_rejected_with_a_hint_to_write_a_tuple() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/arguments/*.rs");
}
