//! The arguments of a tool call, from words of a command line.
//!
//! `key=value` is read by the tool's `inputSchema`: numbers, truth values, words to choose from, lists (a key given
//! several times, or JSON) and objects (JSON, or `key.inner=value`). `key:=json` is JSON whatever the schema says.
//! `'{...}'`, `@FILE` and `-` (standard input) give a JSON object as it is; what stands after it as `key=value` replaces
//! members of it.

use std::{cell::Cell, fmt, fs, io};

use anyport_protocol::suggest::did_you_mean;
use serde_json::{Map, Number, Value};

use crate::{render::signature, schema::followed};

/// The words cannot be read; what is wrong, and what would be right.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The fault.
    pub(crate) problem: String,
    /// The advice.
    pub(crate) help: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Mistake {}

/// Whether arguments must fit the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// What does not fit is refused.
    Must,
    /// What does not fit is taken as JSON, or else as text.
    May,
}

/// Reads `words` as arguments of the tool `name` with the schema `schema`.
///
/// # Errors
/// When they do not fit, with the tool's signature.
pub(crate) fn parse(
    words: &[String],
    name: &str,
    schema: &Map<String, Value>,
    fit: Fit,
    stdin: impl FnOnce() -> io::Result<String>,
) -> Result<Map<String, Value>, Mistake> {
    let takes = || format!("it is called as {}", signature::of(name, schema));
    let mistake = |problem: String, hint: Option<String>| {
        let help = hint.map_or_else(takes, |hint| format!("{hint} {}", takes()));
        Mistake { problem, help }
    };
    let schema = Schemas { root: schema, steps: Cell::new(0) };
    let (mut arguments, pairs) = whole(words, stdin).map_err(|problem| {
        let how =
            "arguments are KEY=VALUE, '{\"KEY\": \"VALUE\"}', @FILE with such JSON, or - for standard input.";
        mistake(problem, Some(how.into()))
    })?;
    let mut given = Given::default();
    for word in pairs {
        let Some((key, value)) = word.split_once('=') else {
            let problem = format!(
                "{word} is not an argument: KEY=VALUE, KEY:=JSON, '{{json}}', @FILE or - was expected"
            );
            return Err(mistake(problem, did_you_mean(word, schema.names())));
        };
        let (key, value) = match key.strip_suffix(':').filter(|_| schema.is_unknown(key)) {
            Some(key) => (key, Word::Json(value)),
            None => (key, Word::Text(value)),
        };
        let path = schema.path(key);
        if fit == Fit::Must && schema.is_unknown(path[0]) {
            let problem = format!("{name} takes no argument {}", path[0]);
            return Err(mistake(problem, did_you_mean(path[0], schema.names())));
        }
        given.add(path, value);
    }
    for (path, values) in given.0 {
        let at = schema.at(&path);
        let value = match &*values {
            [Word::Text(only)] => schema.read(only, at),
            [Word::Json(only)] => json_value(only, path.join(".").as_str()),
            several => match several.iter().copied().map(Word::text).collect::<Option<Vec<_>>>() {
                Some(texts) => schema.list(&texts, at),
                None => Err(Wrong {
                    problem: format!("it was given {} times, once with :=", several.len()),
                    hint: Some("write one := with all of it.".into()),
                }),
            },
        };
        let value = match (value, &*values) {
            (Err(_), [Word::Text(only)]) if fit == Fit::May => schema.read(only, None),
            (value, _) => value,
        };
        let value =
            value.map_err(|wrong| mistake(format!("{}: {}", path.join("."), wrong.problem), wrong.hint))?;
        put(&mut arguments, &path, value).map_err(|problem| mistake(problem, None))?;
    }
    let missing: Vec<&str> = schema.required().filter(|name| !arguments.contains_key(*name)).collect();
    match &*missing {
        _ if fit == Fit::May => Ok(arguments),
        [] => Ok(arguments),
        [one] => Err(mistake(format!("the argument {one} is missing"), None)),
        many => Err(mistake(format!("the arguments {} are missing", many.join(", ")), None)),
    }
}

