use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use serde_json::{Value, json};

use super::*;
use crate::{Dialect, HtmlChange, Items, Mode, Pattern, SizeCheck, StatementCheck, WholeMatch};

/// What a future is at once: nothing is waited for here.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

fn guard(tools: &str, argument: &str, checks: Vec<Check>) -> Guard {
    let items = Items { tools: vec![Pattern::new(tools)], ..Items::default() };
    Guard::new("it", items, Place::argument(argument).unwrap(), checks)
}

fn called(guards: &Guards, tool: &str, arguments: Value) -> Result<Option<Value>, Refusal> {
    let item = GuardedItem { kind: ItemKind::Tool, name: tool };
    let checked = ready(guards.call(item, &arguments.into(), None))?;
    Ok(checked.arguments.map(|arguments| arguments.decode().unwrap()))
}

fn short() -> Check {
    Check::Match(WholeMatch::new("[a-z]{1,3}").unwrap())
}

#[test]
fn every_text_of_an_argument_is_checked() {
    let guards = Guards::new([guard("db_*", "name", vec![short()])], GuardLimits::default());
    for (tool, arguments, is_right) in [
        ("db_query", json!({"name": "abc"}), true),
        ("db_query", json!({}), true),
        ("db_query", json!({"name": null}), true),
        ("db_query", json!({"name": ["a", ["b"]]}), true),
        ("db_query", json!({"other": "abcd"}), true),
        ("files", json!({"name": "abcd"}), true),
        ("db_query", json!({"name": "abcd"}), false),
        ("db_query", json!({"name": ["a", "abcd"]}), false),
        ("db_query", json!({"name": [["abcd"]]}), false),
        ("db_query", json!({"name": 5}), false),
        ("db_query", json!({"name": {"a": "b"}}), false),
        ("db_query", json!({"name": true}), false),
    ] {
        assert_eq!(called(&guards, tool, arguments.clone()).is_ok(), is_right, "{tool} {arguments}");
    }
}

