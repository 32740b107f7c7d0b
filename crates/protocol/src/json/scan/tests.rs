use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn fault(text: &str) -> (ScanErrorKind, usize, usize) {
    let error = scan(text.as_bytes(), &Limits::default()).unwrap_err();
    (error.kind, error.line, error.column)
}

#[test]
fn every_kind_of_value_passes() {
    for text in [
        r#"{"a":[1,-0,2.5e-3,true,false,null,"\u00e9\ud83d\ude00\n"],"b":{}}"#,
        " [ ] ",
        "\"\"",
        "0",
        "\t1e5\r\n",
    ] {
        assert_eq!(scan(text.as_bytes(), &Limits::default()), Ok(text));
    }
}

#[test]
fn faults_are_named_and_placed() {
    assert_eq!(fault("{\"a\":1,\n \"a\":2}"), (ScanErrorKind::DuplicateKey("a".into()), 2, 2));
    assert_eq!(fault(r#"{"a":1,"\u0061":2}"#), (ScanErrorKind::DuplicateKey("a".into()), 1, 8));
    assert_eq!(
        fault(r#"{"x":{"a":1},"y":[{"a":1,"b":2,"a":3}]}"#).0,
        ScanErrorKind::DuplicateKey("a".into())
    );
    assert_eq!(fault("").0, ScanErrorKind::Grammar("expected a value"));
    assert_eq!(fault("{} {}"), (ScanErrorKind::Grammar("expected the end of the message"), 1, 4));
    assert_eq!(fault("[1,]"), (ScanErrorKind::Grammar("expected a value"), 1, 4));
    assert_eq!(fault("\"a\nb\"").0, ScanErrorKind::Grammar("control characters in strings must be escaped"));
    for text in [
        "01",
        "1.",
        "-",
        "1e",
        "+1",
        ".5",
        "nul",
        "'a'",
        "{a:1}",
        "{\"a\" 1}",
        "[1 2]",
        r#""\x""#,
        r#""\ud800""#,
        r#""\udc00""#,
        r#""\u12g4""#,
    ] {
        assert!(scan(text.as_bytes(), &Limits::default()).is_err(), "{text} passed");
    }
}

#[test]
fn many_keys_are_still_compared() {
    let mut keys: Vec<String> = (0..1000).map(|number| format!("\"k{number}\":0")).collect();
    let unique = format!("{{{}}}", keys.join(","));
    assert!(scan(unique.as_bytes(), &Limits::default()).is_ok());
    keys.push("\"k\\u0037\":0".into());
    let twice = format!("{{{}}}", keys.join(","));
    assert_eq!(fault(&twice).0, ScanErrorKind::DuplicateKey("k7".into()));
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let error = scan(b"\"a\xff\"", &Limits::default()).unwrap_err();
    assert_eq!((error.kind, error.column), (ScanErrorKind::NotUtf8, 3));
}

/// Invariant: A message beyond a limit is refused under the name of the limit.
#[test]
fn each_limit_is_hit_by_name() {
    let limits = Limits { bytes: 64, depth: 3, nodes: 8, batch: 2 };
    let kind = |text: &str| scan(text.as_bytes(), &limits).map(drop).map_err(|error| error.kind);
    assert_eq!(kind("[[[1]]]"), Ok(()));
    assert_eq!(kind("[[[[1]]]]"), Err(ScanErrorKind::TooDeep(3)));
    assert_eq!(kind("[1,2,3,4,5,6,7]"), Ok(()));
    assert_eq!(kind("[1,2,3,4,5,6,7,8]"), Err(ScanErrorKind::TooManyNodes(8)));
    assert_eq!(kind(&format!("\"{}\"", "x".repeat(63))), Err(ScanErrorKind::TooLarge(64)));
}

/// Invariant: What the scan accepts is JSON, for every input, and deep nesting overflows no stack.
#[test]
fn no_depth_overflows_the_stack() {
    let limits = Limits::default().depth(usize::MAX);
    let deep = "[".repeat(1_000_000);
    assert_eq!(scan(deep.as_bytes(), &limits).unwrap_err().kind, ScanErrorKind::TooDeep(Limits::MAX_DEPTH));
}

/// Text that is JSON, nearly JSON, or neither.
fn nearly_json() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"b\"",
        "\"\\u0061\"",
        "\"\\ud800\"",
        "1",
        "-",
        "0",
        ".5",
        "e3",
        "true",
        "null",
        " ",
        "\n",
        "\"",
        "\\",
        "\"x\":1",
    ]);
    prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::hash_map(".*", inner, 0..12)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Invariant: What the scan accepts is JSON, for every input, and deep nesting overflows no stack.
    #[test]
    fn what_the_scan_accepts_serde_json_accepts(text in nearly_json()) {
        let ours = scan(text.as_bytes(), &Limits::default());
        let theirs = serde_json::from_str::<Value>(&text);
        match ours {
            Ok(_) => prop_assert!(theirs.is_ok(), "{text:?}: {theirs:?}"),
            // What only we refuse is a duplicate key.
            Err(error) => prop_assert!(
                theirs.is_err() || matches!(error.kind, ScanErrorKind::DuplicateKey(_)), "{text:?}: {error}"),
        }
    }

    #[test]
    fn what_serde_json_writes_the_scan_accepts(value in any_value()) {
        let compact = value.to_string();
        prop_assert!(scan(compact.as_bytes(), &Limits::default()).is_ok());
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        prop_assert!(scan(pretty.as_bytes(), &Limits::default()).is_ok());
        // The walk sees what serde_json sees.
        if let Value::Object(map) = &value {
            let walked: Vec<(String, Value)> = crate::json::Members::of(&pretty)
                .map(|member| (member.key().into_owned(), serde_json::from_str(member.value).unwrap()))
                .collect();
            let expected: Vec<(String, Value)> = map.clone().into_iter().collect();
            prop_assert_eq!(walked, expected);
        }
    }

    /// Invariant: What the scan accepts is JSON, for every input, and deep nesting overflows no stack.
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = scan(&bytes, &Limits::default());
    }
}
