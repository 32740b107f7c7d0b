//! Signs of a path that programs leave out, or put something in the place of.

use anyport_service::visible_text::is_visible;

use crate::refusal::Fault;

/// Refuses a path that programs may read as another one.
pub(super) fn check(path: &str) -> Result<(), Fault> {
    if path.trim() != path {
        return Err("it begins or ends with white space".into());
    }
    if path.contains(|sign: char| !is_visible(sign)) {
        return Err("it has signs that cannot be seen".into());
    }
    if path.starts_with(QUOTES) || path.ends_with(QUOTES) || path.contains('`') {
        return Err("it has quotes, which programs leave out".into());
    }
    if path.starts_with(['~', '-']) {
        return Err("it begins with a sign that shells and programs take for something else".into());
    }
    let is_between = |first, last| path.starts_with(first) && path.ends_with(last);
    if is_between('[', ']') || is_between('{', '}') {
        return Err("it is a list or an object in a text".into());
    }
    if has_variable_of_shells(path) || has_variable_of_windows(path) {
        return Err("it has a variable, which programs put a value in the place of".into());
    }
    Ok(())
}

const QUOTES: [char; 3] = ['"', '\'', '`'];

/// `$HOME`, `${HOME}`, `$(pwd)`, `$1`, `$$`.
fn has_variable_of_shells(path: &str) -> bool {
    let begins =
        |rest: &str| rest.starts_with(|sign: char| sign.is_alphanumeric() || "_{([$@*#?!'\"".contains(sign));
    path.split('$').skip(1).any(begins) || path.contains("$$")
}

/// `%USERPROFILE%`, unless each `%` begins an escape.
fn has_variable_of_windows(path: &str) -> bool {
    let is_escape = |rest: &str| matches!(rest.as_bytes(), [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    if path.split('%').skip(1).all(is_escape) {
        return false;
    }
    let between: Vec<&str> = path.split('%').skip(1).collect();
    let names = between.iter().take(between.len().saturating_sub(1));
    names.into_iter().any(|name| name.starts_with(|sign: char| sign.is_alphabetic() || "_(".contains(sign)))
}