#[test]
fn a_refusal_names_the_place_and_never_the_value() {
    let statement = StatementCheck::new(Dialect::named("postgresql").unwrap()).tables(&["orders".to_owned()]);
    let statement = Check::Statement(Box::new(statement));
    let guards = Guards::new([guard("query", "/q/*/sql", vec![statement])], GuardLimits::default());
    let arguments = json!({"q": [{"sql": "SELECT 1"}, {"sql": "SELECT hunter2 FROM hunter2"}]});
    let refusal = called(&guards, "query", arguments).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the argument /q/*/sql of query is refused by it of this gateway: it reads a table that is not allowed. Accepted: one SELECT \
         statement in postgresql of the tables orders, without comments."
    );
}

#[test]
fn a_guard_changes_the_texts_alone() {
    let checks = vec![Check::Html(HtmlChange::Escape), Check::Size(SizeCheck::Items(2))];
    let guards = Guards::new([guard("post", "texts", checks)], GuardLimits::default());
    let arguments = Raw::trusted(br#"{ "n" : 1.50,"texts":["<b>", "plain"] , "x":"<i>"}"#.to_vec());
    let item = GuardedItem { kind: ItemKind::Tool, name: "post" };
    let changed = ready(guards.call(item, &arguments, None)).unwrap().arguments.unwrap();
    assert_eq!(changed.as_str(), r#"{ "n" : 1.50,"texts":["&lt;b&gt;", "plain"] , "x":"<i>"}"#);
    assert_eq!(called(&guards, "post", json!({"texts": ["plain"]})).unwrap(), None);
    assert!(called(&guards, "post", json!({"texts": ["a", "b", "c"]})).is_err());
}

#[test]
fn an_audited_guard_changes_nothing() {
    let checks = || vec![Check::Html(HtmlChange::Escape), short()];
    let guards = Guards::new([guard("post", "text", checks()).mode(Mode::Audit)], GuardLimits::default());
    let item = GuardedItem { kind: ItemKind::Tool, name: "post" };
    let checked = ready(guards.call(item, &json!({"text": "<b>"}).into(), None)).unwrap();
    assert!(checked.arguments.is_none());
    assert_eq!(checked.audited.len(), 1);
}

#[test]
fn an_argument_has_a_size() {
    let limits = GuardLimits { guard_argument_bytes: 4, ..GuardLimits::default() };
    let guards = Guards::new([guard("post", "text", vec![Check::Html(HtmlChange::Escape)])], limits);
    assert!(called(&guards, "post", json!({"text": "abcd"})).is_ok());
    let refusal = called(&guards, "post", json!({"text": "abcde"})).unwrap_err();
    assert_eq!(refusal.limit, Some("guard_argument_bytes"));
}

#[test]
fn a_completion_is_judged_by_its_beginning() {
    let path = Check::Path(crate::PathCheck::new("/srv").unwrap());
    let items = Items { prompts: vec![Pattern::new("*")], ..Items::default() };
    let guard = Guard::new("it", items, Place::argument("path").unwrap(), vec![path, short()]);
    let guards = Guards::new([guard], GuardLimits::default());
    let item = GuardedItem { kind: ItemKind::Prompt, name: "read" };
    for (argument, value, is_right) in [
        ("path", "", true),
        ("path", "docs/very/lo", true),
        ("path", "../", false),
        ("path", "/etc/pas", false),
        ("PATH", "../", false),
        ("other", "../", true),
    ] {
        assert_eq!(ready(guards.completion(item, argument, value)).is_ok(), is_right, "{value}");
    }
}

#[test]
fn a_uri_with_other_signs_is_refused_wherever_resources_are_guarded() {
    let guards = |mode| {
        let items = Items { resources: vec![Pattern::new("u+file:*")], ..Items::default() };
        let path = Check::Path(crate::PathCheck::new("/srv").unwrap());
        let guard = Guard::new("it", items, Place::Uri, vec![path]).mode(mode);
        Guards::new([guard], GuardLimits::default())
    };
    for (uri, is_right) in [
        ("u+file:///srv/a", true),
        ("u+file:///srv/a%20b", true),
        ("u+http://[::1]/a?b=c#d", true),
        ("u+file:///etc/passwd", false),
        ("u+ file:///etc/passwd", false),
        ("u+\tfile:///etc/passwd", false),
        ("u+fi\tle:///etc/passwd", false),
        ("u+\u{1}file:///etc/passwd", false),
        ("u+file\u{200b}:///etc/passwd", false),
        (" u+file:///etc/passwd", false),
        ("u+http:\\\\a", false),
        ("u+http://a/\u{e4}", false),
    ] {
        let own = uri.trim_start_matches("u+");
        let item = GuardedItem { kind: ItemKind::Resource, name: uri };
        let enforced = guards(Mode::Enforce);
        let called = ready(enforced.call(item, &Raw::EMPTY_OBJECT, Some(own)));
        assert_eq!(called.is_ok(), is_right, "{uri:?}");
        assert!(is_right || enforced.are_for_calls(item), "{uri:?}");
        let audited = ready(guards(Mode::Audit).call(item, &Raw::EMPTY_OBJECT, Some(own))).unwrap().audited;
        assert_eq!(audited.is_empty(), is_right, "{uri:?}");
        // A tool may have any name.
        let item = GuardedItem { kind: ItemKind::Tool, name: uri };
        assert!(ready(guards(Mode::Enforce).call(item, &Raw::EMPTY_OBJECT, None)).is_ok());
    }
}

#[test]
fn a_name_in_another_case_and_arguments_that_are_no_object_are_refused() {
    let guards = Guards::new([guard("t", "/q/*/name", vec![short()])], GuardLimits::default());
    for (arguments, is_right) in [
        (json!({"q": [{"name": "abc"}]}), true),
        (json!({"q": [{"NAME": "abc"}]}), false),
        (json!({"q": "[{\"name\": \"abc\"}]"}), false),
        (json!([{"name": "abc"}]), false),
        (json!("abc"), false),
    ] {
        assert_eq!(called(&guards, "t", arguments.clone()).is_ok(), is_right, "{arguments}");
    }
}
