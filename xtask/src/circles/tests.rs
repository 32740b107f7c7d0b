use std::path::{Path, PathBuf};

use super::{Circles, check, modules::Modules};

#[test]
fn no_file_joins_a_circle() {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    if let Err(failure) = check(&folders) {
        panic!("{failure}");
    }
}

/// The circles of a crate of these files.
fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let read = |path: &Path| {
        let path = path.to_str().unwrap();
        Ok(files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned()))
    };
    let modules = Modules::read(Path::new("lib.rs"), &read).unwrap();
    let shown = |path: &PathBuf| path.to_str().unwrap().to_owned();
    Circles::of(&modules).circles.iter().map(|circle| circle.files.iter().map(shown).collect()).collect()
}

const AB: (&str, &str) = ("lib.rs", "mod a; mod b;");

#[test]
fn files_that_import_each_other_are_a_circle() {
    let a = ("a.rs", "use crate::b::B; pub struct A(B);");
    assert_eq!(circles(&[AB, a, ("b.rs", "use super::a::A; pub struct B(Box<A>);")]), [["a.rs", "b.rs"]]);
    assert!(circles(&[AB, a, ("b.rs", "pub struct B;")]).is_empty());
}

#[test]
fn what_code_says_counts_as_an_import_does() {
    let a = ("a.rs", "pub struct A(crate::b::B);");
    for b in [
        "pub struct B(Box<crate::a::A>);",
        "pub struct B; fn f() { println!(\"{:?}\", crate::a::A); }",
        "use crate::a; pub struct B(Box<a::A>);",
        "use crate::a::*; pub struct B(Box<A>);",
        "pub struct B; impl From<B> for super::a::A { fn from(_: B) -> Self { todo!() } }",
        "pub struct B; mod inner { use crate::a::A; }",
    ] {
        assert_eq!(circles(&[AB, a, ("b.rs", b)]), [["a.rs", "b.rs"]], "{b}");
    }
}

#[test]
fn tests_and_other_crates_are_left_out() {
    let a = ("a.rs", "pub struct A(crate::b::B);");
    for b in [
        "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }",
        "pub struct B; #[cfg(all(test, unix))] fn f() -> crate::a::A { todo!() }",
        "pub struct B; impl B { #[cfg(test)] fn f() -> crate::a::A { todo!() } }",
        "pub struct B; #[cfg(test)] mod tests;",
        "use ::a::A; pub struct B;",
        "use a::A; pub struct B;",
        "use crate::a::*; pub struct B;",
        "pub(in crate::a) struct B;",
    ] {
        assert!(circles(&[AB, a, ("b.rs", b)]).is_empty(), "{b}");
    }
    let b = "#[cfg(not(test))] use crate::a::A; pub struct B;";
    assert_eq!(circles(&[AB, a, ("b.rs", b)]).len(), 1);
}

#[test]
fn a_parent_that_only_passes_names_on_is_looked_through() {
    let lib = ("lib.rs", "mod a; pub use a::{one::One, Two as Second, three::*}; pub use other::Foreign;");
    let one = ("a/one.rs", "pub struct One;");
    let three = ("a/three.rs", "use crate::{Foreign, One, Second}; pub struct Three(One, Second, Foreign);");
    let two = ("a/two.rs", "use super::one::One; pub struct Two(One);");
    let parent = ("a/mod.rs", "pub mod one; mod two; pub mod three; pub use two::Two;");
    assert!(circles(&[lib, parent, one, two, three]).is_empty());
    let one = ("a/one.rs", "use crate::Three; pub struct One(Three);");
    assert_eq!(circles(&[lib, parent, one, two, three]), [["a/one.rs", "a/two.rs", "a/three.rs"]]);
}

#[test]
fn a_parent_that_defines_what_its_children_share_is_in_the_circle() {
    let lib = ("lib.rs", "mod a;");
    let child = ("a/child.rs", "use super::Shared; pub struct Child(Shared);");
    let parent = ("a.rs", "mod child; pub use child::Child; pub struct Shared;");
    assert_eq!(circles(&[lib, parent, child]), [["a.rs", "a/child.rs"]]);
    let parent = ("a.rs", "mod child; pub struct Shared;");
    assert!(circles(&[lib, parent, child]).is_empty());
}

#[test]
fn what_a_macro_makes_stands_where_it_is_called() {
    let a = ("a.rs", "made! { A } pub struct Other(crate::b::B);");
    assert_eq!(circles(&[AB, a, ("b.rs", "pub struct B(Box<crate::a::A>);")]), [["a.rs", "b.rs"]]);
    let lib = ("lib.rs", "mod a; mod b; pub struct Root; pub use a::*; pub use b::*;");
    let b = ("b.rs", "pub struct B(crate::Made, crate::Word);");
    for a in ["words! { pub enum Made { One } } tags! { Word = 1; }", "pub struct Made; pub type Word = u8;"]
    {
        assert!(circles(&[lib, ("a.rs", a), b]).is_empty(), "{a}");
    }
}

#[test]
fn a_module_without_a_file_is_an_error() {
    let read = |path: &Path| Ok((path == Path::new("lib.rs")).then(|| "mod a;".to_owned()));
    let failure = Modules::read(Path::new("lib.rs"), &read).err().unwrap();
    assert_eq!(failure.to_string(), "no file of the module a");
}

#[test]
fn of_a_function_and_a_module_of_one_name_the_module_is_meant() {
    let lib = ("lib.rs", "mod a; mod b; pub fn a() { b::b() }");
    let b = ("b.rs", "use crate::a::A; pub fn b() { A }");
    assert!(circles(&[lib, ("a.rs", "pub struct A;"), b]).is_empty());
}
