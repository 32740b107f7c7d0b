//! Characters that people do not see.

use std::borrow::Cow;

use anyport_service::visible_text::is_visible;

use super::finding::Finding;

/// What a text has of such characters.
pub(super) fn find(text: &str, found: &mut Vec<Finding>) {
    found.extend(marked(text).filter_map(|(_, finding)| finding));
}

/// The text without them, and without the sequences that control a terminal.
pub(super) fn removed(text: &str) -> Cow<'_, str> {
    if marked(text).all(|(_, finding)| finding.is_none()) {
        return Cow::Borrowed(text);
    }
    let text = without_sequences(text);
    Cow::Owned(marked(&text).filter(|(_, finding)| finding.is_none()).map(|(sign, _)| sign).collect())
}

/// Each character, with what is suspicious about it where it stands.
fn marked(text: &str) -> impl Iterator<Item = (char, Option<Finding>)> {
    let mut before = None;
    let mut signs = text.chars().peekable();
    std::iter::from_fn(move || {
        let sign = signs.next()?;
        let finding = finding(before, sign, signs.peek().copied());
        before = Some(sign);
        Some((sign, finding))
    })
}

fn finding(before: Option<char>, sign: char, after: Option<char>) -> Option<Finding> {
    match sign {
        '\n' | '\r' | '\t' => None,
        _ if sign.is_control() => Some(Finding::Control),
        '\u{e0000}'..='\u{e007f}' => Some(Finding::Tags),
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Some(Finding::Bidi),
        // One selects the form of the character before it, such as that of an emoji.
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => {
            let is_selector =
                |other: char| matches!(other, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}');
            let stands_alone =
                before.is_some_and(|other| !is_selector(other)) && !after.is_some_and(is_selector);
            (!stands_alone).then_some(Finding::VariationSelectors)
        }
        // Emoji and some scripts join their characters by these; between others they hide.
        '\u{200c}' | '\u{200d}' => {
            let is_foreign = |other: Option<char>| {
                other.is_some_and(|other| !other.is_ascii() && (is_visible(other) || other == '\u{fe0f}'))
            };
            (!(is_foreign(before) && is_foreign(after))).then_some(Finding::ZeroWidth)
        }
        // Between texts of both directions, these say which way a sign belongs.
        '\u{200e}' | '\u{200f}' | '\u{61c}' => {
            let is_right_to_left = |other: Option<char>| matches!(other, Some('\u{590}'..='\u{8ff}'));
            (!(is_right_to_left(before) || is_right_to_left(after))).then_some(Finding::Bidi)
        }
        _ if !is_visible(sign) => Some(Finding::ZeroWidth),
        _ => None,
    }
}

/// The text without the sequences of ECMA-48 that begin with ESC or CSI.
fn without_sequences(text: &str) -> String {
    let (mut out, mut signs) = (String::with_capacity(text.len()), text.chars().peekable());
    while let Some(sign) = signs.next() {
        let is_csi = match sign {
            '\u{1b}' => signs.next_if_eq(&'[').is_some(),
            '\u{9b}' => true,
            other => {
                out.push(other);
                continue;
            }
        };
        if is_csi {
            // ECMA-48 §5.4: parameters and intermediate bytes, then one final byte.
            while signs.next_if(|other| matches!(other, ' '..='?')).is_some() {}
            signs.next_if(|other| matches!(other, '@'..='~'));
        }
    }
    out
}
