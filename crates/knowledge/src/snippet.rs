//! The passage of a document that a search was about.

use std::ops::Range;

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use crate::{
    index::{Word, Words, stemming},
    section::{self, Heading},
};

/// About how long a passage is, in characters.
pub const SNIPPET_CHARS: usize = 300;

/// How many characters of a passage stand before the first word that was looked for, if there are so many.
const LEAD_CHARS: usize = 60;
/// How much text around the best place is read as Markdown, in bytes on either side. Documents may be one long section.
const MARGIN_BYTES: usize = 4 << 10;
/// The weight of the words of the section, relative to those of the passage.
const OF_SECTION: f32 = 0.5;
/// And what those of its heading count besides: it says what the section is about.
const OF_HEADING: f32 = 0.5;

/// A passage of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snippet {
    /// The heading that it stands under.
    pub heading: Option<String>,
    /// The fragment that leads to that heading, without `#`.
    pub fragment: Option<String>,
    /// The passage as plain text on one line, with `…` where it was cut.
    pub text: String,
}

/// The passage of `text` that says most about `words`, from the section that says most about them.
///
/// `text` is Markdown without front matter. Where it has none of the words (they stand in the title or in a tag), its
/// beginning is the passage, under no heading. Takes time in proportion to the text.
pub fn snippet(text: &str, words: &Words) -> Snippet {
    let headings = section::outline(text);
    let Some((section, place)) = best_place(text, &headings, words) else {
        let beginning = 0..text.floor_char_boundary(2 * MARGIN_BYTES);
        return Snippet { text: passage(&plain(&text[beginning]), words), ..Snippet::default() };
    };
    let heading = section.checked_sub(1).and_then(|index| headings.get(index));
    let start = heading.map_or(0, |heading| heading.start);
    let end = headings.get(section).map_or(text.len(), |next| next.start);
    let around = around(&text[start..end], place.start - start..place.end - start);
    Snippet {
        heading: heading.map(|heading| heading.title.clone()),
        fragment: heading.map(|heading| heading.slug.clone()).filter(|slug| !slug.is_empty()),
        text: passage(&plain(around), words),
    }
}

/// A word that was looked for, in a text.
#[derive(Clone, Debug)]
struct Match {
    range: Range<usize>,
    word: Word,
}

fn matches(text: &str, words: &Words) -> Vec<Match> {
    let mut matches = Vec::new();
    if !words.is_empty() {
        stemming::each_word(text, |token| {
            if let Some(word) = words.find(&token.text) {
                matches.push(Match { range: token.offset_from..token.offset_to, word });
            }
        });
    }
    matches
}

/// The section (0 is what stands before the first heading) and the place in the text that say most about `words`.
fn best_place(text: &str, headings: &[Heading], words: &Words) -> Option<(usize, Range<usize>)> {
    let matches = matches(text, words);
    let mut rest = matches.as_slice();
    let mut best: Option<(f32, usize, Range<usize>)> = None;
    let mut there = There::new(words);
    for section in 0..=headings.len() {
        if rest.is_empty() {
            break;
        }
        let end = headings.get(section).map_or(text.len(), |next| next.start);
        let (inside, later) = rest.split_at(rest.partition_point(|found| found.range.start < end));
        rest = later;
        let Some((value, run)) = densest(inside, SNIPPET_CHARS, &mut there) else { continue };
        let start = section.checked_sub(1).and_then(|index| headings.get(index)).map_or(end, |own| own.start);
        let line_end = text[start..end].find('\n').map_or(end, |newline| start + newline);
        let in_heading = inside.partition_point(|found| found.range.start < line_end);
        let in_heading = if start < end { &inside[..in_heading] } else { &[] };
        let value = value + OF_SECTION * there.of(inside) + OF_HEADING * there.of(in_heading);
        if best.as_ref().is_none_or(|(before, ..)| value > *before) {
            best = Some((value, section, inside[run.start].range.start..inside[run.end - 1].range.end));
        }
    }
    best.map(|(_, section, place)| (section, place))
}

/// The run of matches within `length` bytes that says most, and how much that is.
fn densest(matches: &[Match], length: usize, there: &mut There) -> Option<(f32, Range<usize>)> {
    let mut start = 0;
    let mut best: Option<(f32, Range<usize>)> = None;
    for (index, found) in matches.iter().enumerate() {
        there.add(found);
        while start < index && matches[start].range.start + length < found.range.end {
            there.remove(&matches[start]);
            start += 1;
        }
        // Of places that have the same words, one that repeats them says a little more.
        let repeated = u8::try_from(index - start).unwrap_or(u8::MAX).min(10);
        let value = there.value + 0.02 * f32::from(repeated);
        if best.as_ref().is_none_or(|(before, _)| value > *before) {
            best = Some((value, start..index + 1));
        }
    }
    matches[start..].iter().for_each(|found| there.remove(found));
    best
}

/// Which of the words are in a run of matches.
struct There {
    /// How often, by their numbers.
    counts: Vec<u32>,
    /// The sum of the weights of the present words.
    value: f32,
    distinct: usize,
}

