//! The size of the machine that a regular expression becomes.

use std::{iter::Peekable, str::Chars};

/// The states of a character, which has up to four bytes.
const CHARACTER: usize = 4;
/// The states of a class of characters, such as `\s`, `.` or `[^a]`.
const CLASS: usize = 32;
/// The states of a class of Unicode, such as `\p{L}`.
const UNICODE_CLASS: usize = 1_000;

/// Returns about how many states the machine of `pattern` has, and rather too many. Matching a text takes a step for each of them
/// and each byte at worst: in linear time, but a few characters such as `((a{99}){99}){99}` make that of any length.
pub(super) fn states(pattern: &str) -> usize {
    let mut signs = pattern.chars().peekable();
    // The groups that are open: the states before the last part of each, and those of the last part.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let (mut before, mut last) = (0_usize, 0_usize);
    while let Some(sign) = signs.next() {
        let part = match sign {
            '(' => {
                open.push((before, last));
                (before, last) = (0, 0);
                continue;
            }
            ')' => {
                let group = before.saturating_add(last);
                (before, last) = open.pop().unwrap_or_default();
                group
            }
            '{' => match times(&mut signs) {
                Some(times) => {
                    last = last.saturating_mul(times);
                    continue;
                }
                None => CHARACTER,
            },
            '\\' => escaped(&mut signs),
            '[' => class(&mut signs),
            '.' => CLASS,
            _ => CHARACTER,
        };
        (before, last) = (before.saturating_add(last), part);
    }
    let inner = before.saturating_add(last);
    open.iter().fold(inner, |sum, (before, last)| sum.saturating_add(*before).saturating_add(*last))
}

/// The most repetitions of `{2}`, `{2,}` or `{2,5}`, behind the brace; `None` if it is no such thing.
fn times(signs: &mut Peekable<Chars<'_>>) -> Option<usize> {
    let inside: String = signs.clone().take_while(|sign| *sign != '}').collect();
    let (least, most) = inside.split_once(',').unwrap_or((&inside, &inside));
    let least: usize = least.parse().ok()?;
    let most = if most.is_empty() { least + 1 } else { most.parse().ok()? };
    // With the brace at the end.
    signs.nth(inside.chars().count());
    Some(most.max(1))
}

/// The states of what stands behind a backslash.
fn escaped(signs: &mut Peekable<Chars<'_>>) -> usize {
    match signs.next() {
        Some('p' | 'P') => {
            if signs.peek() == Some(&'{') {
                signs.find(|sign| *sign == '}');
            }
            UNICODE_CLASS
        }
        Some('d' | 'D' | 's' | 'S' | 'w' | 'W') => CLASS,
        _ => CHARACTER,
    }
}

/// The states of a class in brackets, behind the first of them.
fn class(signs: &mut Peekable<Chars<'_>>) -> usize {
    let mut states = if signs.peek() == Some(&'^') { CLASS } else { CHARACTER };
    while let Some(sign) = signs.next() {
        match sign {
            ']' => break,
            '\\' => states = states.saturating_add(escaped(signs)),
            sign if !sign.is_ascii() => states = states.saturating_add(CLASS),
            _ => {}
        }
    }
    states
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_multiply() {
        for (pattern, least, most) in [
            ("", 0, 0),
            ("^[a-z]+$", 3, 50),
            ("^.{1,1000}$", 4_000, 40_000),
            ("((a{99}){99}){9}", 88_000, 400_000),
            ("(ab|[cd]{1,50}){20}x", 1_000, 10_000),
            ("\\p{L}{64}", 60_000, 70_000),
            ("[^a-z\\d]{10}", 100, 1_000),
            ("a{,5}{x}", 8, 50),
            ("a\\{9\\}[{9}]", 4, 50),
            ("(((", 0, 0),
            ("(a{99999999}){99999999}{99999999}", usize::MAX, usize::MAX),
        ] {
            let states = states(pattern);
            assert!((least..=most).contains(&states), "{pattern}: {states}");
        }
    }
}
