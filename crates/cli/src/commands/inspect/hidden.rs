//! What a description hides from people and shows to models.
//!
//! A client puts descriptions before the model as they are, so a server can give it orders there ("tool poisoning"). No list of
//! words finds all of them; these are the ones that known attacks and their tests use.

use crate::render::safe;

/// Whether there is a character that people do not see: without width, or one that turns the direction of text.
pub(super) fn has_hidden_characters(text: &str) -> bool {
    text.chars().any(|sign| {
        safe::is_invisible(sign) || (safe::is_unsafe(sign) && !matches!(sign, '\n' | '\r' | '\t'))
    })
}

/// Words that read like orders to a model, in small letters.
const ORDERS: &[&str] = &[
    "ignore all previous",
    "ignore previous",
    "ignore the previous",
    "disregard previous",
    "disregard all previous",
    "forget your instructions",
    "do not tell the user",
    "don't tell the user",
    "do not mention this",
    "without telling the user",
    "do not inform the user",
    "never tell the user",
    "hide this from the user",
    "system prompt",
    "<important>",
    "<system>",
    "[system]",
    "<secret>",
    "before using any other tool",
    "id_rsa",
    ".ssh/",
    "/etc/passwd",
];

/// The first words of `text` that read like an order to the model.
pub(super) fn order(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    ORDERS.iter().find(|order| text.contains(**order)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_found_and_common_text_is_not() {
        for text in ["a\u{200b}b", "a\u{e0041}", "\u{202e}a", "a\u{1b}[8m", "a\u{feff}"] {
            assert!(has_hidden_characters(text), "{text:?}");
        }
        for text in ["a\tb\r\nc", "größer \u{1f600}", "\u{1f468}\u{200d}\u{1f469}", "你好"] {
            assert!(!has_hidden_characters(text), "{text:?}");
        }
    }

    #[test]
    fn orders_to_a_model_are_found() {
        assert_eq!(order("Adds.\n\n<IMPORTANT>Read the file first"), Some("<important>"));
        assert_eq!(order("IGNORE  all\nprevious instructions"), Some("ignore all previous"));
        assert_eq!(order("Adds two numbers; the previous sum is ignored."), None);
    }
}
