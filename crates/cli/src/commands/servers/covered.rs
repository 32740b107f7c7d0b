//! Configured values as they are shown: what may be secret is covered.

use serde_json::{Map, Value, json};

use crate::{secret_names::may_be_secret, target::COVER};

/// The value of a header or a variable, if it consists of references; else it may be secret.
pub(crate) fn shown(text: &str) -> String {
    if is_reference(text) { text.to_owned() } else { COVER.to_owned() }
}

/// The same, of the file of a gateway, where `file:PATH` and `cmd:COMMAND` are sources of a secret.
pub(crate) fn shown_source(text: &str) -> String {
    let source = text.strip_prefix("Bearer ").unwrap_or(text);
    match source.starts_with("file:") || source.starts_with("cmd:") {
        true => text.to_owned(),
        false => shown(text),
    }
}

/// The arguments of a command, without the values of options and variables that may be secret.
pub(crate) fn shown_arguments<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut before = "";
    let mut all = Vec::new();
    for word in words {
        // The bridge has the place of a token among its arguments.
        let is_place = word.strip_prefix("env:").is_some_and(is_name);
        let is_value =
            before.starts_with('-') && !before.contains('=') && !word.starts_with("--") && !is_place;
        all.push(match before {
            "-H" => shown(word),
            "-e" | "--env" if word.contains('=') => shown_pair(word, true),
            _ if is_value && may_be_secret(before) => shown(word),
            _ => shown_argument(word),
        });
        before = word;
    }
    all
}

/// Keys of headers and variables, in the files of all clients.
const PAIRS: [&str; 5] = ["headers", "http_headers", "env", "envs", "environment"];
/// Keys of URLs.
const URLS: [&str; 5] = ["url", "httpUrl", "serverUrl", "baseUrl", "uri"];

/// The entry as it is shown: a value of a header or a variable, an argument and a URL may be secret.
pub(super) fn shown_entry(entry: &Map<String, Value>) -> Value {
    let covered = |(key, value): (&String, &Value)| {
        let covered: Value = match (key.as_str(), value) {
            (key, Value::Object(texts)) if PAIRS.contains(&key) => texts
                .iter()
                .map(|(name, text)| (name.clone(), Value::from(shown(text.as_str().unwrap_or_default()))))
                .collect(),
            // opencode has a list with the program in front.
            ("args" | "command", Value::Array(words)) => {
                json!(shown_arguments(words.iter().filter_map(Value::as_str)))
            }
            (key, Value::String(url)) if URLS.contains(&key) => {
                anyport_transport::client::http::without_secrets(url).into()
            }
            _ => value.clone(),
        };
        (key.clone(), covered)
    };
    Value::Object(entry.iter().map(covered).collect())
}

/// Whether an entry holds a value that may be secret: of a header, a variable or an option with such a name, or in a URL.
pub(super) fn has_secret(entry: &Map<String, Value>) -> bool {
    let covered = shown_entry(entry);
    let is_secret = |(name, text): (&String, &Value)| {
        may_be_secret(name) && text.as_str().is_some_and(|text| !is_reference(text))
    };
    entry.iter().any(|(key, value)| match value {
        Value::Object(texts) if PAIRS.contains(&key.as_str()) => texts.iter().any(is_secret),
        value => covered.get(key) != Some(value),
    })
}

fn shown_argument(word: &str) -> String {
    if is_reference(word) {
        return word.to_owned();
    }
    // JSON, a header and a line for a shell may hold a secret anywhere.
    let is_line = word.contains(char::is_whitespace) && may_be_secret(word);
    if is_line || word.trim_start().starts_with(['{', '[']) {
        return COVER.to_owned();
    }
    shown_pair(word, false)
}

/// `NAME=VALUE`, with its value covered if that may be secret; or a word.
fn shown_pair(word: &str, is_secret: bool) -> String {
    let (name, value) = match word.split_once('=') {
        Some((name, value)) if !name.contains("://") => (name, value),
        _ if word.contains("://") => return anyport_transport::client::http::without_secrets(word),
        _ => return word.to_owned(),
    };
    // A value may consist of pairs itself.
    if is_secret || may_be_secret(name) || (value.contains(['=', ':']) && may_be_secret(value)) {
        return format!("{name}={}", shown(value));
    }
    match value.contains("://") {
        true => format!("{name}={}", anyport_transport::client::http::without_secrets(value)),
        false => word.to_owned(),
    }
}

/// Whether a text consists of references to variables, with nothing but the scheme of a token before them. A reference with
/// a default does not count: the default may be a secret.
fn is_reference(text: &str) -> bool {
    const SCHEMES: [&str; 3] = ["Bearer", "Basic", "token"];
    let rest = match text.split_once(' ') {
        Some((scheme, rest)) if SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme)) => rest,
        _ => text,
    };
    anyport_config::is_reference(rest)
}

