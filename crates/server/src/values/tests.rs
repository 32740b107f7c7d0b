use std::collections::HashMap;

use serde::Deserialize;

use super::{read::Fault, *};

fn values(pairs: &[(&str, &str)]) -> Values {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>().into()
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Color {
    Red,
    DarkBlue,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Id(u32);

#[derive(Debug, PartialEq, Deserialize)]
struct Everything {
    id: Id,
    on: bool,
    ratio: f32,
    letter: char,
    color: Color,
    text: String,
    absent: Option<u8>,
    present: Option<i64>,
    address: std::net::Ipv4Addr,
    #[serde(default)]
    list: Vec<u8>,
}

const GOOD: [(&str, &str); 11] = [
    ("id", "7"),
    ("on", "true"),
    ("ratio", "0.5"),
    ("letter", "ß"),
    ("color", "dark-blue"),
    ("text", "12"),
    ("present", "-3"),
    ("address", "127.0.0.1"),
    ("list", "1"),
    ("list", "2"),
    ("other", "passed over"),
];

#[test]
fn texts_become_what_a_type_wants() {
    let read: Everything = values(&GOOD).read(Source::Uri).unwrap();
    let expected = Everything {
        id: Id(7),
        on: true,
        ratio: 0.5,
        letter: 'ß',
        color: Color::DarkBlue,
        text: "12".into(),
        absent: None,
        present: Some(-3),
        address: std::net::Ipv4Addr::LOCALHOST,
        list: vec![1, 2],
    };
    assert_eq!(read, expected);
    let map: HashMap<String, String> = values(&[("a", "1"), ("b", "2")]).read(Source::Uri).unwrap();
    assert_eq!(map["b"], "2");
    let same: Values = values(&GOOD).read(Source::Uri).unwrap();
    assert_eq!(same, values(&GOOD));
    assert_eq!(same.all("list").collect::<Vec<_>>(), ["1", "2"]);
    let _: () = values(&GOOD).read(Source::Uri).unwrap();
}

#[test]
fn a_value_that_does_not_fit_is_named_with_what_was_expected_and_what_came() {
    for (name, wrong, words) in [
        ("id", "abc", r#"expected a whole number from 0 to 4294967295, got "abc""#),
        ("id", "-1", r#"expected a whole number from 0 to 4294967295, got "-1""#),
        ("on", "yes", r#"expected true or false, got "yes""#),
        ("ratio", "inf", r#"expected a number, got "inf""#),
        ("letter", "ab", r#"expected one character, got "ab""#),
        ("color", "green", r#"expected one of red, dark-blue, got "green""#),
        ("list", "300", r#"expected a whole number from 0 to 255, got "300""#),
    ] {
        let mut pairs = GOOD.to_vec();
        pairs.retain(|(other, _)| *other != name);
        pairs.push((name, wrong));
        let error = values(&pairs).read::<Everything>(Source::Uri).unwrap_err();
        assert_eq!((error.name.as_deref(), &*error.words()), (Some(name), words));
    }
    let error = values(&GOOD[1..]).read::<Everything>(Source::Uri).unwrap_err();
    assert_eq!(error.fault, Fault::Missing("id".into()));
    let long = "x".repeat(10_000);
    let error = values(&[("id", &long)]).read::<Everything>(Source::Uri).unwrap_err();
    assert!(error.words().len() < 200, "{error}");
    let error = values(&[("address", "here")]).read::<HashMap<String, std::net::IpAddr>>(Source::Uri);
    assert_eq!(error.unwrap_err().name.as_deref(), Some("address"));
}

#[derive(Debug, PartialEq, Deserialize)]
struct Asked {
    limit: Option<u32>,
    tags: Option<Vec<String>>,
    inner: Option<HashMap<String, u32>>,
}

#[test]
fn an_argument_that_was_left_empty_is_absent_and_lists_are_json() {
    let empty = values(&[("limit", ""), ("tags", ""), ("inner", "")]);
    assert_eq!(empty.read::<Asked>(Source::Prompt).unwrap(), Asked { limit: None, tags: None, inner: None });
    let full = values(&[("tags", r#"["a","b"]"#), ("inner", r#"{"a":1}"#)]).read::<Asked>(Source::Prompt);
    let full = full.unwrap();
    assert_eq!(full.tags, Some(vec!["a".into(), "b".into()]));
    assert_eq!(full.inner.unwrap()["a"], 1);
    let wrong = values(&[("tags", "a, b")]).read::<Asked>(Source::Prompt).unwrap_err();
    assert_eq!(wrong.name.as_deref(), Some("tags"));
    assert!(wrong.words().starts_with("expected a list as JSON"), "{wrong}");
    assert!(values(&[("limit", "")]).read::<Asked>(Source::Uri).is_err(), "in a URI an empty text is a text");
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only its shape is used")]
struct Shape {
    id: Id,
    #[serde(alias = "colour")]
    color: Option<Color>,
    on: bool,
    list: Vec<u8>,
    any: serde_json::Value,
    map: HashMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only its shape is used")]
struct Closed {
    id: Id,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only its shape is used")]
struct Flattened {
    #[serde(flatten)]
    rest: HashMap<String, String>,
}

#[test]
fn a_type_tells_what_it_takes() {
    use Wanted::*;
    let traced = check::<Shape>(&["id", "color", "on", "list", "any", "map", "other"]);
    let colors = Choice(&["red", "dark-blue"]);
    assert_eq!(traced.wanted, [Text, colors, Choice(FLAGS), List, Unknown, Object, Nothing]);
    assert_eq!((traced.type_name, traced.is_map, &*traced.unknown), ("Shape", true, &[][..]));
    let traced = check::<Shape>(&["id", "colour"]);
    assert_eq!(traced.unknown, ["on", "list", "any", "map"], "an alias is no field of its own");
    assert_eq!(check::<Closed>(&["id", "other"]).wanted, [Text, Refused]);
    assert_eq!(check::<Flattened>(&["id"]).unknown, [""; 0], "who takes all lacks nothing");
    assert!(check::<Values>(&["id"]).is_map && check::<()>(&["id"]).is_map);
    assert!(!check::<String>(&["id"]).is_map && !check::<Vec<u8>>(&["id"]).is_map);
}

const FLAGS: &[&str] = &["true", "false"];