/// The object in the first word, and the words after it.
fn whole(
    words: &[String],
    stdin: impl FnOnce() -> io::Result<String>,
) -> Result<(Map<String, Value>, &[String]), String> {
    let Some((first, rest)) = words.split_first() else { return Ok((Map::new(), words)) };
    let (text, source) = if first == "-" {
        (
            stdin().map_err(|error| format!("cannot read standard input: {error}"))?,
            "standard input".to_owned(),
        )
    } else if let Some(path) = first.strip_prefix('@') {
        (fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))?, path.to_owned())
    } else if first.trim_start().starts_with('{') {
        (first.clone(), "the argument".to_owned())
    } else {
        return Ok((Map::new(), words));
    };
    match serde_json::from_str(&text) {
        Ok(Value::Object(object)) => Ok((object, rest)),
        Ok(_) => Err(format!("{source} is no JSON object")),
        Err(error) => Err(format!("{source} is no JSON: {error}")),
    }
}

/// What stands after a key.
#[derive(Clone, Copy)]
enum Word<'a> {
    /// After `=`: text, which the schema says how to read.
    Text(&'a str),
    /// After `:=`: JSON.
    Json(&'a str),
}

impl<'a> Word<'a> {
    fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Json(_) => None,
        }
    }
}

/// The value of `key:=json`.
fn json_value(text: &str, key: &str) -> Result<Value, Wrong> {
    serde_json::from_str(text).map_err(|error| Wrong {
        problem: format!("{text} is no JSON: {error}"),
        hint: Some(format!("after := stands JSON, in quotes for the shell: {key}:='[\"a\", \"b\"]'.")),
    })
}

/// Values by where they go, in the order in which they were first named.
#[derive(Default)]
struct Given<'a>(Vec<(Vec<&'a str>, Vec<Word<'a>>)>);

impl<'a> Given<'a> {
    fn add(&mut self, path: Vec<&'a str>, value: Word<'a>) {
        match self.0.iter_mut().find(|(other, _)| *other == path) {
            Some((_, values)) => values.push(value),
            None => self.0.push((path, vec![value])),
        }
    }
}

fn put(object: &mut Map<String, Value>, path: &[&str], value: Value) -> Result<(), String> {
    let [inner @ .., last] = path else { return Ok(()) };
    let mut place = object;
    for key in inner {
        let next = place.entry(*key).or_insert_with(|| Value::Object(Map::new()));
        place = next.as_object_mut().ok_or_else(|| format!("{key} is given as a value and as an object"))?;
    }
    place.insert((*last).to_owned(), value);
    Ok(())
}

/// Why a value does not fit.
struct Wrong {
    problem: String,
    hint: Option<String>,
}

impl Wrong {
    fn expected(what: &str, text: &str) -> Self {
        Self { problem: format!("{what} was expected, not {text}"), hint: None }
    }
}

/// How often one of several schemas may itself be one of several.
const DEEPEST: usize = 32;

/// A tool's schema, and what it says about places in it.
struct Schemas<'a> {
    root: &'a Map<String, Value>,
    /// How many schemas a value was held against.
    steps: Cell<usize>,
}

/// So many schemas are tried for the values of a call. A server could write one of a few lines in which a value is held against
/// more than anybody waits for; what is left then is text.
const MAX_STEPS: usize = 10_000;

impl<'a> Schemas<'a> {
    fn properties(&self, schema: &'a Map<String, Value>) -> Option<&'a Map<String, Value>> {
        self.followed(schema).get("properties")?.as_object()
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        self.properties(self.root).into_iter().flat_map(|all| all.keys().map(String::as_str))
    }

    fn required(&self) -> impl Iterator<Item = &'a str> {
        let required = self.followed(self.root).get("required").and_then(Value::as_array);
        required.into_iter().flatten().filter_map(Value::as_str)
    }

