//! The inside of JSON strings.

use std::borrow::Cow;

/// The text that the inside of a valid JSON string stands for; borrowed when nothing is escaped.
///
/// The input must have passed [`super::scan`]; escapes that it would refuse are dropped.
pub fn unescape(inside: &str) -> Cow<'_, str> {
    // In text that has passed the scan, the first byte that is not plain is a backslash.
    let first = plain_run(inside.as_bytes());
    if first == inside.len() {
        return Cow::Borrowed(inside);
    }
    let mut plain = String::with_capacity(inside.len());
    plain.push_str(&inside[..first]);
    let mut rest = &inside[first..];
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        plain.push_str(&rest[..at]);
        let (character, length) = escaped(&rest.as_bytes()[at..]);
        plain.extend(character);
        rest = rest.get(at + length..).unwrap_or_default();
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// A name as those see it who do not regard case (`K` of Kelvin and the long `s` are letters like others), or end it at a NUL: two
/// names that differ only in that are alike.
pub fn folded(name: &str) -> String {
    let end = name.find('\0').unwrap_or(name.len());
    match &name[..end] {
        name if name.is_ascii() => name.to_ascii_lowercase(),
        name => name.to_uppercase().to_lowercase(),
    }
}

/// The character that an escape stands for, and how many bytes the escape takes.
fn escaped(escape: &[u8]) -> (Option<char>, usize) {
    let simple = match escape.get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => {
            let Some(high) = hex4(escape.get(2..6).unwrap_or_default()) else { return (None, 2) };
            let low = escape.get(8..12).and_then(hex4).filter(|_| escape.get(6..8) == Some(b"\\u"));
            let pair = low.map(|low| [high, low]).filter(|_| (0xd800..=0xdbff).contains(&high));
            return match pair {
                Some(units) => (char::decode_utf16(units).next().and_then(Result::ok), 12),
                None => (char::from_u32(u32::from(high)), 6),
            };
        }
        Some(&byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
        _ => return (None, 2),
    };
    (Some(simple), 2)
}

/// Four hexadecimal digits as a number.
pub(super) fn hex4(digits: &[u8]) -> Option<u16> {
    if digits.len() != 4 {
        return None;
    }
    digits.iter().try_fold(0u16, |value, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(value << 4 | digit as u16)
    })
}

/// How many bytes at the start of `bytes` are neither `"`, `\\` nor a control character: a run that a string may hold
/// as it stands. Eight bytes are looked at in one go, since strings are most of what a message is made of.
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    let mut plain = 0;
    for word in words {
        if let Some(at) = first_special(word) {
            return plain + at;
        }
        plain += 8;
        if plain == SHORT {
            return long_plain_run(bytes);
        }
    }
    plain + plain_bytes(&bytes[plain..])
}

/// Most strings are shorter.
const SHORT: usize = 64;

/// The same for a long run, in blocks, which are several times as fast but tell only that there is something, not where.
#[inline(never)]
fn long_plain_run(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<64>();
    let plain = 64 * blocks.iter().take_while(|block| is_plain(block)).count();
    let (words, _) = bytes[plain..].as_chunks::<8>();
    let plain = plain + 8 * words.iter().take_while(|word| first_special(word).is_none()).count();
    plain + plain_bytes(&bytes[plain..])
}

/// The same byte by byte, for what is left.
fn plain_bytes(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| is_special(byte)).unwrap_or(bytes.len())
}

/// It looks at all bytes, whatever the first ones are, so that the compiler can look at many bytes at once.
fn is_plain(block: &[u8; 64]) -> bool {
    block.iter().fold(0, |any, &byte| any | u8::from(is_special(byte))) == 0
}

fn is_special(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

/// The place of the first special byte in a word.
fn first_special(word: &[u8; 8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    // The high bit of every byte that is below `limit`; above the lowest such byte there may be false ones.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGHS;
    let word = u64::from_le_bytes(*word);
    let quotes = below(word ^ (ONES * u64::from(b'"')), 1);
    let escapes = below(word ^ (ONES * u64::from(b'\\')), 1);
    let special = quotes | escapes | below(word, 0x20);
    (special != 0).then(|| special.trailing_zeros() as usize / 8)
}

/// Appends `text` as a JSON string, quotes included.
pub fn write(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    write_escaped(out, text);
    out.push(b'"');
}

/// Appends `text` as a part of a JSON string, without quotes around it.
pub fn write_escaped(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut rest = text.as_bytes();
    loop {
        let (plain, special) = rest.split_at(plain_run(rest));
        out.extend_from_slice(plain);
        let Some((&byte, after)) = special.split_first() else { break };
        rest = after;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unescape_reads_every_escape() {
        assert_eq!(unescape("plain"), "plain");
        assert_eq!(unescape(r#"a\"\\\/\b\f\n\r\tz"#), "a\"\\/\u{8}\u{c}\n\r\tz");
        assert_eq!(unescape(r"\u00e9\ud83d\ude00!"), "é😀!");
        assert!(matches!(unescape("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_plain_run_ends_at_the_first_special_byte_wherever_it_stands() {
        for special in (0..0x20).chain([b'"', b'\\']) {
            for length in (0..40).chain(120..150).chain([200]) {
                for at in 0..length {
                    let mut bytes = vec![b'a' + (at % 26) as u8; length];
                    bytes[at] = special;
                    bytes[length - 1] = if at == length - 1 { special } else { 0xff };
                    assert_eq!(plain_run(&bytes), at, "{special:#x} at {at} of {length}");
                }
                assert_eq!(plain_run(&vec![0x7f; length]), length);
                assert_eq!(plain_run(&vec![0x80; length]), length);
            }
        }
    }

    #[test]
    fn write_escapes_what_json_demands() {
        let mut out = Vec::new();
        write(&mut out, "a\"b\\c\n\u{1}é");
        assert_eq!(out, r#""a\"b\\c\n\u0001é""#.as_bytes());
    }
}
