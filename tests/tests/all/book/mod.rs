//! The book under `docs/` is true: its code compiles and does what it says, its links lead somewhere, and what can be
//! known from our own code is written from it.
//!
//! Invariant: The book is true: its code compiles and runs, its commands work, its options and links exist,
//! and its tables match the code.

mod checklists;
mod invariants;
mod links;
mod revisions;
mod snippets;

// The pages' own code, made by `build.rs`.
#[allow(
    dead_code,
    unused_imports,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a page shows one thing at a time, as its reader would write it"
)]
mod pages {
    include!(concat!(env!("OUT_DIR"), "/book.rs"));
}