    /// Whether `name` is a slip: nothing says that arguments beyond those listed are welcome.
    fn is_unknown(&self, name: &str) -> bool {
        let open =
            matches!(self.root.get("additionalProperties"), Some(Value::Bool(true) | Value::Object(_)));
        let open = open || self.root.contains_key("patternProperties");
        match self.properties(self.root) {
            Some(properties) => !properties.contains_key(name) && !open,
            None => self.root.get("additionalProperties") == Some(&Value::Bool(false)),
        }
    }

    /// `a.b.c` as the members that it goes through; a name may have dots of its own.
    fn path<'k>(&self, key: &'k str) -> Vec<&'k str> {
        let known = |name: &str| self.properties(self.root).is_some_and(|all| all.contains_key(name));
        match key.split_once('.') {
            Some((first, rest)) if !known(key) && !first.is_empty() && !rest.is_empty() => {
                std::iter::once(first).chain(rest.split('.')).collect()
            }
            _ => vec![key],
        }
    }

    /// The schema of the value at `path`, where one is known.
    fn at(&self, path: &[&str]) -> Option<&'a Value> {
        let mut schema = self.root;
        let mut value = None;
        for name in path {
            let inner = self.properties(schema).and_then(|all| all.get(*name));
            let inner = inner.or_else(|| {
                // An object that may be absent is one of several.
                self.branches(schema).iter().find_map(|branch| self.properties(branch)?.get(*name))
            });
            value = Some(inner?);
            schema = inner?.as_object()?;
        }
        value
    }

    fn followed(&self, schema: &'a Map<String, Value>) -> &'a Map<String, Value> {
        followed(self.root, schema)
    }

    fn branches(&self, schema: &'a Map<String, Value>) -> Vec<&'a Map<String, Value>> {
        let schema = self.followed(schema);
        let several = ["anyOf", "oneOf"].into_iter().find_map(|key| schema.get(key)?.as_array());
        several.into_iter().flatten().filter_map(Value::as_object).collect()
    }

    /// Reads one value as its schema says.
    fn read(&self, text: &str, schema: Option<&'a Value>) -> Result<Value, Wrong> {
        match schema.and_then(Value::as_object) {
            Some(schema) => self.read_as(text, schema, 0),
            // Nothing is said: JSON is what it looks like, else it is text.
            None => Ok(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))),
        }
    }

    fn read_as(&self, text: &str, schema: &'a Map<String, Value>, depth: usize) -> Result<Value, Wrong> {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > MAX_STEPS {
            return Ok(Value::String(text.to_owned()));
        }
        let schema = self.followed(schema);
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            return choose(text, words);
        }
        if let Some(only) = schema.get("const") {
            return choose(text, std::slice::from_ref(only));
        }
        let branches = if depth < DEEPEST { self.branches(schema) } else { Vec::new() };
        if !branches.is_empty() {
            return self.first_that_fits(text, branches, depth);
        }
        let types = types(schema);
        if types.is_empty() {
            return self.read(text, None);
        }
        let mut wrong = None;
        for kind in types {
            match self.read_kind(text, kind, schema) {
                Ok(value) => return Ok(value),
                Err(error) => wrong = wrong.or(Some(error)),
            }
        }
        Err(wrong.unwrap_or_else(|| Wrong::expected("something else", text)))
    }

    /// Text fits everything, so it comes last; why the first did not fit is what is said.
    fn first_that_fits(
        &self,
        text: &str,
        mut branches: Vec<&'a Map<String, Value>>,
        depth: usize,
    ) -> Result<Value, Wrong> {
        branches.sort_by_key(|branch| {
            let branch = self.followed(branch);
            let of = types(branch);
            let chosen = branch.contains_key("enum") || branch.contains_key("const");
            (of.contains(&"string") && !chosen, of == ["null"])
        });
        // `null` is text where text may stand.
        let mut wrong = None;
        for branch in branches {
            match self.read_as(text, branch, depth + 1) {
                Ok(value) => return Ok(value),
                Err(error) => wrong = wrong.or(Some(error)),
            }
        }
        Err(wrong.unwrap_or_else(|| Wrong::expected("something else", text)))
    }

    fn read_kind(&self, text: &str, kind: &str, schema: &'a Map<String, Value>) -> Result<Value, Wrong> {
        let json = || serde_json::from_str::<Value>(text).ok();
        match kind {
            "string" => Ok(Value::String(text.to_owned())),
            "integer" => text
                .parse::<Number>()
                .ok()
                .filter(|number| !number.is_f64())
                .map(Value::Number)
                .ok_or_else(|| Wrong::expected("a whole number", text)),
            "number" => {
                text.parse::<Number>().map(Value::Number).map_err(|_| Wrong::expected("a number", text))
            }
            "boolean" => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Ok(Value::Bool(true)),
                "false" | "no" | "off" | "0" => Ok(Value::Bool(false)),
                _ => Err(Wrong::expected("true or false", text)),
            },
            "null" if text == "null" => Ok(Value::Null),
            "null" => Err(Wrong::expected("null", text)),
            "array" => match json() {
                Some(list @ Value::Array(_)) => Ok(list),
                // One item with commas, or several: a guess would be wrong for one of them.
                _ if text.contains(',') => Err(Wrong {
                    problem: format!("a list was expected, not {text}"),
                    hint: Some(
                        "give the key once for each item, as in key=a key=b, or JSON, as in key:='[\"a\", \"b\"]'."
                            .into(),
                    ),
                }),
                _ => self.items(&[text], schema),
            },
            "object" => match json() {
                Some(object @ Value::Object(_)) => Ok(object),
                _ => Err(Wrong {
                    problem: format!("an object was expected, not {text}"),
                    hint: Some("write it as '{\"key\": ...}', or as name.key=value.".into()),
                }),
            },
            _ => self.read(text, None),
        }
    }

    /// Reads a key that was given several times.
    fn list(&self, texts: &[&str], schema: Option<&'a Value>) -> Result<Value, Wrong> {
        let Some(schema) = schema.and_then(Value::as_object) else {
            return texts
                .iter()
                .map(|text| self.read(text, None))
                .collect::<Result<_, _>>()
                .map(Value::Array);
        };
        let is_list = |schema: &&'a Map<String, Value>| {
            types(self.followed(schema)).contains(&"array") || self.followed(schema).contains_key("items")
        };
        let of_one = std::iter::once(schema).chain(self.branches(schema)).find(is_list);
        match of_one {
            Some(schema) => self.items(texts, self.followed(schema)),
            None => Err(Wrong {
                problem: format!("it was given {} times, and takes one value", texts.len()),
                hint: None,
            }),
        }
    }

    fn items(&self, texts: &[&str], schema: &'a Map<String, Value>) -> Result<Value, Wrong> {
        let items = schema.get("items");
        texts.iter().map(|text| self.read(text, items)).collect::<Result<_, _>>().map(Value::Array)
    }
}

