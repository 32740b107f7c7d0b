//! The headings of a document, and the text under each.

use std::ops::Range;

use pulldown_cmark::Parser;

mod heading;
mod html;
mod opening;
mod outline;

pub use heading::Heading;
pub(crate) use heading::extensions;
use heading::slug;
pub(crate) use html::html_text;
pub(crate) use opening::opening;
pub(crate) use outline::Outline;

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

#[cfg(test)]
mod tests;