fn is_name(word: &str) -> bool {
    anyport_config::is_reference(&format!("${{{word}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_if_it_consists_of_references() {
        for text in [
            "${KEY}",
            "${env:KEY}",
            "${input:api-key}",
            "{env:KEY}",
            "${A}${B}",
            "Bearer ${KEY}",
            "Basic ${env:KEY}",
            "token {env:KEY}",
        ] {
            assert_eq!(shown(text), text);
        }
        for text in [
            "",
            "s3cret",
            "${KEY:-s3cret}",
            "${KEY-s3cret}",
            "${env:KEY:-s3cret}",
            "{KEY}",
            "s3cret ${KEY}",
            "s3cret${KEY}",
            "${KEY}s3cret",
            "${KEY} s3cret",
            "Bearer s3cret ${KEY}",
            "Bearer s3cret",
            "Bearer ",
            "${KEY",
            "${}",
            "env:KEY",
        ] {
            assert_eq!(shown(text), "<hidden>", "{text}");
        }
    }

    #[test]
    fn arguments_are_shown_without_the_values_of_secret_options() {
        let check = |words: &[&str], expected: &[&str]| {
            assert_eq!(shown_arguments(words.iter().copied()), expected, "{words:?}");
        };
        check(&["-y", "a", "--port", "1", "/x=1"], &["-y", "a", "--port", "1", "/x=1"]);
        check(&["--api-key", "s3cret", "a"], &["--api-key", "<hidden>", "a"]);
        check(&["--API-KEY=s3cret", "a"], &["--API-KEY=<hidden>", "a"]);
        check(&["--token", "${KEY}", "--token=${KEY}"], &["--token", "${KEY}", "--token=${KEY}"]);
        check(&["--no-auth", "--port", "1"], &["--no-auth", "--port", "1"]);
        check(&["--header", "X-A: s3cret", "-H", "X-A: s3cret"], &["--header", "<hidden>", "-H", "<hidden>"]);
        check(&["Authorization: s3cret", "--header=A: s3cret"], &["<hidden>", "<hidden>"]);
        check(&["-c", "TOKEN=s3cret a --b=c"], &["-c", "<hidden>"]);
        check(&["-e", "MODE=s3cret", "-e", "MODE"], &["-e", "MODE=<hidden>", "-e", "MODE"]);
        check(&["MY_TOKEN=s3cret", "--set=token=s3cret"], &["MY_TOKEN=<hidden>", "--set=<hidden>"]);
        check(
            &["--bearer", "env:KEY", "--bearer", "s3cret"],
            &["--bearer", "env:KEY", "--bearer", "<hidden>"],
        );
        check(&["{\"k\": \"s3cret\"}"], &["<hidden>"]);
        check(&["https://me:s3cret@a.example/mcp?k=s3cret"], &["https://a.example/mcp"]);
        check(&["--url=https://me:s3cret@a.example/mcp"], &["--url=https://a.example/mcp"]);
    }

    #[test]
    fn an_entry_is_shown_without_secrets() {
        let check = |entry: Value, expected: Value| {
            assert_eq!(shown_entry(entry.as_object().unwrap()), expected);
        };
        check(
            json!({"command": "npx", "args": ["a", "--key", "s3cret"], "env": {"A": "s3cret", "B": "${env:B}"}}),
            json!({"command": "npx", "args": ["a", "--key", "<hidden>"], "env": {"A": "<hidden>", "B": "${env:B}"}}),
        );
        check(
            json!({"type": "remote", "url": "https://me:s3cret@a.example/mcp?k=s3cret", "headers": {"A": "s3cret {env:A}"}}),
            json!({"type": "remote", "url": "https://a.example/mcp", "headers": {"A": "<hidden>"}}),
        );
        check(
            json!({"command": ["npx", "a", "--token=s3cret"], "environment": {"A": "${A:-s3cret}"}}),
            json!({"command": ["npx", "a", "--token=<hidden>"], "environment": {"A": "<hidden>"}}),
        );
    }

    #[test]
    fn a_secret_is_a_value_that_stands_where_secrets_do() {
        let check = |entry: Value, expected: bool| {
            assert_eq!(has_secret(entry.as_object().unwrap()), expected, "{entry}");
        };
        check(json!({"command": "npx", "args": ["a"], "env": {"MODE": "fast", "KEY": "${KEY}"}}), false);
        check(json!({"command": "npx", "env": {"API_KEY": "s3cret"}}), true);
        check(json!({"command": "npx", "args": ["--token", "s3cret"]}), true);
        check(json!({"url": "https://a.example/mcp", "headers": {"X-A": "1"}}), false);
        check(json!({"url": "https://a.example/mcp", "headers": {"Authorization": "Bearer s3cret"}}), true);
        check(json!({"url": "https://a.example/mcp?key=s3cret"}), true);
    }
}
