//! The characters of a URI, with each percent-encoded byte as one, so that nothing is ever cut in two.

/// A character as it stands, or a percent-encoded byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Plain(char),
    Encoded(u8),
}

impl Token {
    /// Whether it is `c`, as it stands.
    pub(super) fn is(self, c: char) -> bool {
        self == Self::Plain(c)
    }

    /// Whether a character begins with it, once it is decoded.
    pub(super) fn begins_character(self) -> bool {
        !matches!(self, Self::Encoded(0x80..=0xBF))
    }
}

/// The tokens of `text`. A `%` that no two hexadecimal digits follow stands for itself.
pub(super) fn of(text: &str) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let digit = |place: usize| {
            let byte = characters.as_str().as_bytes().get(place)?;
            u8::try_from(char::from(*byte).to_digit(16)?).ok()
        };
        match (character, digit(0), digit(1)) {
            ('%', Some(high), Some(low)) => {
                tokens.push(Token::Encoded(high << 4 | low));
                characters.nth(1);
            }
            _ => tokens.push(Token::Plain(character)),
        }
    }
    tokens
}

/// The text behind the encoding, if it is UTF-8 and safe: no NUL, and no segment `..`.
pub(super) fn decode(tokens: &[Token]) -> Option<String> {
    let mut bytes = Vec::with_capacity(tokens.len());
    for token in tokens {
        match token {
            Token::Plain(character) => {
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Token::Encoded(byte) => bytes.push(*byte),
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    let is_safe = !text.contains('\0') && text.split(['/', '\\']).all(|segment| segment != "..");
    is_safe.then_some(text)
}
