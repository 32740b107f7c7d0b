//! What an edit of a text leaves as it is beside the entry: the byte order mark, the line endings, and a last line without an ending.

/// Some editors begin files with a byte order mark.
const MARK: char = '\u{feff}';

/// `text` without a byte order mark.
pub(super) fn without_mark(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// Applies `edit` to `text` in the form that every editor here expects: no byte order mark, and `\n` after each line. Returns the
/// result in the form of `text`.
///
/// # Errors
/// Those of `edit`.
pub(super) fn kept<E>(text: &str, edit: impl FnOnce(&str) -> Result<String, E>) -> Result<String, E> {
    let body = without_mark(text);
    let mark = &text[..text.len() - body.len()];
    let mut plain = body.replace("\r\n", "\n");
    let is_open = !plain.is_empty() && !plain.ends_with('\n');
    if is_open {
        plain.push('\n');
    }
    let mut edited = edit(&plain)?;
    if is_open && edited.ends_with('\n') {
        edited.pop();
    }
    Ok(format!("{mark}{}", with_line_endings(body, &edited)))
}

/// `new`, whose lines end in `\n`, with the line endings of `old`: each line before and after the change has its own, and the lines
/// of the change have the most frequent one.
fn with_line_endings(old: &str, new: &str) -> String {
    if !old.contains("\r\n") {
        return new.to_owned();
    }
    let old: Vec<(&str, &str)> = old.split_inclusive('\n').map(line_and_ending).collect();
    let new: Vec<(&str, &str)> = new.split_inclusive('\n').map(line_and_ending).collect();
    let crlf = old.iter().filter(|(_, ending)| *ending == "\r\n").count();
    let usual = if crlf * 2 >= old.len() { "\r\n" } else { "\n" };
    let same = |((old, _), (new, _)): &(&(&str, &str), &(&str, &str))| old == new;
    let before = old.iter().zip(&new).take_while(same).count();
    let rest = old.len().min(new.len()) - before;
    let after = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(same).count();
    let mut out = String::new();
    for (at, (line, ending)) in new.iter().enumerate() {
        let own = match at {
            at if at < before => old[at].1,
            at if at >= new.len() - after => old[old.len() + at - new.len()].1,
            _ => usual,
        };
        out.push_str(line);
        out.push_str(match (*ending, own) {
            ("", _) => "",
            // The last line had none, and is not the last any more.
            (_, "") => usual,
            (_, own) => own,
        });
    }
    out
}

fn line_and_ending(line: &str) -> (&str, &str) {
    let text = line.strip_suffix('\n').unwrap_or(line);
    let text = text.strip_suffix('\r').unwrap_or(text);
    (text, &line[text.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, edit: fn(&str) -> String, expected: &str) {
        let edited = kept(old, |text| Ok::<_, ()>(edit(text)));
        assert_eq!(edited.as_deref(), Ok(expected), "{old:?}");
    }

    #[test]
    fn marks_and_line_endings_stay() {
        check("\u{feff}a\r\nb\r\n", |text| text.replace("b\n", "x\nb\n"), "\u{feff}a\r\nx\r\nb\r\n");
        check("a\r\nb\nc\r\n", |text| text.replace("c\n", "c\nd\n"), "a\r\nb\nc\r\nd\r\n");
        check("a\nb\r\nc\n", |text| text.replace("a\n", "x\n"), "x\nb\r\nc\n");
        check("a\nb", |text| text.to_owned() + "c\n", "a\nb\nc");
        check("a\r\nb", |text| text.to_owned() + "c\n", "a\r\nb\r\nc");
        check("a\r\nb\r\nc", |text| text.replace("b\n", ""), "a\r\nc");
        check("", |_| "a\n".into(), "a\n");
    }
}
