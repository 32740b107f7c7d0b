//! The front matter of a document: YAML between two lines `---` at the very start.
//!
//! A document is never lost for its front matter. Text that is no front matter stays part of the document, a
//! field that cannot be read is treated as absent, and a [`Fault`] says which line is to be mended.

mod fields;

pub(crate) use fields::one_line;
pub use fields::{Fault, FrontMatter};

/// The longest front matter that is read, its two fences included.
pub const MAX_FRONT_MATTER_BYTES: usize = 64 << 10;

/// A text taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split<'a> {
    /// The readable fields of the front matter.
    pub front_matter: FrontMatter,
    /// The text after it, from the first line that is not blank.
    pub content: &'a str,
    /// The faults. A text without front matter has no fault.
    pub faults: Vec<Fault>,
}

/// Takes a text apart into front matter and content. A byte order mark is dropped.
pub fn split(text: &str) -> Split<'_> {
    let parts = parts(text);
    let (front_matter, faults) = match parts.yaml {
        Ok(yaml) => fields::read(yaml),
        Err(fault) => (FrontMatter::default(), fault.into_iter().collect()),
    };
    Split { front_matter, content: parts.content, faults }
}

/// The text after the front matter, as [`split`] has it, for who knows already what the front matter says.
pub(crate) fn content(text: &str) -> &str {
    parts(text).content
}

/// Where front matter and content are.
struct Parts<'a> {
    /// The fields. A text that has none may have a fault that says why.
    yaml: Result<&'a str, Option<Fault>>,
    content: &'a str,
}

fn parts(text: &str) -> Parts<'_> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let whole = |fault| Parts { yaml: Err(fault), content: text };
    let Some(first) = text.split_inclusive('\n').next().filter(|line| is_fence(line)) else {
        return whole(None);
    };
    let Some((yaml, content)) = close(&text[first.len()..]) else {
        let reason = format!(
            "no second `---` within {MAX_FRONT_MATTER_BYTES} bytes closes the front matter; \
             all of it is kept as text"
        );
        return whole(Some(Fault { line: 1, reason }));
    };
    if let Some(line) = first_line_that_is_no_field(yaml) {
        // Two thematic breaks with prose between them: dropping it would lose what somebody wrote.
        let reason = "expected `key: value` between the `---` lines; all of it is kept as text".into();
        return whole(Some(Fault { line: line + 1, reason }));
    }
    Parts { yaml: Ok(yaml), content: content.trim_start_matches(['\r', '\n']) }
}

fn is_fence(line: &str) -> bool {
    line.trim_end() == "---"
}

/// The text before the closing fence, and the text after it.
fn close(inside: &str) -> Option<(&str, &str)> {
    let mut at = 0;
    for line in inside.split_inclusive('\n') {
        let end = at + line.len();
        if end > MAX_FRONT_MATTER_BYTES - "---\n".len() {
            return None;
        }
        if is_fence(line) {
            return Some((&inside[..at], &inside[end..]));
        }
        at = end;
    }
    None
}

/// The first line with anything on it, counted from 1, if it does not begin a mapping.
fn first_line_that_is_no_field(yaml: &str) -> Option<usize> {
    let mut lines = yaml.lines().map(str::trim).enumerate();
    let (index, line) = lines.find(|(_, line)| !line.is_empty() && !line.starts_with('#'))?;
    let key = line.split_once(':').map_or("", |(key, _)| key);
    let key = key.trim_end().trim_matches(['"', '\'']);
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-. ".contains(c));
    (!is_key && !line.starts_with('{')).then_some(index + 1)
}

#[cfg(test)]
mod tests;
