//! Numbers of payment cards.

/// `text` with numbers of cards covered; `None` if it has none.
pub(super) fn covered(text: &str, cover: &str) -> Option<String> {
    let (mut out, mut at) = (String::new(), 0);
    for run in runs(text) {
        let mut first = 0;
        while first < run.len() {
            match longest(text, &run[first..]) {
                Some(count) => {
                    let (start, end) = (run[first].0, run[first + count - 1].1);
                    out.push_str(&text[at..start]);
                    out.push_str(cover);
                    (at, first) = (end, first + count);
                }
                None => first += 1,
            }
        }
    }
    if at == 0 {
        return None;
    }
    out.push_str(&text[at..]);
    Some(out)
}

/// Groups of digits with one space or hyphen between, each with its begin and end: a card's number may be written in groups, and other
/// numbers may stand beside it.
fn runs(text: &str) -> Vec<Vec<(usize, usize)>> {
    let bytes = text.as_bytes();
    let mut runs: Vec<Vec<(usize, usize)>> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        let continues = |run: &Vec<(usize, usize)>| {
            run.last().is_some_and(|(_, end)| {
                end + 1 == start && bytes.get(*end).is_some_and(|byte| b" -".contains(byte))
            })
        };
        match runs.last_mut().filter(|run| continues(run)) {
            Some(run) => run.push((start, at)),
            None => runs.push(vec![(start, at)]),
        }
    }
    runs
}

/// The number of groups at the beginning that are the number of a card, the most of them.
fn longest(text: &str, groups: &[(usize, usize)]) -> Option<usize> {
    let (mut digits, mut found) = (String::new(), None);
    for (count, (start, end)) in groups.iter().enumerate() {
        digits.push_str(&text[*start..*end]);
        if digits.len() > 19 {
            break;
        }
        if is_card(&digits) {
            found = Some(count + 1);
        }
    }
    found
}

/// Whether digits are the number of a card: its issuer (ISO/IEC 7812-1) and the check digit (Annex B there, known as Luhn's).
fn is_card(digits: &str) -> bool {
    let prefix = |count: usize| digits.get(..count).and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    let is_issued = match digits.len() {
        13 => prefix(1) == 4,
        14 => matches!(prefix(2), 30 | 36 | 38 | 39),
        15 => matches!(prefix(2), 34 | 37),
        16 => {
            prefix(1) == 4
                || matches!(prefix(2), 35 | 51..=55 | 60 | 62 | 64 | 65)
                || matches!(prefix(4), 2221..=2720)
        }
        17 | 18 => matches!(prefix(2), 60 | 62 | 64 | 65),
        19 => prefix(1) == 4 || matches!(prefix(2), 35 | 60 | 62 | 64 | 65),
        _ => false,
    };
    is_issued && luhn(digits)
}

fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte - b'0');
            match (at % 2, digit * 2) {
                (0, _) => digit,
                (_, doubled) if doubled > 9 => doubled - 9,
                (_, doubled) => doubled,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}
