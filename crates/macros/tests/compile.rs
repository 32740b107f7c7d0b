//! What compiles, and what the compiler says where it does not.
//!
//! The words are those of the compiler in `rust-version`; `TRYBUILD=overwrite` writes them anew.

#[test]
fn mistakes_are_told_where_they_are_made() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/pass/*.rs");
    cases.compile_fail("tests/fail/*.rs");
}
