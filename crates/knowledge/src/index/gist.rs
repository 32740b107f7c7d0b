//! What the index has of a text besides its words.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use crate::section::{self, Heading, Outline};

/// How long the first words of a text are, in bytes.
const LEAD_BYTES: usize = 300;
/// Texts of fewer words are not compared: stubs that say the same are not copies.
const MIN_WORDS: usize = 16;

/// What is indexed of a text besides its words.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Gist {
    pub(super) headings: Vec<Heading>,
    /// Its first words below the title, where authors say what it is about.
    pub(super) lead: String,
    /// The hash of its words without images, the targets of links, and tags: a copy with another badge is a copy. A short
    /// text has none.
    pub(super) key: Option<u64>,
}

/// Reads a text once for all of it.
pub(super) fn gist(text: &str) -> Gist {
    let mut lead = String::new();
    let mut in_heading = false;
    let mut outline = Outline::new(text);
    let mut hasher = FixedState::default().build_hasher();
    let (mut words, mut images) = (0, 0usize);
    for (event, range) in Parser::new_ext(text, section::extensions()).into_offset_iter() {
        match &event {
            Event::Start(Tag::Image { .. }) => images += 1,
            Event::End(TagEnd::Image) => images = images.saturating_sub(1),
            Event::Start(Tag::Heading { .. }) => in_heading = true,
            Event::End(TagEnd::Heading(_)) => in_heading = false,
            Event::Text(text) | Event::Code(text) if images == 0 => {
                if !in_heading && lead.len() < LEAD_BYTES {
                    lead.push_str(text);
                    lead.push(' ');
                }
                for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
                    hasher.write(word.as_bytes());
                    hasher.write_u8(0);
                    words += 1;
                }
            }
            _ => {}
        }
        outline.take(&event, range);
    }
    lead.truncate(lead.floor_char_boundary(LEAD_BYTES));
    Gist { headings: outline.headings, lead, key: (words >= MIN_WORDS).then(|| hasher.finish()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Option<u64> {
        gist(text).key
    }

    #[test]
    fn a_copy_has_the_same_words() {
        let words =
            "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen";
        let text = format!("# Title\n\n{words} `code` and [a link](b.md).\n");
        let copy =
            format!("[![Build](x.svg)](y)\n\nTitle\n=====\n\n{words}\n`code` and *[a link](../c.md)*!\n");
        assert!(key(&text).is_some());
        assert_eq!(key(&text), key(&copy));
        assert_ne!(key(&text), key(&format!("{text} More.")));
        assert_eq!(key("# Title\n\nShort.\n"), None);
        assert_eq!(gist(&text).headings, section::outline(&text));
    }
}
