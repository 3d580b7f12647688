//! What the compiler says of functions that cannot be hub methods. The texts are pinned, because they are what a
//! hub author reads first. `TRYBUILD=overwrite cargo test -p hubward-hub --test handlers` writes them anew.

#[test]
fn a_function_that_cannot_be_a_method_is_refused_with_help() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/handlers/*.rs");
}
