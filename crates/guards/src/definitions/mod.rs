//! Definitions of tools, prompts and resources that say more to a model than people see.

mod finding;
mod instructions;
mod invisible;

use std::borrow::Cow;

use anyport_protocol::{Raw, json::Members};

pub use self::finding::Finding;
use crate::{
    place::unquoted,
    text::{Walk, each_string, replaced},
};

/// What is suspicious about a definition: its name, title, descriptions, those of its arguments, and everything else that a model may read.
pub fn inspect(definition: &Raw) -> Vec<Finding> {
    let (mut found, walk) = (Vec::new(), Walk { enter: is_read, names_all: |_: &str| false });
    each_string(definition.as_str(), "", &walk, &mut |text| of_text(&unquoted(text.string), &mut found));
    found.sort_unstable();
    found.dedup();
    found
}

/// The definition without what is suspicious: characters that cannot be seen and comments are left out, and a text with an instruction is
/// empty. `None` if that cannot be done: the suspicious text is a name or URI, by which it is used.
pub fn stripped(definition: &Raw) -> Option<Raw> {
    let (mut changes, walk) = (Vec::new(), Walk { enter: is_read, names_all: |_: &str| false });
    each_string(definition.as_str(), "", &walk, &mut |text| {
        let plain = unquoted(text.string);
        let mut found = Vec::new();
        of_text(&plain, &mut found);
        // The name of an argument is what a call must have.
        if !found.is_empty() && text.named_in.is_none() {
            changes.push((text.string, without(&plain)));
        }
    });
    let new = replaced(definition, &changes).unwrap_or_else(|| definition.clone());
    let is_same = |key: &str| {
        Members::find(definition.as_str(), key).map(unquoted)
            == Members::find(new.as_str(), key).map(unquoted)
    };
    let is_clean = ["name", "uri", "uriTemplate"].into_iter().all(is_same) && inspect(&new).is_empty();
    is_clean.then_some(new)
}

/// A text without what is suspicious.
fn without(text: &str) -> String {
    let visible = invisible::removed(text);
    let visible = without_comments(&visible);
    let mut left = Vec::new();
    of_text(&visible, &mut left);
    if left.is_empty() { visible.into_owned() } else { String::new() }
}

fn of_text(text: &str, found: &mut Vec<Finding>) {
    let is_plain =
        text.bytes().all(|byte| (b' '..0x7f).contains(&byte) || matches!(byte, b'\n' | b'\r' | b'\t'));
    if !is_plain {
        invisible::find(text, found);
    }
    if text.contains("<!--") {
        found.push(Finding::HtmlComment);
    }
    let visible = if is_plain { Cow::Borrowed(text) } else { invisible::removed(text) };
    if instructions::are_in(&visible) {
        found.push(Finding::Instruction);
    }
}

fn without_comments(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    while let Some(start) = text.find("<!--") {
        let end = text[start..].find("-->").map_or(text.len(), |end| start + end + "-->".len());
        text = Cow::Owned(format!("{}{}", &text[..start], &text[end..]));
    }
    text
}

/// Whether a model may read a member of a definition. Icons and what is for programs are not shown to it.
fn is_read(_: &str, name: &str) -> bool {
    name != "_meta" && name != "icons"
}

#[cfg(test)]
mod tests;
