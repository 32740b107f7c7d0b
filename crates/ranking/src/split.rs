//! Text as words, as somebody who programs would type them.
//!
//! A run of letters and digits is a word. Marks that join (`snake_case`, `kebab-case`, `node.js`, `don't`) and the
//! humps of `CamelCase` divide a run into parts; then the run without its marks is a word as well, so that
//! `maxRetries`, `max_retries`, `max-retries` and `maxretries` all find each other. Scripts that put no spaces between
//! words are taken character by character, and as pairs of characters.

use std::ops::Range;

use tantivy_tokenizer_api::{Token, TokenStream, Tokenizer};

/// Longest word. What is longer (an encoded image, a hash) is known by its beginning.
const MAX_WORD_BYTES: usize = 64;
/// Most parts of a run that is also known as a whole.
const MAX_PARTS: usize = 12;

/// How many positions lie between the last word of a sentence and the first of the next one: as many as a passage bridges, so
/// that words of two sentences are not near each other.
pub const SENTENCE_GAP: usize = 8;

/// Takes text apart.
///
/// A token that covers several others has a `position_length` above 1 and comes just before the first of them.
#[derive(Clone, Debug, Default)]
pub struct Splitter {
    parts: Vec<Range<usize>>,
}

impl Tokenizer for Splitter {
    type TokenStream<'a> = Split<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Split<'a> {
        self.parts.clear();
        let token = Token { text: String::with_capacity(MAX_WORD_BYTES), ..Token::default() };
        Split { text, at: 0, position: 0, parts: &mut self.parts, next: Next::Run, token }
    }
}

/// Calls `each` with every word of `text`.
pub fn each_token(text: &str, mut each: impl FnMut(&Token)) {
    let mut splitter = Splitter::default();
    let mut tokens = splitter.token_stream(text);
    while tokens.advance() {
        each(tokens.token());
    }
}

/// The words of one text.
pub struct Split<'a> {
    text: &'a str,
    /// Where the text goes on.
    at: usize,
    /// The position of the next token that covers no other.
    position: usize,
    /// The parts of the current run.
    parts: &'a mut Vec<Range<usize>>,
    next: Next,
    token: Token,
}

/// What comes next.
#[derive(Clone, Copy)]
enum Next {
    /// A run that is still to be found.
    Run,
    /// The part of this number.
    Part(usize),
    /// The character alone that the last pair began with.
    Character,
}

