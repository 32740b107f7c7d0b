//! The headings of a document, and the text under each.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use pulldown_cmark::{Event, Options, Parser};

mod html;
mod opening;
mod outline;

pub(crate) use opening::opening;
pub(crate) use outline::Outline;

/// A heading of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// 1 for the highest level, 6 for the lowest.
    pub level: u8,
    /// Its text, without Markdown.
    pub title: String,
    /// The fragment that leads to it, as GitHub makes it; no two headings of a document have the same.
    pub slug: String,
    /// Where its first line begins in the text, in bytes.
    pub(crate) start: usize,
}

/// The headings of a Markdown text, in order.
///
/// Headings inside quotes and lists belong to what is quoted or listed and divide nothing: they are left out. Headings in
/// HTML (`<h1 align="center">`) are headings.
pub fn outline(text: &str) -> Vec<Heading> {
    let mut outline = Outline::new(text);
    for (event, range) in Parser::new_ext(text, extensions()).into_offset_iter() {
        outline.take(&event, range);
    }
    outline.headings
}

/// The section under a heading: from the heading's line up to the next heading of the same or a higher level.
///
/// `wanted` is the heading's title or slug, with or without a leading `#`; an exact title wins over a slug, and
/// a slug over a title that differs in case or punctuation. Of several equal titles the first wins.
pub fn section<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
    let headings = outline(text);
    find(&headings, wanted).map(|at| &text[span(&headings, at, text.len())])
}

/// Which of the headings is `wanted`, as [`section`] finds it.
pub(crate) fn find(headings: &[Heading], wanted: &str) -> Option<usize> {
    let wanted = wanted.trim_start_matches('#').trim();
    if wanted.is_empty() {
        return None;
    }
    let wanted_slug = slug(wanted);
    (headings.iter().position(|heading| heading.title == wanted))
        .or_else(|| headings.iter().position(|heading| heading.slug == wanted))
        .or_else(|| headings.iter().position(|heading| heading.slug == wanted_slug))
}

/// Where the section of one of the headings of a text of `length` bytes begins and ends.
pub(crate) fn span(headings: &[Heading], at: usize, length: usize) -> Range<usize> {
    let Some((heading, rest)) = headings.get(at..).and_then(<[Heading]>::split_first) else { return 0..0 };
    let end = rest.iter().find(|next| next.level <= heading.level).map_or(length, |next| next.start);
    heading.start..end
}

pub(crate) fn extensions() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES
}

fn push_plain(plain: &mut String, event: &Event<'_>) {
    match event {
        Event::Text(text) | Event::Code(text) => plain.push_str(text),
        Event::SoftBreak | Event::HardBreak => plain.push(' '),
        _ => {}
    }
}

/// Gives each heading of one document a slug of its own.
#[derive(Default)]
struct Slugs {
    taken: HashSet<String>,
    next: HashMap<String, usize>,
}

impl Slugs {
    fn unique(&mut self, title: &str) -> String {
        let slug = slug(title);
        let mut candidate = slug.clone();
        if self.taken.contains(&candidate) {
            // Counting on from the last number keeps a thousand equal titles from being a million comparisons.
            let next = self.next.entry(slug.clone()).or_insert(0);
            while self.taken.contains(&candidate) {
                *next += 1;
                candidate = format!("{slug}-{next}");
            }
        }
        self.taken.insert(candidate.clone());
        candidate
    }
}

/// A title as GitHub makes it a fragment: in lower case, spaces as hyphens, punctuation dropped.
fn slug(title: &str) -> String {
    let kept = |character| match character {
        ' ' => Some('-'),
        // Marks that join the letter or the emoji before them stay, as letters do.
        '-' | '_' | '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' => Some(character),
        _ => character.is_alphanumeric().then_some(character),
    };
    title.trim().to_lowercase().chars().filter_map(kept).collect()
}

#[cfg(test)]
mod tests;
