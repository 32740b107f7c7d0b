//! The headings of a text, from its parts.

use std::ops::Range;

use pulldown_cmark::{Event, Tag, TagEnd};

use super::{
    heading::{Heading, Slugs, push_plain},
    html::{self, Element, Piece},
};
use crate::front_matter::one_line;

/// Most headings in HTML that divide a document. Authors write some dozens; a file that is one line of tags would otherwise
/// have a million sections, each with its title and slug in memory.
pub(super) const MAX_HTML_HEADINGS: usize = 10_000;

/// Collects the headings of a Markdown text.
pub(crate) struct Outline<'a> {
    text: &'a str,
    pub(crate) headings: Vec<Heading>,
    slugs: Slugs,
    /// How many of the headings are written in HTML.
    html_headings: usize,
    /// How far the text was searched for line breaks, and where the line there begins: many headings may stand in one line,
    /// which is walked over once.
    walked: usize,
    line_start: usize,
    /// The number of open blocks that are not headings.
    depth: usize,
    /// The number of open images.
    images: usize,
    open: Option<Open>,
}

/// A heading that has not ended.
struct Open {
    heading: Heading,
    /// Whether it is written in HTML.
    html: bool,
    /// The alternative text of its first image: the title, if the heading is nothing but a logo.
    image: Option<String>,
}

impl<'a> Outline<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            headings: Vec::new(),
            slugs: Slugs::default(),
            html_headings: 0,
            walked: 0,
            line_start: 0,
            depth: 0,
            images: 0,
            open: None,
        }
    }

    /// Takes the next event of the parser, and where it is in the text.
    pub(crate) fn take(&mut self, event: &Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(Tag::Heading { level, .. }) => self.begin(*level as u8, range.start, false),
            Event::End(TagEnd::Heading(_)) => self.end(),
            Event::Start(Tag::HtmlBlock) if self.depth == 0 => self.html(range),
            Event::Start(Tag::HtmlBlock) | Event::End(TagEnd::HtmlBlock) => {}
            Event::Start(Tag::Image { .. }) => self.images += 1,
            Event::End(TagEnd::Image) => self.images = self.images.saturating_sub(1),
            Event::Start(_) if self.open.is_none() => self.depth += 1,
            Event::End(_) if self.open.is_none() => self.depth = self.depth.saturating_sub(1),
            event => {
                if let Some(open) = self.open.as_mut().filter(|_| self.images == 0) {
                    push_plain(&mut open.heading.title, event);
                }
            }
        }
    }

    fn html(&mut self, range: Range<usize>) {
        let start = range.start;
        for piece in html::pieces(self.text.get(range).unwrap_or_default()) {
            match (piece, self.open.as_mut()) {
                (Piece::Open(Element::Heading(level), at), _) => self.begin(level, start + at, true),
                (Piece::Close(Element::Heading(_)), Some(_)) => self.end(),
                (Piece::Text(text), Some(open)) => open.heading.title.push_str(&html::decoded(text)),
                (Piece::Image(text), Some(open)) => {
                    open.image.get_or_insert_with(|| html::decoded(text).into_owned());
                }
                _ => {}
            }
        }
    }

    fn begin(&mut self, level: u8, at: usize, html: bool) {
        if html && self.html_headings >= MAX_HTML_HEADINGS {
            self.open = None;
            return;
        }
        let start = self.line_start(at);
        let heading = Heading { level, title: String::new(), slug: String::new(), start };
        self.open = Some(Open { heading, html, image: None });
    }

    /// Where the line begins that `at` is in.
    fn line_start(&mut self, at: usize) -> usize {
        // The parser goes forward; should it ever go back, that costs time and nothing else.
        if at < self.walked {
            (self.walked, self.line_start) = (0, 0);
        }
        let passed = self.text.get(self.walked..at).unwrap_or_default();
        if let Some(newline) = passed.rfind('\n') {
            self.line_start = self.walked + newline + 1;
        }
        self.walked = at;
        self.line_start
    }

    fn end(&mut self) {
        let Some(Open { mut heading, html, image }) = self.open.take() else { return };
        if html {
            heading.title = one_line(&heading.title);
            match image {
                Some(image) if heading.title.is_empty() => heading.title = one_line(&image),
                _ => {}
            }
            // A heading without a title leads nowhere; authors use it for an image without text.
            if heading.title.is_empty() {
                return;
            }
        }
        heading.title.truncate(heading.title.trim_end().len());
        // Those in quotes count too: on the page that GitHub shows they have anchors of their own.
        heading.slug = self.slugs.unique(&heading.title);
        if self.depth == 0 {
            self.html_headings += usize::from(html);
            self.headings.push(heading);
        }
    }
}