impl There {
    fn new(words: &Words) -> Self {
        Self { counts: vec![0; words.len()], value: 0.0, distinct: 0 }
    }

    /// The score of a run of matches without another run in it.
    fn of(&mut self, matches: &[Match]) -> f32 {
        matches.iter().for_each(|found| self.add(found));
        let value = self.value;
        matches.iter().for_each(|found| self.remove(found));
        value
    }

    fn add(&mut self, found: &Match) {
        let count = &mut self.counts[found.word.number];
        *count += 1;
        if *count == 1 {
            self.distinct += 1;
            self.value += found.word.weight;
        }
    }

    fn remove(&mut self, found: &Match) {
        let count = &mut self.counts[found.word.number];
        *count -= 1;
        if *count == 0 {
            self.distinct -= 1;
            self.value -= found.word.weight;
            if self.distinct == 0 {
                // What rounding left.
                self.value = 0.0;
            }
        }
    }
}

/// The part of a section around `place` that is read as Markdown, whole paragraphs where they are not too long.
fn around(section: &str, place: Range<usize>) -> &str {
    let from = section.floor_char_boundary(place.start.saturating_sub(MARGIN_BYTES));
    let to = section.ceil_char_boundary(place.end.saturating_add(MARGIN_BYTES).min(section.len()));
    let start = match section[from..place.start].find("\n\n") {
        Some(blank) if from > 0 => from + blank,
        _ => from,
    };
    let end = match section[place.end..to].rfind("\n\n") {
        Some(blank) if to < section.len() => place.end + blank,
        _ => to,
    };
    &section[start..end]
}

/// Markdown as text on one line, without its headings.
fn plain(markdown: &str) -> String {
    let mut plain = String::with_capacity(markdown.len());
    let mut skipped = 0usize;
    for event in Parser::new_ext(markdown, section::extensions()) {
        match event {
            Event::Start(Tag::Heading { .. } | Tag::Image { .. } | Tag::MetadataBlock(_)) => skipped += 1,
            Event::End(TagEnd::Heading(_) | TagEnd::Image | TagEnd::MetadataBlock(_)) => {
                skipped = skipped.saturating_sub(1);
            }
            _ if skipped > 0 => {}
            Event::Text(text) | Event::Code(text) => push_words(&mut plain, &text),
            Event::SoftBreak | Event::HardBreak | Event::Rule => push_space(&mut plain),
            // Blocks stand apart; emphasis and links do not.
            Event::Start(tag) if is_block(&tag) => push_space(&mut plain),
            _ => {}
        }
    }
    plain.truncate(plain.trim_end().len());
    plain
}

fn is_block(tag: &Tag<'_>) -> bool {
    !matches!(tag, Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. })
}

fn push_words(plain: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            push_space(plain);
        } else {
            plain.push(c);
        }
    }
}

fn push_space(plain: &mut String) {
    if !plain.is_empty() && !plain.ends_with(' ') {
        plain.push(' ');
    }
}

/// About [`SNIPPET_CHARS`] characters of a plain text, where it says most about `words`.
fn passage(plain: &str, words: &Words) -> String {
    let matches = matches(plain, words);
    let run = densest(&matches, SNIPPET_CHARS, &mut There::new(words)).map_or(0..0, |(_, run)| run);
    let place = matches[run].iter().map(|found| &found.range);
    let first = place.clone().next().map_or(0, |range| range.start);
    // Positions in characters would need the text to be counted for each; a step is counted once.
    let start = back(plain, first, LEAD_CHARS);
    let end = forth(plain, start, SNIPPET_CHARS);
    // Near its end, the text before fills the passage.
    let missing = SNIPPET_CHARS.saturating_sub(plain[start..end].chars().count());
    let start = if end == plain.len() { back(plain, start, missing) } else { start };
    let start = word_start(plain, start, first);
    let end = word_end(plain, start, end);
    let (before, after) = (if start > 0 { "…" } else { "" }, if end < plain.len() { "…" } else { "" });
    format!("{before}{}{after}", plain[start..end].trim())
}

/// The place so many characters before `from`, or the beginning.
fn back(text: &str, from: usize, chars: usize) -> usize {
    match chars.checked_sub(1) {
        Some(last) => text[..from].char_indices().rev().nth(last).map_or(0, |(at, _)| at),
        None => from,
    }
}

/// The place so many characters after `from`, or the end.
fn forth(text: &str, from: usize, chars: usize) -> usize {
    text[from..].char_indices().nth(chars).map_or(text.len(), |(at, _)| from + at)
}

/// Where the next word begins, but not after `latest`.
fn word_start(text: &str, at: usize, latest: usize) -> usize {
    if at == 0 || text[..at].ends_with(' ') {
        return at;
    }
    text[at..latest.max(at)].find(' ').map_or(at, |space| at + space + 1)
}

/// Where the word that `at` cuts begins; without spaces near, `at`.
fn word_end(text: &str, start: usize, at: usize) -> usize {
    if at == text.len() || text[at..].starts_with(' ') {
        return at;
    }
    let half = text.floor_char_boundary(start + (at - start) / 2);
    text[half..at].rfind(' ').map_or(at, |space| half + space)
}

#[cfg(test)]
mod tests;