impl TokenStream for Split<'_> {
    fn advance(&mut self) -> bool {
        match self.next {
            Next::Run => self.run(),
            Next::Part(index) => self.part(index),
            Next::Character => {
                self.token.position_length = 1;
                self.character();
                true
            }
        }
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

impl Split<'_> {
    /// Finds the next run and writes its first token.
    fn run(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let Some((skipped, first)) = rest.char_indices().find(|(_, c)| c.is_alphanumeric()) else {
            self.at = self.text.len();
            return false;
        };
        if self.position > 0 && ends_sentence(&rest[..skipped]) {
            self.position += SENTENCE_GAP;
        }
        self.at += skipped;
        if is_dense(first) {
            self.pair(first);
            return true;
        }
        let start = self.at;
        self.divide();
        let whole = start..self.at;
        if let Some(name) = self.name_with_signs(&whole) {
            self.write(whole, 1, |text| text.push_str(&name));
            self.position += 1;
            return true;
        }
        let dotted =
            self.text[..start].ends_with('.') && self.text[whole.clone()].eq_ignore_ascii_case("net");
        if dotted {
            self.write(whole, 2, |text| text.push_str("dotnet"));
            self.next = Next::Part(0);
            return true;
        }
        let length: usize = self.parts.iter().map(Range::len).sum();
        if self.parts.len() == 1 || self.parts.len() > MAX_PARTS || length > MAX_WORD_BYTES {
            return self.part(0);
        }
        let text = self.text;
        let parts = std::mem::take(self.parts);
        self.write(whole, parts.len(), |joined| join(text, &parts, joined));
        *self.parts = parts;
        self.next = Next::Part(0);
        true
    }

    /// Writes one part of the current run.
    fn part(&mut self, index: usize) -> bool {
        let Some(part) = self.parts.get(index).cloned() else { return false };
        let text = self.text;
        self.write(part.clone(), 1, |word| push_lower(&text[part], word));
        self.position += 1;
        self.next = if index + 1 < self.parts.len() { Next::Part(index + 1) } else { Next::Run };
        true
    }

    /// Writes the pair of characters that begins here, or the one character if it is the last of its kind.
    fn pair(&mut self, first: char) {
        let second = self.at + first.len_utf8();
        match self.text[second..].chars().next().filter(|c| is_dense(*c)) {
            Some(other) => {
                let range = self.at..second + other.len_utf8();
                let text = self.text;
                self.write(range.clone(), 2, |pair| push_lower(&text[range], pair));
                self.next = Next::Character;
            }
            None => self.character(),
        }
    }

    /// Writes the character that begins here, and goes on behind it.
    fn character(&mut self) {
        let text = self.text;
        let length = text[self.at..].chars().next().map_or(0, char::len_utf8);
        let range = self.at..self.at + length;
        self.write(range.clone(), 1, |character| push_lower(&text[range], character));
        self.at += length;
        self.position += 1;
        self.next = Next::Run;
    }

    fn write(&mut self, range: Range<usize>, covers: usize, text: impl FnOnce(&mut String)) {
        self.token.text.clear();
        text(&mut self.token.text);
        self.token.offset_from = range.start;
        self.token.offset_to = range.end;
        self.token.position = self.position;
        self.token.position_length = covers;
    }

    /// Divides the run that begins here into its parts, and goes on behind it.
    fn divide(&mut self) {
        self.parts.clear();
        loop {
            let start = self.at;
            let first_part = self.parts.len();
            self.letters();
            if self.at - start > MAX_WORD_BYTES {
                // No name that anybody types; its humps mean nothing.
                self.parts.truncate(first_part);
                self.parts.push(start..self.at);
            }
            let Some(mark) = self.joining_mark() else { return };
            self.at += mark;
        }
    }

    /// Goes on behind a run of letters and digits, and notes its humps as parts.
    fn letters(&mut self) {
        let text = self.text;
        let mut start = self.at;
        let mut before: Option<char> = None;
        let mut characters = text[self.at..].char_indices().peekable();
        let mut end = text.len();
        while let Some((offset, c)) = characters.next() {
            if !is_word(c) || is_dense(c) {
                end = self.at + offset;
                break;
            }
            if c.is_uppercase() {
                let lower_follows = characters.peek().is_some_and(|(_, next)| next.is_lowercase());
                let begins = before.is_some_and(|before| {
                    before.is_lowercase() || (lower_follows && (before.is_uppercase() || before.is_numeric()))
                });
                if begins {
                    self.parts.push(start..self.at + offset);
                    start = self.at + offset;
                }
            }
            before = Some(c);
        }
        self.parts.push(start..end);
        self.at = end;
    }

    /// How long the mark is that joins what was read to what follows, if one does.
    fn joining_mark(&self) -> Option<usize> {
        let rest = &self.text[self.at..];
        let mark = rest.chars().next()?;
        let length = match mark {
            '_' => rest.find(|c| c != '_')?,
            '-' | '.' | '\'' | ',' | '\u{2010}' | '\u{2011}' | '\u{2019}' => mark.len_utf8(),
            _ => return None,
        };
        let next = rest[length..].chars().next()?;
        let in_number =
            || self.text[..self.at].ends_with(|c: char| c.is_ascii_digit()) && next.is_ascii_digit();
        (next.is_alphanumeric() && !is_dense(next) && (mark != ',' || in_number())).then_some(length)
    }

    /// `C++`, `C#` and their kind, as they are written where signs are not allowed. Goes on behind the signs.
    fn name_with_signs(&mut self, run: &Range<usize>) -> Option<String> {
        let name = &self.text[run.clone()];
        if name.len() > 2 {
            return None;
        }
        let rest = &self.text[self.at..];
        let (sign, said) =
            [("++", "pp"), ("#", "sharp")].into_iter().find(|(sign, _)| rest.starts_with(sign))?;
        // `a#b` is an address, `a++b` a sum.
        if rest[sign.len()..].starts_with(is_word) {
            return None;
        }
        self.at += sign.len();
        Some(name.to_lowercase() + said)
    }
}

/// Whether a sentence, a paragraph or an item of a list ends in what stands between two words.
fn ends_sentence(between: &str) -> bool {
    let mut before = None;
    for c in between.chars() {
        let ends = match before {
            Some('.' | '!' | '?') => c.is_whitespace(),
            // Markdown: an empty line, an item, a heading, a row of a table, a quotation.
            Some('\n') => matches!(c, '\n' | '-' | '*' | '#' | '|' | '>'),
            _ => false,
        };
        if ends || matches!(c, '。' | '！' | '？') {
            return true;
        }
        before = Some(c);
    }
    false
}

/// Writes a run without the marks between its parts; but a dot in a number stays, for 1.23 is not 12.3.
fn join(text: &str, parts: &[Range<usize>], joined: &mut String) {
    let mut before: Option<&Range<usize>> = None;
    for part in parts {
        if let Some(before) = before {
            let digits = text[..before.end].ends_with(|c: char| c.is_ascii_digit())
                && text[part.clone()].starts_with(|c: char| c.is_ascii_digit());
            if digits && &text[before.end..part.start] == "." {
                joined.push('.');
            }
        }
        push_lower(&text[part.clone()], joined);
        before = Some(part);
    }
}

