//! Words by which a definition tells a model to ignore its user, or to hide something.

use std::sync::LazyLock;

use regex::Regex;

/// The patterns, over texts in which all space is one space. Each is something that no description of a tool needs.
const PATTERNS: [&str; 9] = [
    r"\b(?:ignore|disregard|forget|override|bypass)\b(?: \w+){0,3} (?:previous|prior|earlier|above|preceding|system|other|your|all)\b(?: \w+){0,2} (?:instructions?|prompts?|rules?|guidelines?|directions?|messages?)\b",
    r"\b(?:ignore|disregard) (?:everything|anything|all) (?:above|before|previously|prior)\b",
    r"\b(?:do not|don't|dont|never|must not) (?:tell|inform|mention|reveal|show|notify|alert|warn)\b(?: \w+){0,4} (?:the )?users?\b",
    r"\b(?:without|before) (?:telling|informing|asking|notifying|alerting) (?:the )?users?\b",
    r"\b(?:hide|conceal|keep) (?:this|it|that)\b(?: \w+){0,3} from (?:the )?users?\b",
    r"<ima?portant>|<system>|<secret>|\[system\]|<\|im_start\|>|<\|system\|>",
    r"\b(?:your|the) (?:new|real|actual|true) (?:instructions|task|goal|purpose) (?:is|are)\b",
    r"\b(?:reveal|print|repeat|output|send) (?:me )?(?:your|the) (?:system prompt|hidden instructions|initial instructions)\b",
    r"(?:~|/home/\w+|/root)/\.ssh\b|\bid_(?:rsa|ed25519)\b|\bmcp\.json\b.{0,60}\b(?:read|send|pass|include)\b|\b(?:read|send|pass|include)\b.{0,60}\bmcp\.json\b",
];

static PATTERN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!("(?i){}", PATTERNS.join("|"))).ok());

/// Whether a text has such words.
pub(super) fn are_in(text: &str) -> bool {
    if text.len() < SHORTEST {
        return false;
    }
    let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('\u{2019}', "'");
    PATTERN.as_ref().is_some_and(|pattern| pattern.is_match(&words))
}

/// No pattern matches a shorter text.
const SHORTEST: usize = 6;
