//! `docs/invariants.md` is generated from the doc lines of the tests.

use std::{env, fs, path::Path};

use anyport_tests::invariants::{collect, page};

/// Set this variable to write the page instead of comparing with it.
const UPDATE: &str = "UPDATE_GOLDEN";

#[test]
fn the_page_of_invariants_is_what_the_tests_state() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = root.join("docs/invariants.md");
    let written = page(&collect(&root).unwrap());
    if env::var_os(UPDATE).is_some_and(|value| !value.is_empty() && value != "0") {
        fs::write(path, written).unwrap();
    } else {
        assert_eq!(fs::read_to_string(path).unwrap(), written, "{UPDATE}=1 writes the page anew");
    }
}
