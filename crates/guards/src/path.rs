//! Paths beneath a root.
//!
//! A path is compared as text, as both Unix and Windows would read it. Where the root exists on this machine, its symbolic links are followed, too.

mod plain;

use std::{borrow::Cow, path::Path};

use percent_encoding::percent_decode_str;

use crate::{lookup::Lookup, refusal::Fault};

/// The root beneath which paths must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathCheck {
    root: String,
    parts: Vec<String>,
    is_windows: bool,
}

/// A root cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the root must be an absolute path without `.` and `..`: `/srv/data` or `C:\\data`")]
pub struct RootFault;

/// Signs that some systems take for a separator of folders, or normalize to one.
const SEPARATORS: [char; 7] = ['/', '\\', '／', '＼', '∕', '⁄', '⧵'];
/// Signs that some systems normalize to dots.
const DOTS: [char; 4] = ['.', '．', '․', '。'];
/// How many times a text is read with escapes in place of its signs.
const DECODINGS: usize = 3;

impl PathCheck {
    /// The paths beneath `root`.
    ///
    /// # Errors
    /// [`RootFault`].
    pub fn new(root: &str) -> Result<Self, RootFault> {
        let is_windows = has_drive(root);
        let absolute = root.starts_with('/') || is_windows;
        let parts: Vec<String> = parts(root, is_windows).map(str::to_owned).collect();
        let is_plain =
            parts.iter().all(|part| part != ".." && part != ".") && !root.contains(char::is_control);
        if !absolute || !is_plain {
            return Err(RootFault);
        }
        Ok(Self { root: root.to_owned(), parts, is_windows })
    }

    pub(crate) fn accepted(&self) -> String {
        format!("paths beneath {}, and relative ones without `..`", self.root)
    }

    pub(crate) async fn check(&self, text: &str, lookup: Option<&dyn Lookup>) -> Result<(), Fault> {
        let beneath = self.beneath(text)?;
        match lookup {
            Some(lookup) => self.without_links(&beneath, lookup).await,
            None => Ok(()),
        }
    }

    /// The parts of a path beneath the root, as far as its text says.
    pub(crate) fn beneath(&self, text: &str) -> Result<Vec<String>, Fault> {
        let path = path_of(text)?;
        if path.is_empty() {
            return Err("it is empty".into());
        }
        if path.contains("://") {
            return Err("it is a URL".into());
        }
        plain_when_decoded(&path)?;
        let is_rooted = path.starts_with(SEPARATORS);
        let is_absolute = if self.is_windows { has_drive(&path) } else { path.starts_with('/') };
        if path.chars().take(2).filter(|sign| SEPARATORS.contains(sign)).count() == 2 {
            return Err("it is a path of the network".into());
        }
        if (is_rooted || has_drive(&path)) && !is_absolute {
            return Err("it is an absolute path of another kind".into());
        }
        let mut found = parts(&path, self.is_windows).filter(|part| *part != ".").peekable();
        if is_absolute {
            for root in &self.parts {
                let same = |part: &&str| {
                    if self.is_windows { part.eq_ignore_ascii_case(root) } else { *part == root }
                };
                if found.next_if(same).is_none() {
                    return Err("it is not beneath the root".into());
                }
            }
        }
        Ok(found.map(str::to_owned).collect())
    }

    /// Follows the symbolic links, if the root exists here. A link that is made after this is not seen.
    async fn without_links(&self, beneath: &[String], lookup: &dyn Lookup) -> Result<(), Fault> {
        let root = Path::new(&self.root);
        let path = beneath.iter().fold(root.to_owned(), |path, part| path.join(part));
        match lookup.is_beneath(root, &path).await {
            Ok(true) => Ok(()),
            Ok(false) => Err("a symbolic link leads out of the root".into()),
            Err(_) => Err("its symbolic links cannot be followed".into()),
        }
    }
}

/// The path that a text is: that of a `file:` URL, with its escapes read.
fn path_of(text: &str) -> Result<Cow<'_, str>, Fault> {
    if text.contains(char::is_control) {
        return Err("it has control characters".into());
    }
    let is_file = text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("file:"));
    let Some(rest) = text.get(5..).filter(|_| is_file) else { return Ok(Cow::Borrowed(text)) };
    let Some(rest) = rest.strip_prefix("//") else {
        return Err("its URL is not written as file:///PATH".into());
    };
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') || path.contains(['?', '#']) {
        return Err("its URL is not written as file:///PATH".into());
    }
    let path = percent_decode_str(path).decode_utf8().map_err(|_| "its URL has escapes that are no UTF-8")?;
    if path.contains(char::is_control) {
        return Err("it has control characters".into());
    }
    // RFC 8089 §E.2: a drive stands behind a slash.
    let is_of_drive = path.get(1..).is_some_and(has_drive);
    Ok(if is_of_drive { Cow::Owned(path[1..].to_owned()) } else { Cow::Owned(path.into_owned()) })
}

/// Refuses a path that is no plain one, however often a server reads its escapes.
fn plain_when_decoded(path: &str) -> Result<(), Fault> {
    let mut decoded = Cow::Borrowed(path);
    for _ in 0..=DECODINGS {
        no_way_up(&decoded)?;
        plain::check(&decoded)?;
        let is_absolute = |path: &str| path.starts_with(SEPARATORS) || has_drive(path);
        if is_absolute(&decoded) && !is_absolute(path) {
            return Err("it is an absolute path behind escapes".into());
        }
        match percent_decode_str(&decoded).decode_utf8_lossy().into_owned() {
            same if same == *decoded => return Ok(()),
            other => decoded = Cow::Owned(other),
        }
    }
    Err("it has escapes of escapes".into())
}

/// Refuses parts that lead up, in whatever way a system writes them.
fn no_way_up(path: &str) -> Result<(), Fault> {
    if path.contains(char::is_control) {
        return Err("it has control characters".into());
    }
    for part in path.split(SEPARATORS) {
        // Windows drops spaces and dots at the end of a name.
        let trimmed = part.trim();
        let dots = trimmed.chars().filter(|sign| DOTS.contains(sign)).count();
        let is_up = dots >= 2 && trimmed.chars().all(|sign| DOTS.contains(&sign) || sign == ' ');
        if is_up || trimmed.contains(['‥', '…']) && trimmed.chars().count() == 1 {
            return Err("it leads up, out of a folder".into());
        }
    }
    Ok(())
}

/// Whether a path begins with the letter of a drive.
fn has_drive(path: &str) -> bool {
    matches!(path.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

fn parts(path: &str, is_windows: bool) -> impl Iterator<Item = &str> {
    let is_separator = move |sign: char| sign == '/' || (is_windows && sign == '\\');
    path.split(is_separator).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests;