/// Writes `word` in lower case and without accents that stand for themselves, up to the greatest length.
fn push_lower(word: &str, lower: &mut String) {
    let word = &word[..word.floor_char_boundary(MAX_WORD_BYTES)];
    if word.is_ascii() {
        let start = lower.len();
        lower.push_str(word);
        lower[start..].make_ascii_lowercase();
        return;
    }
    lower.extend(word.chars().flat_map(char::to_lowercase).filter(|c| !is_accent(*c)));
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || is_accent(c)
}

/// Whether this is an accent that joins the letter before it. Written so or as one letter, the word is the same.
fn is_accent(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

/// Whether this is a character of a script that puts no spaces between words, or joins endings to them.
pub fn is_dense(c: char) -> bool {
    let ranges = matches!(c,
        // Thai and Lao, Burmese, the parts of Hangul, Khmer.
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}'
        // Kana, the parts of Hangul, ideographs, Hangul.
        | '\u{3040}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7ff}'
        // Compatible forms, half-width forms, rare ideographs.
        | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ffdc}' | '\u{20000}'..='\u{3ffff}');
    ranges && c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(text: &str) -> Vec<Token> {
        let mut splitter = Splitter::default();
        let mut stream = splitter.token_stream(text);
        let mut tokens = Vec::new();
        stream.process(&mut |token| tokens.push(token.clone()));
        tokens
    }

    fn words(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn names_are_known_whole_and_by_their_parts() {
        for (text, expected) in [
            ("plain words", &["plain", "words"][..]),
            ("snake_case", &["snakecase", "snake", "case"]),
            ("__init__", &["init"]),
            ("CamelCase", &["camelcase", "camel", "case"]),
            ("getHTTPResponse", &["gethttpresponse", "get", "http", "response"]),
            ("SHA256Sum of UTF8", &["sha256sum", "sha256", "sum", "of", "utf8"]),
            ("std::sync::Arc", &["std", "sync", "arc"]),
            ("--flag-name=x", &["flagname", "flag", "name", "x"]),
            ("node.js, Node.JS.", &["nodejs", "node", "js", "nodejs", "node", "js"]),
            ("C++ and C# (F#)", &["cpp", "and", "csharp", "fsharp"]),
            ("a#b page#top x++y", &["a", "b", "page", "top", "x", "y"]),
            ("ASP.NET or .NET", &["aspnet", "asp", "net", "or", "dotnet", "net"]),
            ("code -32602", &["code", "32602"]),
            ("v1.23 12.3 1,000,000", &["v1.23", "v1", "23", "12.3", "12", "3", "1000000", "1", "000", "000"]),
            ("don't", &["dont", "don", "t"]),
            ("TCP/IP", &["tcp", "ip"]),
            ("Über e\u{301}t\u{e9}", &["über", "eté"]),
            ("=> != && …", &[]),
            ("", &[]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn scripts_without_spaces_are_taken_by_characters_and_pairs() {
        assert_eq!(words("日本語"), ["日本", "日", "本語", "本", "語"]);
        assert_eq!(words("猫。Rust言語"), ["猫", "rust", "言語", "言", "語"]);
        assert_eq!(words("서버를"), ["서버", "서", "버를", "버", "를"]);
    }

    #[test]
    fn what_covers_others_stands_at_the_first_of_them() {
        let positions: Vec<_> = (tokens("a snake_case b 日本 c").into_iter())
            .map(|token| (token.text, token.position, token.position_length))
            .collect();
        let expected = [
            ("a", 0, 1),
            ("snakecase", 1, 2),
            ("snake", 1, 1),
            ("case", 2, 1),
            ("b", 3, 1),
            ("日本", 4, 2),
            ("日", 4, 1),
            ("本", 5, 1),
            ("c", 6, 1),
        ];
        assert_eq!(positions, expected.map(|(text, at, length)| (text.to_owned(), at, length)));
    }

    #[test]
    fn long_words_are_known_by_their_beginning_and_long_runs_by_their_parts() {
        assert_eq!(words(&"aB".repeat(1_000)), ["ab".repeat(32)]);
        assert_eq!(words(&"é".repeat(1_000)), ["é".repeat(32)]);
        assert_eq!(words(&["a"; 20].join("-")), ["a"; 20]);
    }

    proptest! {
        #[test]
        fn tokens_lie_in_the_text_in_order(text in "(\\PC|[aB1_.,'#+日 ]){0,60}") {
            let (mut from, mut position) = (0, 0);
            for token in tokens(&text) {
                prop_assert!(!text[token.offset_from..token.offset_to].is_empty());
                prop_assert!(token.offset_from >= from && token.position >= position);
                (from, position) = (token.offset_from, token.position);
            }
        }

        #[test]
        fn the_case_of_ascii_changes_no_single_word(word in "[a-z]{1,20}") {
            prop_assert_eq!(words(&word.to_uppercase()), words(&word));
        }
    }
}
