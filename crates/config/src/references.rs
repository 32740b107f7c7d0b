//! References to variables of the environment, in the syntax of each client.

/// How a client writes a reference to a variable of the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// `${NAME}` and `${NAME:-default}`.
    Shell,
    /// `${env:NAME}`.
    Env,
    /// `{env:NAME}`.
    Braces,
    /// Every syntax that is read here.
    Any,
    /// The client expands nothing.
    None,
}

/// One part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Text without a reference.
    Text(&'a str),
    /// A reference to a variable of the environment.
    Variable {
        /// The reference as it is written.
        written: &'a str,
        /// Its name.
        name: &'a str,
        /// What stands for it where it is not set.
        default: Option<&'a str>,
    },
}

/// What stands for a path, and for no variable of the environment.
const PATHS: [&str; 4] = ["userHome", "workspaceFolder", "workspaceFolderBasename", "pathSeparator"];

/// The parts of `text`. A `${...}` that names no variable of the environment (`${workspaceFolder}`, `${input:key}`) is text.
pub(crate) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut from = 0;
    while let Some(found) = rest[from..].find("${") {
        let start = from + found;
        let Some(length) = rest[start + 2..].find('}') else { break };
        let (inside, end) = (&rest[start + 2..start + 2 + length], start + 2 + length + 1);
        let Some((name, default)) = variable(inside) else {
            from = end;
            continue;
        };
        if start > 0 {
            parts.push(Part::Text(&rest[..start]));
        }
        parts.push(Part::Variable { written: &rest[start..end], name, default });
        rest = &rest[end..];
        from = 0;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

/// The name and the default of a reference, from what stands between its braces.
fn variable(inside: &str) -> Option<(&str, Option<&str>)> {
    let (name, default) = match inside.strip_prefix("env:") {
        Some(name) => (name, None),
        None => match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        },
    };
    (is_name(name) && !PATHS.contains(&name)).then_some((name, default))
}

/// Whether `word` can be the name of a variable.
fn is_name(word: &str) -> bool {
    let mut bytes = word.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether `text` consists of references to variables and to what its client asks for, in any client's syntax, and of nothing else. A
/// reference with a default does not count: the default is text.
pub fn is_reference(text: &str) -> bool {
    let text = from_braces(text);
    let is_id = |id: &str| {
        let sign = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        !id.is_empty() && id.chars().all(sign)
    };
    let is_known = |inside: &str| PATHS.contains(&inside) || inside.strip_prefix("input:").is_some_and(is_id);
    let are_others = |text: &str| {
        let mut references = text.split_inclusive('}').map(|part| part.strip_prefix("${")?.strip_suffix('}'));
        references.all(|inside| inside.is_some_and(is_known))
    };
    let is_one = |part: &Part<'_>| match part {
        Part::Variable { default, .. } => default.is_none(),
        Part::Text(text) => are_others(text),
    };
    !text.is_empty() && parts(&text).iter().all(is_one)
}

/// The names of the variables of the environment that `text` refers to, as `${NAME}` or, as a whole, as `env:NAME`.
pub fn variables_of(text: &str) -> Vec<String> {
    let text = from_source(text);
    let name = |part: Part<'_>| match part {
        Part::Variable { name, .. } => Some(name.to_owned()),
        Part::Text(_) => None,
    };
    parts(&text).into_iter().filter_map(name).collect()
}

/// The variable that `text` consists of, if it is one reference without a default.
pub(crate) fn only_variable(text: &str) -> Option<&str> {
    match *parts(text) {
        [Part::Variable { name, default: None, .. }] => Some(name),
        _ => None,
    }
}

/// Rewrites `{env:NAME}` of opencode as `${env:NAME}`, and `{file:PATH}` as `${file:PATH}`, which no other program expands.
pub(crate) fn from_braces(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = '\0';
    for (index, c) in text.char_indices() {
        let rest = &text[index..];
        if c == '{' && before != '$' && (rest.starts_with("{env:") || rest.starts_with("{file:")) {
            out.push('$');
        }
        out.push(c);
        before = c;
    }
    out
}

/// Rewrites `$env:NAME` of mcporter as `${NAME}`.
pub(crate) fn from_dollar_env(text: &str) -> String {
    dollar(text, "$env:")
}

/// Rewrites `$NAME` of Gemini CLI as `${NAME}`.
pub(crate) fn from_dollar(text: &str) -> String {
    dollar(text, "$")
}

/// Rewrites `env:NAME`, the source of a secret in `anyport.toml`, as `${NAME}`.
pub(crate) fn from_source(text: &str) -> String {
    match text.strip_prefix("env:").filter(|name| is_name(name)) {
        Some(name) => format!("${{{name}}}"),
        None => text.to_owned(),
    }
}

fn dollar(text: &str, mark: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(mark) {
        out.push_str(&rest[..start]);
        let after = &rest[start + mark.len()..];
        let length = after.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        if is_name(&after[..length]) {
            out.push_str(&format!("${{{}}}", &after[..length]));
            rest = &after[length..];
        } else {
            out.push_str(mark);
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_among_text() {
        let variable = |written, name, default| Part::Variable { written, name, default };
        assert_eq!(
            parts("Bearer ${A} ${env:B}${C:-d e}!"),
            [
                Part::Text("Bearer "),
                variable("${A}", "A", None),
                Part::Text(" "),
                variable("${env:B}", "B", None),
                variable("${C:-d e}", "C", Some("d e")),
                Part::Text("!"),
            ]
        );
        for text in ["${workspaceFolder}/a", "${input:key}", "$A ${A", "{}$", "${}", "${config:x.y}"] {
            assert_eq!(parts(text), [Part::Text(text)], "{text}");
        }
        assert_eq!(parts("${userHome}/${A}"), [Part::Text("${userHome}/"), variable("${A}", "A", None)]);
        assert_eq!(only_variable("${env:TOKEN}"), Some("TOKEN"));
        assert_eq!(only_variable("x${env:TOKEN}"), None);
    }

    #[test]
    fn other_syntaxes_become_ours() {
        assert_eq!(
            from_braces("Bearer {env:KEY} ${env:A} {file:./k} {x}"),
            "Bearer ${env:KEY} ${env:A} ${file:./k} {x}"
        );
        assert_eq!(from_dollar_env("$env:KEY/$env: $KEY"), "${KEY}/$env: $KEY");
        assert_eq!(from_dollar("$KEY-${B} $5 $"), "${KEY}-${B} $5 $");
    }
}