/// The types that a schema allows, text last: everything is text.
fn types(schema: &Map<String, Value>) -> Vec<&str> {
    let mut types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        // It says by its other words what it is.
        _ if schema.contains_key("properties") => vec!["object"],
        _ if schema.contains_key("items") => vec!["array"],
        _ => Vec::new(),
    };
    types.sort_by_key(|kind| match *kind {
        // 3 is a number before it is anything else; `null` where text may stand is text.
        "integer" => 0,
        "number" => 1,
        "boolean" => 2,
        "string" => 4,
        "null" => 5,
        _ => 3,
    });
    types
}

/// One of `words`, by what it looks like.
fn choose(text: &str, words: &[Value]) -> Result<Value, Wrong> {
    let shown = |word: &Value| word.as_str().map_or_else(|| word.to_string(), str::to_owned);
    if let Some(word) = words.iter().find(|word| shown(word) == text) {
        return Ok(word.clone());
    }
    let all: Vec<String> = words.iter().map(shown).collect();
    let hint = did_you_mean(text, all.iter().map(String::as_str));
    Err(Wrong { problem: format!("one of {} was expected, not {text}", all.join(", ")), hint })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(words: &[&str], schema: Value) -> Result<Value, Mistake> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let stdin = || Ok("{\"from\": \"stdin\", \"n\": 1}".to_owned());
        parse(&words, "tool", schema.as_object().unwrap(), Fit::Must, stdin).map(Value::Object)
    }

    fn check(word: &str, property: Value, expected: Value) {
        let (key, _) = word.split_once('=').unwrap();
        let found = parsed(&[word], json!({"type": "object", "properties": {key: property}}));
        assert_eq!(found.unwrap()[key], expected, "{word}");
    }

    fn refused(word: &str, property: Value) -> String {
        let (key, _) = word.split_once('=').unwrap();
        parsed(&[word], json!({"type": "object", "properties": {key: property}})).unwrap_err().problem
    }

    #[test]
    fn a_value_is_what_its_schema_says() {
        check("a=3", json!({"type": "integer"}), json!(3));
        check("a=-3", json!({"type": "number"}), json!(-3));
        check("a=1.5e3", json!({"type": "number"}), json!(1500.0));
        check("a=yes", json!({"type": "boolean"}), json!(true));
        check("a=3", json!({"type": "string"}), json!("3"));
        check("a=b=c", json!({"type": "string"}), json!("b=c"));
        check("a=", json!({"type": "string"}), json!(""));
        check("a={\"b\": [1]}", json!({"type": "object"}), json!({"b": [1]}));
        check("a=null", json!({"type": ["integer", "null"]}), json!(null));
        check("a=null", json!({"type": ["string", "null"]}), json!("null"));
        check("a=7", json!({"type": ["string", "integer"]}), json!(7));
        check("a=[1]", json!({}), json!([1]));
        check("a=word", json!({}), json!("word"));
        check("a=7", json!(true), json!(7));
    }

    #[test]
    fn a_value_that_may_be_several_things_is_the_first_that_fits() {
        let optional = json!({"anyOf": [{"type": "integer"}, {"type": "null"}], "default": null});
        check("a=7", optional.clone(), json!(7));
        check("a=null", optional.clone(), json!(null));
        assert_eq!(refused("a=x", optional), "a: a whole number was expected, not x");
        check("a=7", json!({"oneOf": [{"type": "string"}, {"type": "integer"}]}), json!(7));
        check("a=x", json!({"oneOf": [{"type": "string"}, {"type": "integer"}]}), json!("x"));
        check("a=b", json!({"anyOf": [{"type": "string", "enum": ["b"]}, {"type": "null"}]}), json!("b"));
    }

    #[test]
    fn words_to_choose_from_are_checked() {
        let level = json!({"type": "string", "enum": ["debug", "info"]});
        check("a=info", level.clone(), json!("info"));
        check("a=2", json!({"enum": [1, 2]}), json!(2));
        check("a=x", json!({"const": "x"}), json!("x"));
        let schema = json!({"type": "object", "properties": {"a": level}});
        let mistake = parsed(&["a=inof"], schema).unwrap_err();
        assert_eq!(mistake.problem, "a: one of debug, info was expected, not inof");
        assert!(mistake.help.starts_with("did you mean info? it is called as tool("), "{}", mistake.help);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(refused("a=3.5", json!({"type": "integer"})), "a: a whole number was expected, not 3.5");
        assert_eq!(refused("a=x", json!({"type": "number"})), "a: a number was expected, not x");
        assert_eq!(
            refused("a=maybe", json!({"type": "boolean"})),
            "a: true or false was expected, not maybe"
        );
        assert_eq!(refused("a=x", json!({"type": "object"})), "a: an object was expected, not x");
        let twice = parsed(&["a=1", "a=2"], json!({"properties": {"a": {"type": "integer"}}})).unwrap_err();
        assert_eq!(twice.problem, "a: it was given 2 times, and takes one value");
    }

    #[test]
    fn lists_come_from_repeated_keys_or_json() {
        let schema = json!({"properties": {"n": {"type": "array", "items": {"type": "integer"}}, "t": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]}}});
        let found = parsed(&["n=1", "t=3", "n=2", "t=x"], schema.clone());
        assert_eq!(found.unwrap(), json!({"n": [1, 2], "t": ["3", "x"]}));
        assert_eq!(parsed(&["n=[4,5]"], schema.clone()).unwrap(), json!({"n": [4, 5]}));
        assert_eq!(parsed(&["n=4"], schema.clone()).unwrap(), json!({"n": [4]}));
        assert_eq!(
            parsed(&["n=1", "n=x"], schema).unwrap_err().problem,
            "n: a whole number was expected, not x"
        );
    }

    #[test]
    fn a_list_with_commas_is_refused_with_how_it_is_written() {
        let schema = json!({"properties": {"t": {"type": "array", "items": {"type": "string"}}}});
        let mistake = parsed(&["t=a,b"], schema.clone()).unwrap_err();
        assert_eq!(mistake.problem, "t: a list was expected, not a,b");
        assert!(
            mistake.help.starts_with("give the key once for each item, as in key=a key=b"),
            "{}",
            mistake.help
        );
        assert_eq!(parsed(&["t:=[\"a,b\"]"], schema).unwrap(), json!({"t": ["a,b"]}));
    }

    #[test]
    fn json_stands_after_a_colon_and_an_equals_sign() {
        let schema = json!({"properties": {"n": {"type": "integer"}, "s": {"type": "string"}, "odd:": {"type": "string"},
            "at": {"properties": {"x": {"type": "integer"}}}}});
        let found = parsed(&["n:=[1]", "s:=null", "odd:=x", "at.x:=\"7\""], schema.clone());
        assert_eq!(found.unwrap(), json!({"n": [1], "s": null, "odd:": "x", "at": {"x": "7"}}));
        let mistake = parsed(&["s:=[a]"], schema.clone()).unwrap_err();
        assert!(mistake.problem.starts_with("s: [a] is no JSON: expected value"), "{}", mistake.problem);
        assert!(
            mistake.help.starts_with("after := stands JSON, in quotes for the shell: s:='["),
            "{}",
            mistake.help
        );
        assert_eq!(
            parsed(&["s=a", "s:=1"], schema.clone()).unwrap_err().problem,
            "s: it was given 2 times, once with :="
        );
        assert_eq!(parsed(&["no:=1"], schema).unwrap_err().problem, "tool takes no argument no");
    }

    #[test]
    fn what_may_not_fit_is_taken_as_it_is() {
        let schema = json!({"required": ["n", "s"], "additionalProperties": false,
            "properties": {"n": {"type": "integer"}, "s": {"type": "string"}, "e": {"enum": ["a"]}}});
        let words = ["n=abc", "e=7", "other=[1]"].map(str::to_owned);
        let none = || Ok(String::new());
        let found = parse(&words, "tool", schema.as_object().unwrap(), Fit::May, none).unwrap();
        assert_eq!(Value::Object(found), json!({"n": "abc", "e": 7, "other": [1]}));
        let text = parse(&["s=7".to_owned()], "tool", schema.as_object().unwrap(), Fit::May, none).unwrap();
        assert_eq!(text["s"], "7", "what fits is read as the schema says");
    }

    #[test]
    fn a_schema_that_branches_without_end_is_given_up() {
        let branch = json!({"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}, {"type": "integer"}]});
        let schema = json!({"properties": {"a": branch}, "$defs": {"A": branch}});
        assert_eq!(parsed(&["a=x"], schema).unwrap(), json!({"a": "x"}));
    }

    #[test]
    fn objects_come_from_dotted_keys_through_references() {
        let schema = json!({
            "properties": {"at": {"$ref": "#/$defs/Point"}, "with.dot": {"type": "integer"}},
            "$defs": {"Point": {"type": "object", "properties": {"x": {"type": "integer"}, "in": {"properties": {"y": {"type": "boolean"}}}}}},
        });
        let found = parsed(&["at.x=1", "at.in.y=true", "with.dot=3"], schema.clone());
        assert_eq!(found.unwrap(), json!({"at": {"x": 1, "in": {"y": true}}, "with.dot": 3}));
        assert_eq!(
            parsed(&["at.x=q"], schema).unwrap_err().problem,
            "at.x: a whole number was expected, not q"
        );
        let both = parsed(&["at=3", "at.x=1"], json!({})).unwrap_err();
        assert_eq!(both.problem, "at is given as a value and as an object");
    }

    #[test]
    fn a_reference_in_a_circle_ends() {
        let schema = json!({"properties": {"a": {"$ref": "#/$defs/A"}, "b": {"anyOf": [{"$ref": "#/$defs/B"}]}},
            "$defs": {"A": {"$ref": "#/$defs/A"}, "B": {"anyOf": [{"$ref": "#/$defs/B"}]}}});
        assert_eq!(parsed(&["a=1", "b=x"], schema).unwrap(), json!({"a": 1, "b": "x"}));
    }

    #[test]
    fn json_comes_whole_from_a_word_a_file_or_standard_input() {
        let schema = || json!({"properties": {"n": {"type": "integer"}, "from": {}}});
        assert_eq!(parsed(&["{\"free\": 1}", "n=2"], schema()).unwrap(), json!({"free": 1, "n": 2}));
        assert_eq!(parsed(&["-", "n=2"], schema()).unwrap(), json!({"from": "stdin", "n": 2}));
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "{\"n\": 4}").unwrap();
        let at = format!("@{}", file.path().display());
        assert_eq!(parsed(&[&at], schema()).unwrap(), json!({"n": 4}));
        assert!(parsed(&["{\"n\": }"], schema()).unwrap_err().problem.starts_with("the argument is no JSON"));
        fs::write(file.path(), "[]").unwrap();
        assert!(parsed(&[&at], schema()).unwrap_err().problem.ends_with("is no JSON object"));
        assert!(parsed(&["@/no/such"], schema()).unwrap_err().problem.starts_with("cannot read /no/such"));
    }

    #[test]
    fn slips_are_answered_with_what_was_meant_and_the_signature() {
        let schema = || {
            json!({"type": "object", "required": ["message", "to"],
            "properties": {"message": {"type": "string"}, "to": {"type": "string"}, "n": {"type": "integer"}}})
        };
        let mistake = parsed(&["mesage=hi"], schema()).unwrap_err();
        assert_eq!(mistake.problem, "tool takes no argument mesage");
        let help = "did you mean message? it is called as tool(message: string, to: string, n?: integer)";
        assert_eq!(mistake.help, help);
        assert_eq!(parsed(&["message=hi"], schema()).unwrap_err().problem, "the argument to is missing");
        assert_eq!(parsed(&[], schema()).unwrap_err().problem, "the arguments message, to are missing");
        assert!(parsed(&["hi"], schema()).unwrap_err().problem.starts_with("hi is not an argument"));
        let open = json!({"properties": {"a": {}}, "additionalProperties": true});
        assert_eq!(parsed(&["b=1"], open).unwrap(), json!({"b": 1}));
        assert_eq!(parsed(&["b=1"], json!({"type": "object"})).unwrap(), json!({"b": 1}));
    }
}
