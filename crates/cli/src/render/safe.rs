//! A server's text as a terminal may show it.
//!
//! Escape sequences in a description or a result could move the cursor, change the title, or write over what stands
//! there; signs that turn the direction of text make it read otherwise than it is. Both are shown, not obeyed.

use std::{borrow::Cow, fmt::Write as _};

/// Text of several lines: line ends and tabs stay.
pub(crate) fn text(text: &str) -> String {
    escape(text, |c| c == '\n' || c == '\t')
}

/// Text that must stay on its line.
pub(crate) fn line(text: &str) -> String {
    escape(text, |_| false)
}

/// A word as a shell reads it back, with control characters made visible: a server chose it. Those without a character that a
/// shell knows stand as they are, `=` among them.
pub(crate) fn word(word: &str) -> String {
    let word = line(word);
    let is_plain = |sign: char| sign.is_ascii_alphanumeric() || "_-=:./,@%+".contains(sign);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word;
    }
    // Only a NUL cannot be quoted, and none is left.
    shlex::try_quote(&word).map_or_else(|_| "...".to_owned(), Cow::into_owned)
}

/// Text that must stay on its line, with every sign that people do not see written out.
pub(crate) fn revealed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match is_invisible(c) {
            true => _ = write!(out, "\\u{{{:x}}}", u32::from(c)),
            false => out.push(c),
        }
    }
    line(&out)
}

/// Whether the sign has no width: a text with it reads like one without it.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200c}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
        | '\u{e0100}'..='\u{e01ef}')
}

fn escape(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut signs = text.chars().peekable();
    while let Some(c) = signs.next() {
        match c {
            // A line end as other systems write it.
            '\r' if signs.peek() == Some(&'\n') && stays('\n') => {}
            c if stays(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unsafe(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Whether a terminal, or who reads on it, may take the sign for something else than what it is.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control() || turns(c)
}

/// Signs that change the direction of the text after them (Unicode Standard Annex 9), and invisible tags.
fn turns(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_commands_a_terminal_is_shown_instead() {
        assert_eq!(text("\u{1b}[2Jgone\u{7}"), "\\u{1b}[2Jgone\\u{7}");
        assert_eq!(text("\u{9b}31mred\u{7f}"), "\\u{9b}31mred\\u{7f}");
        assert_eq!(text("over\rwritten"), "over\\rwritten");
        assert_eq!(text("a\u{202e}b\u{2066}c"), "a\\u{202e}b\\u{2066}c");
        assert_eq!(line("one\ntwo\tthree"), "one\\ntwo\\tthree");
    }

    #[test]
    fn what_people_do_not_see_is_written_out() {
        assert_eq!(
            revealed("a\u{200b}b\u{feff}c\u{202e}d\u{e0041}"),
            "a\\u{200b}b\\u{feff}c\\u{202e}d\\u{e0041}"
        );
        assert_eq!(revealed("größer \u{1f468}\u{200d}\u{1f469}"), "größer \u{1f468}\u{200d}\u{1f469}");
    }

    #[test]
    fn text_stays_as_it_is() {
        for same in ["one\ntwo\tthree", "Grüße 你好 👩‍👩‍👧", "שלום", ""] {
            assert_eq!(text(same), same);
        }
        assert_eq!(text("one\r\ntwo"), "one\ntwo");
    }
}
