//! The pages of `docs/`, as they are checked: their code, their links and their headings.

use std::{fs, io, path::Path};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A page of the book.
#[derive(Debug, Default)]
pub struct Page {
    /// Its file's name.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Its code, in order.
    pub code: Vec<Code>,
    /// Where its links lead.
    pub links: Vec<String>,
    /// The anchors of its headings.
    pub anchors: Vec<String>,
}

/// A block of code.
#[derive(Debug)]
pub struct Code {
    /// What stands behind the fence: `rust`, `json`, `console` ...
    pub language: String,
    /// The line of the page on which it begins.
    pub line: usize,
    /// What it says.
    pub text: String,
}

/// All pages, by name.
///
/// # Errors
/// When they cannot be read.
pub fn pages() -> io::Result<Vec<Page>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            pages.push(parse(file, fs::read_to_string(path)?));
        }
    }
    pages.sort_by(|one, other| one.file.cmp(&other.file));
    Ok(pages)
}

fn parse(file: String, text: String) -> Page {
    let mut page = Page { file, ..Page::default() };
    let (mut heading, mut in_code) = (None::<String>, false);
    let options = Options::ENABLE_TABLES | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    for (event, place) in Parser::new_ext(&text, options).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                let line = text[..place.start].lines().count() + 1;
                page.code.push(Code { language: language.into_string(), line, text: String::new() });
                in_code = true;
            }
            Event::End(TagEnd::CodeBlock) => in_code = false,
            Event::Start(Tag::Link { dest_url, .. }) => page.links.push(dest_url.into_string()),
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => page.anchors.extend(heading.take().map(|text| anchor(&text))),
            Event::Text(part) | Event::Code(part) => {
                let into = page.code.last_mut().filter(|_| in_code).map(|code| &mut code.text);
                if let Some(into) = into.or(heading.as_mut()) {
                    into.push_str(&part);
                }
            }
            _ => {}
        }
    }
    page.text = text;
    page
}

/// The anchor that renderers give to a heading: small letters, digits and hyphens.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_its_code_its_links_and_its_headings() {
        let text = "---\ntitle: T\n---\n\n# What `a` is, HTTP+SSE\n\n[b](b.md#c) `code`\n\n```rust\nfn a() {}\n```\n\n```text\nx\n```\n";
        let page = parse("a.md".to_owned(), text.to_owned());
        assert_eq!(page.anchors, ["what-a-is-httpsse"]);
        assert_eq!(page.links, ["b.md#c"]);
        let code: Vec<_> = page.code.iter().map(|code| (&*code.language, code.line, &*code.text)).collect();
        assert_eq!(code, [("rust", 9, "fn a() {}\n"), ("text", 13, "x\n")]);
    }
}
