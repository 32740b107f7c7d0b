//! A heading, and how Markdown is read for it.

use std::collections::{HashMap, HashSet};

use pulldown_cmark::{Event, Options};

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

pub(crate) fn extensions() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES
}

pub(super) fn push_plain(plain: &mut String, event: &Event<'_>) {
    match event {
        Event::Text(text) | Event::Code(text) => plain.push_str(text),
        Event::SoftBreak | Event::HardBreak => plain.push(' '),
        _ => {}
    }
}

/// Gives each heading of one document a slug of its own.
#[derive(Default)]
pub(super) struct Slugs {
    taken: HashSet<String>,
    next: HashMap<String, usize>,
}

impl Slugs {
    pub(super) fn unique(&mut self, title: &str) -> String {
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
pub(super) fn slug(title: &str) -> String {
    let kept = |character| match character {
        ' ' => Some('-'),
        // Marks that join the letter or the emoji before them stay, as letters do.
        '-' | '_' | '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' => Some(character),
        _ => character.is_alphanumeric().then_some(character),
    };
    title.trim().to_lowercase().chars().filter_map(kept).collect()
}
