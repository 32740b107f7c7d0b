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
    /// The hash of its words without images, the targets of links, and tags: a copy with another badge is a copy. Of code
    /// every sign counts. A short text has none.
    pub(super) key: Option<u64>,
    /// Whether most of its words are in items of lists that begin with a link: it lists other documents.
    pub(super) is_list_of_links: bool,
}

/// Reads a text once for all of it.
pub(super) fn gist(text: &str) -> Gist {
    let mut lead = String::new();
    let mut in_heading = false;
    let mut outline = Outline::new(text);
    let mut said = Said { hasher: FixedState::default().build_hasher(), words: 0 };
    let mut images = 0usize;
    let mut in_code = false;
    let mut links = LinkItems::default();
    for (event, range) in Parser::new_ext(text, section::extensions()).into_offset_iter() {
        match &event {
            Event::Start(Tag::Image { .. }) => images += 1,
            Event::End(TagEnd::Image) => images = images.saturating_sub(1),
            Event::Start(Tag::Heading { .. }) => in_heading = true,
            Event::End(TagEnd::Heading(_)) => in_heading = false,
            Event::Start(Tag::CodeBlock(_)) => in_code = true,
            Event::End(TagEnd::CodeBlock) => in_code = false,
            Event::Start(Tag::HtmlBlock) => {
                let html = text.get(range.clone()).unwrap_or_default();
                section::html_text(html).for_each(|text| said.text(text));
            }
            Event::Text(text) | Event::Code(text) if images == 0 => {
                if !in_heading && lead.len() < LEAD_BYTES {
                    lead.push_str(text);
                    lead.push(' ');
                }
                if in_code || matches!(event, Event::Code(_)) {
                    said.code(text);
                } else {
                    said.text(text);
                }
            }
            _ => {}
        }
        links.take(&event);
        outline.take(&event, range);
    }
    lead.truncate(lead.floor_char_boundary(LEAD_BYTES));
    Gist { headings: outline.headings, lead, key: said.key(), is_list_of_links: links.are_most() }
}

/// How many words are in items of lists that begin with a link, and how many are elsewhere.
#[derive(Default)]
struct LinkItems {
    /// The open items, each with whether it begins with a link; unknown before its first word.
    items: Vec<Option<bool>>,
    words: usize,
    elsewhere: usize,
}

impl LinkItems {
    fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Start(Tag::Item) => self.items.push(None),
            Event::End(TagEnd::Item) => {
                self.items.pop();
            }
            Event::Start(Tag::Link { .. }) => self.begin(true),
            Event::Text(text) | Event::Code(text) => {
                self.begin(false);
                let words = words(text).count();
                let count =
                    if self.items.contains(&Some(true)) { &mut self.words } else { &mut self.elsewhere };
                *count += words;
            }
            _ => {}
        }
    }

    fn begin(&mut self, with_link: bool) {
        if let Some(item) = self.items.last_mut() {
            item.get_or_insert(with_link);
        }
    }

    fn are_most(&self) -> bool {
        self.words >= MIN_WORDS && self.words > self.elsewhere
    }
}

/// What a text says, hashed.
struct Said<H> {
    hasher: H,
    words: usize,
}

impl<H: Hasher> Said<H> {
    /// Takes the words of a text; how they are punctuated does not matter.
    fn text(&mut self, text: &str) {
        for word in words(text) {
            self.take(word);
            self.words += 1;
        }
    }

    /// Takes all of a piece of code but the space in it: other signs are other code.
    fn code(&mut self, code: &str) {
        code.split_whitespace().for_each(|signs| self.take(signs));
        self.words += words(code).count();
    }

    fn take(&mut self, part: &str) {
        self.hasher.write(part.as_bytes());
        self.hasher.write_u8(0);
    }

    fn key(&self) -> Option<u64> {
        (self.words >= MIN_WORDS).then(|| self.hasher.finish())
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
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

    #[test]
    fn a_list_of_links_is_told_from_a_text_with_links() {
        let item =
            |number| format!("- [tool {number}](https://example.org/{number}) - does this, that and more\n");
        let list: String = (0..9).map(item).collect();
        assert!(gist(&format!("# Tools\n\nThe best ones.\n\n## Web\n\n{list}")).is_list_of_links);
        assert!(gist(&list.replace("- [", "1. **[").replace(") -", ")** -")).is_list_of_links);
        assert!(!gist(&list.replace("- [", "- See [")).is_list_of_links);
        assert!(!gist(&list.replace("- ", "")).is_list_of_links);
        assert!(!gist("- [a](b)\n").is_list_of_links);
        assert!(
            !gist(&format!("{}\n\n- [a](b)\n- [c](d)\n", "A sentence about it. ".repeat(9))).is_list_of_links
        );
    }

    const SENTENCE: &str =
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen";

    #[test]
    fn texts_with_other_html_are_no_copies_but_badges_do_not_matter() {
        let with = |html: &str| key(&format!("{SENTENCE}\n\n{html}\n"));
        let table = |cell: &str| with(&format!("<table class=\"wide\">\n<tr><td>{cell}</td></tr>\n</table>"));
        assert!(table("red").is_some());
        assert_ne!(table("red"), table("blue"));
        assert_eq!(table("red"), table("<b>red</b><!-- blue -->"));
        // A link that is not closed hides nothing.
        assert_ne!(table("<a name=x><p>red</p>"), table("<a name=x><p>blue</p>"));

        let badges = |name: &str| {
            let image = format!("<img src=\"{name}.svg\" alt=\"{name}\">");
            let links = format!("<a href=\"{name}\">{image}</a> |\n<a href=\"b\">{name}</a>");
            with(&format!("<p align=\"center\">\n{links}\n</p>"))
        };
        assert_eq!(badges("build"), badges("coverage"));
        assert_eq!(badges("build"), key(SENTENCE));
    }

    #[test]
    fn other_signs_are_other_code() {
        let block = |code: &str| key(&format!("{SENTENCE}\n\n```c\n{code}\n```\n"));
        assert!(block("x == 0.5").is_some());
        assert_ne!(block("x == 0.5"), block("x != 0,5"));
        assert_eq!(block("if y:\n  x == 0.5"), block("if y:\n\tx  ==  0.5"));
        let inline = |code: &str| key(&format!("{SENTENCE} `{code}`\n"));
        assert_ne!(inline("a <= b"), inline("a >= b"));
    }
}
