//! How many files know each other in circles today.

use std::path::Path;

use super::{crates, of};
use crate::Failure;

/// How many files of each crate are in a circle. No number may grow; whoever makes one smaller writes it down here.
const KNOWN: &[(&str, usize)] = &[];

/// Holds the crates in `folders` against the table.
///
/// # Errors
/// When a number is not the one in the table; it names the circles of a crate that has more.
pub(crate) fn check(folders: &Path) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for name in crates(folders)? {
        let known = KNOWN.iter().find(|(crate_, _)| *crate_ == name).map_or(0, |(_, known)| *known);
        let circles = of(&folders.join(&name))?;
        match circles.count() {
            more if more > known => {
                wrong.push(format!("{name} has {more} files in circles, and had {known}:\n{}", circles.list()));
            }
            fewer if fewer < known => wrong.push(format!(
                "{name} has only {fewer} files in circles: write that into `xtask/src/circles/known.rs`, where {known} stands"
            )),
            _ => {}
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}
