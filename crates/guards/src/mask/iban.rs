//! International bank account numbers.

/// `text` with bank account numbers covered; `None` if it has none.
pub(super) fn covered(text: &str, cover: &str) -> Option<String> {
    let (mut out, mut at, mut from) = (String::new(), 0, 0);
    while let Some(start) = next_start(text, from) {
        match end_of(text, start) {
            Some(end) => {
                out.push_str(&text[at..start]);
                out.push_str(cover);
                (at, from) = (end, end);
            }
            None => from = start + 2,
        }
    }
    if at == 0 {
        return None;
    }
    out.push_str(&text[at..]);
    Some(out)
}

/// Where the next two letters stand with two digits behind them, and no letter or digit before them.
fn next_start(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    (from..bytes.len().saturating_sub(3)).find(|at| {
        let is_free = *at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
        is_free
            && bytes[*at].is_ascii_alphabetic()
            && bytes[at + 1].is_ascii_alphabetic()
            && bytes[at + 2].is_ascii_digit()
            && bytes[at + 3].is_ascii_digit()
    })
}

/// Where the number that begins at `start` ends: it has as many signs as its country has, perhaps in groups, and the check digits are right.
fn end_of(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let country = text.get(start..start + 2)?.to_ascii_uppercase();
    let length = LENGTHS.split(' ').find_map(|entry| entry.strip_prefix(&*country))?.parse::<usize>().ok()?;
    let (mut signs, mut at) = (String::with_capacity(length), start);
    while signs.len() < length {
        match *bytes.get(at)? {
            byte if byte.is_ascii_alphanumeric() => signs.push(char::from(byte.to_ascii_uppercase())),
            b' ' | b'-' if bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric) => {}
            _ => return None,
        }
        at += 1;
    }
    let is_whole = !bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    (is_whole && is_checked(&signs)).then_some(at)
}

/// ISO 13616-1 §6: the remainder of the number by 97, with its first four signs behind the others and letters as 10 to 35, is 1.
fn is_checked(signs: &str) -> bool {
    let turned = signs.bytes().skip(4).chain(signs.bytes().take(4));
    let rest = turned.fold(0_u32, |rest, sign| match sign {
        b'0'..=b'9' => (rest * 10 + u32::from(sign - b'0')) % 97,
        letter => (rest * 100 + u32::from(letter - b'A') + 10) % 97,
    });
    rest == 1
}

/// The length of the numbers of each country, as its registry of ISO 13616 has it.
const LENGTHS: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 \
    FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 \
    MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 \
    SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30";
