//! What the compiler says of functions that cannot be tools.
//!
//! The words are those of the compiler in `rust-version`; `TRYBUILD=overwrite` writes them anew.

use std::process::Command;

/// Other compilers say the same in other words.
fn words_are_known() -> bool {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(compiler).arg("--version").output();
    let version =
        version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    version.starts_with(&format!("rustc {}.", env!("CARGO_PKG_RUST_VERSION")))
}

/// Invariant: A mistake in a function under a macro is reported once, at its location, in words.
#[test]
fn mistakes_are_told_where_they_are_made() {
    if words_are_known() {
        trybuild::TestCases::new().compile_fail("tests/fail/*.rs");
    } else {
        eprintln!("the messages are those of rustc {}; not compared", env!("CARGO_PKG_RUST_VERSION"));
    }
}
