//! Which files of a crate know each other in a circle.
//!
//! A file knows another one when it imports, or says by its path, what the other one defines. A `mod.rs` or `lib.rs` that
//! only passes a name on is looked through, to the file that defines it; where it defines something itself, it is a file
//! like any other. Tests (`#[cfg(test)]`) are left out. Who is in a circle cannot be understood, moved or tested without the
//! rest of it.
//!
//! # Layout
//! - `modules`: the modules of a crate, with what each defines, imports and says.
//! - `scan`: what the syntax of one file says of that.
//! - `names`: which definition a path means.
//! - `graph`: circles.
//! - `known`: how many there may be.

mod graph;
mod known;
mod modules;
mod names;
mod scan;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{Failure, workspace::Workspace};

use modules::Modules;

pub(crate) use known::check;

/// Prints the circles of the crates whose folders are named, or how many there are of each crate.
///
/// # Errors
/// When there is no such crate, or a file of it cannot be read.
pub(crate) fn show(workspace: &Workspace, names: &[&str]) -> Result<(), Failure> {
    let folders = workspace.path("crates");
    if names.is_empty() {
        for name in crates(&folders)? {
            println!("{name:<12} {}", of(&folders.join(&name))?.summary());
        }
        println!("\n`cargo xtask circles CRATE` says which.");
    }
    for name in names {
        let known = crates(&folders)?;
        if !known.iter().any(|crate_| crate_ == name) {
            return Err(format!("there is no crate `{name}`; there are {}", known.join(", ")).into());
        }
        let circles = of(&folders.join(name))?;
        println!("{name}: {}\n{}", circles.summary(), circles.list());
    }
    Ok(())
}

/// The names of the folders of our crates.
fn crates(folders: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folders)? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The circles of the crate in `folder`.
fn of(folder: &Path) -> Result<Circles, Failure> {
    let source = folder.join("src");
    let root = if source.join("lib.rs").is_file() { "lib.rs" } else { "main.rs" };
    let read = |file: &Path| match fs::read_to_string(source.join(file)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {}: {error}", source.join(file).display()).into()),
    };
    Ok(Circles::of(&Modules::read(Path::new(root), &read)?))
}

/// Who knows whom in a crate, as far as they do so in circles.
struct Circles {
    /// How many files the crate has, without its tests.
    files: usize,
    circles: Vec<Circle>,
}

/// Files that know each other: from each of them one comes to every other one, and back.
struct Circle {
    files: Vec<PathBuf>,
    /// What each file of the circle knows of the others, and by which names.
    knows: BTreeMap<(PathBuf, PathBuf), BTreeSet<String>>,
}

impl Circles {
    fn of(modules: &Modules) -> Self {
        let knows = names::edges(modules);
        let files = &modules.files;
        let circles = graph::circles(files.len(), knows.keys().copied());
        let circles = circles.into_iter().map(|circle| Circle {
            files: circle.iter().map(|&file| files[file].clone()).collect(),
            knows: knows
                .iter()
                .filter(|((from, to), _)| circle.contains(from) && circle.contains(to))
                .map(|((from, to), names)| ((files[*from].clone(), files[*to].clone()), names.clone()))
                .collect(),
        });
        Self { files: files.len(), circles: circles.collect() }
    }

    /// How many files are in a circle.
    fn count(&self) -> usize {
        self.circles.iter().map(|circle| circle.files.len()).sum()
    }

    fn summary(&self) -> String {
        let sizes: Vec<_> = self.circles.iter().map(|circle| circle.files.len().to_string()).collect();
        match sizes.as_slice() {
            [] => format!("no circle in {} files", self.files),
            sizes => format!("{} of {} files in circles of {}", self.count(), self.files, sizes.join(", ")),
        }
    }

    /// Each circle: its files, and below each what it knows of the others.
    fn list(&self) -> String {
        let mut text = String::new();
        for circle in &self.circles {
            let _ = writeln!(text, "\n{} files that know each other:", circle.files.len());
            for file in &circle.files {
                let _ = writeln!(text, "  {}", file.display());
                for ((_, to), names) in circle.knows.iter().filter(|((from, _), _)| from == file) {
                    let names: Vec<_> = names.iter().map(String::as_str).collect();
                    let _ = writeln!(text, "    -> {}: {}", to.display(), names.join(", "));
                }
            }
        }
        text
    }
}
