//! As much of a text as an answer holds.

use std::ops::Range;

use pulldown_cmark::{Event, Parser};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    path::DocumentPath,
    section::{self, Heading},
    uri,
};

/// How many characters of a document an answer holds, unless the call or [`crate::Options::max_answer_chars`] says
/// otherwise. About 15,000 tokens; clients begin to cut results at 25,000.
pub const DEFAULT_MAX_ANSWER_CHARS: usize = 60_000;

/// How many sections an answer names, each with its URI.
const MAX_SECTIONS: usize = 100;
/// How much of a heading an outline shows, in characters.
const MAX_TITLE: usize = 120;

/// A section of a document that was too long to be given whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Section {
    /// Title of its heading
    pub title: String,
    /// Name to ask for it by, as section
    pub section: String,
    /// 1 for the highest level of headings, 6 for the lowest
    pub level: u8,
    /// How many characters it has, those of the sections below it included
    pub chars: usize,
    /// URI of the section as a resource
    pub uri: String,
}

/// An excerpt of a text, within the requested size.
#[derive(Debug)]
pub(super) struct Excerpt {
    /// The text itself, its outline, or its beginning.
    pub(super) content: String,
    /// Of an outline, its sections; the first ones, if there are very many.
    pub(super) sections: Vec<Section>,
    /// The omitted part, and how to request it; `None` if the text is complete.
    pub(super) note: Option<String>,
}

/// The outline or beginning of a text that is too long for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Long {
    /// Its outline, if it has sections; else its beginning.
    Outline,
    /// Its beginning.
    Beginning,
}

/// The input of an excerpt.
pub(super) struct Source<'a> {
    pub(super) path: &'a DocumentPath,
    /// The whole document.
    pub(super) text: &'a str,
    /// All of its headings.
    pub(super) headings: &'a [Heading],
    /// The heading of the requested section; `None` for the whole text.
    pub(super) section: Option<usize>,
}

impl Source<'_> {
    /// At most `max` characters of it: all of it if it is no longer, else its outline, else its beginning, up to the end of
    /// a paragraph.
    pub(super) fn excerpt(&self, max: usize, long: Long) -> Excerpt {
        let span = self.span();
        let part = &self.text[span.clone()];
        // A character has at least one byte, so that most texts need not be counted.
        let total = if part.len() <= max { 0 } else { part.chars().count() };
        if total <= max {
            return Excerpt { content: part.to_owned(), sections: Vec::new(), note: None };
        }
        let sections = if long == Long::Outline { self.below(&span) } else { Vec::new() };
        if let Some(content) = outline(&sections, max) {
            let note = format!(
                "This is the outline of {total} characters, more than the {max} of an answer. Ask for one of the \
                 sections by its name (section), read its resource, or ask for more (max_chars)."
            );
            let sections = sections.into_iter().take(MAX_SECTIONS).collect();
            return Excerpt { content, sections, note: Some(note) };
        }
        let content = cut(part, max).to_owned();
        let note = format!(
            "These are the first {} of {total} characters. For the rest, ask with max_chars {total}, or read the \
             resource {}.",
            content.chars().count(),
            self.uri(),
        );
        Excerpt { content, sections: Vec::new(), note: Some(note) }
    }

    /// Its URI.
    pub(super) fn uri(&self) -> String {
        match self.section.and_then(|at| self.headings.get(at)) {
            Some(heading) => uri::of_section(self.path, &heading.slug),
            None => uri::of(self.path),
        }
    }

    fn span(&self) -> Range<usize> {
        let all = 0..self.text.len();
        self.section.map_or(all, |at| section::span(self.headings, at, self.text.len()))
    }

    /// The sections within `span`, but for one that is all of it: it would lead back to where one is.
    fn below(&self, span: &Range<usize>) -> Vec<Section> {
        let spans = (0..self.headings.len()).map(|at| section::span(self.headings, at, self.text.len()));
        let first = spans.clone().find(|inner| inner.start >= span.start);
        let is_all = |inner: &Range<usize>| first.as_ref() == Some(inner) && inner.end == span.end;
        let below = self
            .headings
            .iter()
            .zip(spans)
            .filter(|(_, inner)| inner.start >= span.start && inner.end <= span.end && !is_all(inner));
        let section = |(heading, inner): (&Heading, Range<usize>)| Section {
            title: heading.title.clone(),
            section: heading.slug.clone(),
            level: heading.level,
            chars: self.text[inner].chars().count(),
            uri: uri::of_section(self.path, &heading.slug),
        };
        below.map(section).collect()
    }
}

/// The outline of `sections` as a Markdown list of links, with as many levels as fit into `max` characters; `None` if
/// not one heading fits, or if there is no heading.
fn outline(sections: &[Section], max: usize) -> Option<String> {
    let highest = sections.iter().map(|section| section.level).min()?;
    let lines: Vec<(u8, String)> =
        sections.iter().map(|section| (section.level, line(section, highest))).collect();
    let length = |lowest: u8| -> usize {
        lines.iter().filter(|(level, _)| *level <= lowest).map(|(_, line)| line.chars().count()).sum()
    };
    let lowest = (highest..=6).rev().find(|lowest| length(*lowest) <= max);
    if let Some(lowest) = lowest {
        let fitting = lines.into_iter().filter(|(level, _)| *level <= lowest).map(|(_, line)| line);
        return Some(fitting.collect::<String>().trim_end().to_owned());
    }
    let top: Vec<String> =
        lines.into_iter().filter(|(level, _)| *level == highest).map(|(_, line)| line).collect();
    let mut shown = String::new();
    // Room for the words that say how many more there are.
    let mut left = max.saturating_sub(40);
    for (index, line) in top.iter().enumerate() {
        let Some(less) = left.checked_sub(line.chars().count()) else {
            return (index > 0).then(|| format!("{shown}- ... and {} more", top.len() - index));
        };
        left = less;
        shown.push_str(line);
    }
    Some(shown)
}

fn line(section: &Section, highest: u8) -> String {
    let indent = "  ".repeat(usize::from(section.level - highest));
    format!("{indent}- [{}]({}): {} characters\n", label(&section.title), section.uri, section.chars)
}

/// A title as the text of a Markdown link.
fn label(title: &str) -> String {
    let mut label: String = title.chars().take(MAX_TITLE).collect::<String>();
    if label.len() < title.len() {
        label.push('…');
    }
    if label.contains(['[', ']', '\\']) {
        label = label.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]");
    }
    label
}

/// The beginning of `text` of at most `max` characters, up to the end of its last whole paragraph, list or block of
/// code; where the first one is too long, up to the end of a line, or of a word.
fn cut(text: &str, max: usize) -> &str {
    let Some((end, _)) = text.char_indices().nth(max) else { return text };
    let beginning = &text[..end];
    let mut depth = 0usize;
    let mut whole = 0;
    for (event, range) in Parser::new_ext(beginning, section::extensions()).into_offset_iter() {
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                // A section at the end continues after it.
                if depth == 0 && range.end < end {
                    whole = range.end;
                }
            }
            _ => {}
        }
    }
    // A heading alone says nothing of what is below it, and the first block may be nearly all there is.
    if whole < end / 2 {
        let line = beginning.rfind('\n').filter(|line| *line >= end / 2);
        whole = line.or_else(|| beginning.rfind(' ').filter(|space| *space >= end / 2)).unwrap_or(end);
    }
    beginning[..whole].trim_end()
}

#[cfg(test)]
mod tests;
