//! What the compiler says of arguments that are not a tuple. The texts are pinned, because they are the first that a hub
//! author reads about it. `TRYBUILD=overwrite cargo test -p hubward-proto --test arguments` writes them anew.

#[test]
fn a_bare_value_is_rejected_with_a_hint_to_write_a_tuple() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/arguments/*.rs");
}
