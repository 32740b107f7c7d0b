//! The first heading of a text, and its first paragraph.

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use super::{
    heading::{extensions, push_plain},
    html::{self, Element, Piece},
};
use crate::front_matter::one_line;

/// The first heading and the first paragraph under it, as plain text; without a heading, the first paragraph.
///
/// Both may be written in HTML. A heading that is nothing but an image is called by the image's alternative text.
/// A paragraph of nothing but images and links (badges, other languages, a table of contents) is passed over.
pub(crate) fn opening(text: &str) -> (Option<String>, Option<String>) {
    let mut opening = Opening::default();
    for (event, range) in Parser::new_ext(text, extensions()).into_offset_iter() {
        match event {
            Event::Start(Tag::HtmlBlock) if opening.depth == 0 => {
                opening.html(text.get(range).unwrap_or_default());
            }
            Event::Start(Tag::HtmlBlock) | Event::End(TagEnd::HtmlBlock) => {}
            Event::Start(tag) => opening.start(&tag),
            Event::End(end) => opening.end(end),
            event => {
                if opening.images == 0 {
                    let before = opening.plain.len();
                    push_plain(&mut opening.plain, &event);
                    opening.words(before);
                }
            }
        }
        if opening.under.is_some() {
            break;
        }
    }
    (opening.heading, opening.under.or(opening.before))
}

#[derive(Default)]
struct Opening {
    heading: Option<String>,
    /// The first paragraph before the heading.
    before: Option<String>,
    /// The first paragraph under it.
    under: Option<String>,
    /// The text of the current block.
    plain: String,
    /// Whether it has a word outside of links.
    has_words: bool,
    /// The alternative text of the current HTML heading's image.
    image: Option<String>,
    depth: usize,
    images: usize,
    links: usize,
    /// Whether an HTML heading is open. What is inside it may be Markdown.
    in_heading: bool,
}

impl Opening {
    fn start(&mut self, tag: &Tag<'_>) {
        // An HTML heading that nothing ends is no heading.
        self.in_heading &= !matches!(tag, Tag::Heading { .. });
        if self.depth == 0 && !self.in_heading {
            self.clear();
        }
        self.depth += 1;
        self.images += usize::from(matches!(tag, Tag::Image { .. }));
        self.links += usize::from(matches!(tag, Tag::Link { .. }));
    }

    fn end(&mut self, end: TagEnd) {
        self.depth = self.depth.saturating_sub(1);
        self.images = self.images.saturating_sub(usize::from(end == TagEnd::Image));
        self.links = self.links.saturating_sub(usize::from(end == TagEnd::Link));
        match end {
            TagEnd::Heading(_) if self.depth == 0 => self.found_heading(),
            TagEnd::Paragraph if self.depth == 0 && !self.in_heading => self.found_paragraph(),
            _ => {}
        }
    }

    fn html(&mut self, html: &str) {
        if !self.in_heading {
            self.clear();
        }
        for piece in html::pieces(html) {
            match piece {
                Piece::Open(Element::Link, _) => self.links += 1,
                Piece::Close(Element::Link) => self.links = self.links.saturating_sub(1),
                Piece::Open(Element::Heading(_), _) => {
                    self.found_paragraph();
                    self.in_heading = true;
                }
                Piece::Close(Element::Heading(_)) => self.found_heading(),
                Piece::Open(Element::Block, _) | Piece::Close(Element::Block) if !self.in_heading => {
                    self.found_paragraph();
                }
                Piece::Text(text) => {
                    let before = self.plain.len();
                    self.plain.push_str(&html::decoded(text));
                    self.words(before);
                }
                Piece::Image(text) if self.in_heading => {
                    self.image.get_or_insert_with(|| html::decoded(text).into_owned());
                }
                _ => {}
            }
        }
        if !self.in_heading {
            self.found_paragraph();
            // Nothing of it goes on behind the block.
            self.links = 0;
        }
    }

    /// Notes whether what was added to the text since `from` has words of its own.
    fn words(&mut self, from: usize) {
        self.has_words |= self.links == 0 && self.plain[from..].contains(char::is_alphanumeric);
    }

    fn found_heading(&mut self) {
        self.in_heading = false;
        let said = one_line(&self.plain);
        let title = if said.is_empty() { self.image.as_deref().map(one_line) } else { Some(said) };
        if self.heading.is_none() {
            self.heading = title.filter(|title| !title.is_empty());
        }
        self.clear();
    }

    fn found_paragraph(&mut self) {
        let text = one_line(&self.plain);
        if self.has_words && !text.is_empty() {
            let place = if self.heading.is_some() { &mut self.under } else { &mut self.before };
            place.get_or_insert(text);
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.plain.clear();
        self.has_words = false;
        self.image = None;
    }
}
