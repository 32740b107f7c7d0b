//! The HTML that stands in Markdown, as far as headings and paragraphs go.
//!
//! Many READMEs begin with `<h1 align="center">`. This is no parser of HTML: it never fails, takes one pass over the text,
//! and knows only what a heading or a paragraph is made of.

use std::borrow::Cow;

/// A piece of an HTML block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text outside tags, as it is written.
    Text(&'a str),
    /// The alternative text of an image.
    Image(&'a str),
    /// A tag that begins an element, and where the tag begins in the block.
    Open(Element, usize),
    /// A tag that ends an element.
    Close(Element),
}

/// An element of HTML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    /// A heading of this level.
    Heading(u8),
    /// A link.
    Link,
    /// An element that text flows through, such as `<b>`.
    Inline,
    /// Any other element: text does not go on over its ends.
    Block,
}

/// Elements that text flows through.
const INLINE: [&str; 14] =
    ["b", "strong", "i", "em", "u", "s", "code", "kbd", "span", "font", "sub", "sup", "small", "samp"];
/// Elements with content that is not text.
const OPAQUE: [&str; 2] = ["script", "style"];

/// The pieces of an HTML block, in order.
pub(super) fn pieces(html: &str) -> Pieces<'_> {
    Pieces { html, at: 0 }
}

/// The pieces of an HTML block; made by [`pieces`].
pub(super) struct Pieces<'a> {
    html: &'a str,
    at: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        while self.at < self.html.len() {
            let start = self.at;
            let rest = &self.html[start..];
            if !begins_tag(rest) {
                let end = rest.char_indices().skip(1).find(|(at, _)| begins_tag(&rest[*at..]));
                let end = end.map_or(rest.len(), |(at, _)| at);
                self.at += end;
                return Some(Piece::Text(&rest[..end]));
            }
            if rest.starts_with("<!--") {
                self.at += rest.find("-->").map_or(rest.len(), |end| end + "-->".len());
                continue;
            }
            let end = tag_end(rest);
            self.at += end;
            if let Some(piece) = self.tag(&rest[..end], start) {
                return Some(piece);
            }
        }
        None
    }
}

impl<'a> Pieces<'a> {
    /// What a tag says; `None` if that is nothing.
    fn tag(&mut self, tag: &'a str, start: usize) -> Option<Piece<'a>> {
        let inner = tag.strip_prefix('<')?;
        let closing = inner.starts_with('/');
        let inner = inner.trim_start_matches('/');
        let length = inner.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(inner.len());
        let name = inner[..length].to_ascii_lowercase();
        if name == "img" {
            return attribute(&inner[length..], "alt").map(Piece::Image);
        }
        if OPAQUE.contains(&name.as_str()) && !closing {
            let rest = &self.html[self.at..];
            let end = rest.find("</").unwrap_or(rest.len());
            self.at += end;
        }
        let element = match name.as_bytes() {
            [b'h', level @ b'1'..=b'6'] => Element::Heading(level - b'0'),
            b"a" => Element::Link,
            // A line break ends no paragraph.
            b"br" => return Some(Piece::Text(" ")),
            _ if INLINE.contains(&name.as_str()) => Element::Inline,
            _ => Element::Block,
        };
        Some(if closing { Piece::Close(element) } else { Piece::Open(element, start) })
    }
}

/// The text of an HTML block, in pieces, without its tags, images and links: badges and lists of links say nothing.
pub(crate) fn html_text(html: &str) -> impl Iterator<Item = &str> {
    let mut in_link = false;
    pieces(html).filter_map(move |piece| {
        match piece {
            Piece::Text(text) if !in_link => return Some(text),
            Piece::Open(Element::Inline, _) | Piece::Close(Element::Inline) => {}
            // No link goes on over another element, so that one that is not closed does not hide what follows.
            Piece::Open(element, _) => in_link = element == Element::Link,
            Piece::Close(_) => in_link = false,
            Piece::Text(_) | Piece::Image(_) => {}
        }
        None
    })
}

/// Text of HTML with the character references that texts have as characters.
pub(super) fn decoded(text: &str) -> Cow<'_, str> {
    const REFERENCES: [(&str, &str); 6] =
        [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    let mut text = Cow::Borrowed(text);
    for (reference, meant) in REFERENCES {
        if text.contains(reference) {
            text = Cow::Owned(text.replace(reference, meant));
        }
    }
    text
}

/// Whether a tag or a comment begins here. A `<` before anything else is a character.
fn begins_tag(rest: &str) -> bool {
    let mut characters = rest.chars();
    characters.next() == Some('<')
        && characters.next().is_some_and(|next| next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?'))
}

/// Where the tag at the start of `rest` ends. A `>` in a quoted value does not end it.
fn tag_end(rest: &str) -> usize {
    let mut quote = None;
    for (at, character) in rest.char_indices() {
        match (quote, character) {
            (None, '>') => return at + 1,
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
    }
    rest.len()
}

/// The value of an attribute of a tag.
fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = attributes;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        let end =
            rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/')).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        if key.is_empty() {
            return None;
        }
        rest = after.trim_start();
        let Some(value) = rest.strip_prefix('=').map(str::trim_start) else { continue };
        let (value, after) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split_once(quote)?,
            _ => value.split_at(value.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(value.len())),
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_are_told_from_text() {
        let html = "<h1 align='center'>a < b<br>\n<b>c</b></H1><!-- <p> --><img alt=\"x > y\" src=z><style>p {}</style>";
        let (h1, b, block) = (Element::Heading(1), Element::Inline, Element::Block);
        let expected = [
            Piece::Open(h1, 0),
            Piece::Text("a < b"),
            Piece::Text(" "),
            Piece::Text("\n"),
            Piece::Open(b, 29),
            Piece::Text("c"),
            Piece::Close(b),
            Piece::Close(h1),
            Piece::Image("x > y"),
            Piece::Open(block, 77),
            Piece::Close(block),
        ];
        assert_eq!(pieces(html).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn attributes_are_written_in_several_ways() {
        for tag in ["<img alt=a>", "<IMG src='x' ALT = 'a'/>", "<img hidden alt=\"a\" src=y>"] {
            assert_eq!(pieces(tag).collect::<Vec<_>>(), [Piece::Image("a")], "{tag}");
        }
        for tag in ["<img src=alt>", "<img>", "<img alt=\"a"] {
            assert_eq!(pieces(tag).collect::<Vec<_>>(), [], "{tag}");
        }
        assert_eq!(decoded("a &amp;lt; b &lt; c"), "a &lt; b < c");
    }

    proptest! {
        #[test]
        fn no_text_stops_it(html in "([<>/!\"'= -]|h1|img|alt|style|é){0,40}") {
            let text: usize = pieces(&html).map(|piece| match piece {
                Piece::Text(text) => text.len(),
                _ => 0,
            }).sum();
            prop_assert!(text <= html.len());
            prop_assert!(decoded(&html).len() <= html.len());
        }
    }
}
