use anyport_protocol::Raw;
use serde_json::{Value, json};

use super::*;
use crate::federation::{
    member_list::ListEntry,
    pins::{
        Pins,
        observation::{Caller, Era},
    },
};

fn caller(era: Era, tag: &str) -> Caller {
    Caller { era, tag: tag.into() }
}

fn modern() -> Caller {
    caller(Era::Modern, "m")
}

fn legacy() -> Caller {
    caller(Era::Legacy, "l")
}

fn entry(kind: ListKind, definition: &Value) -> ListEntry {
    let text = Raw::from(definition.clone());
    let key = definition[kind.key()].as_str().unwrap().into();
    ListEntry { key, hash: Some(Pins::hash(kind, &text)), text, held: None }
}

fn seen(kind: ListKind, caller: Caller, is_strict: bool, definitions: &[Value]) -> Observation {
    let entries: Vec<_> = definitions.iter().map(|definition| entry(kind, definition)).collect();
    Observation { kind, caller, entries: Observation::entries_of(&entries), is_whole: true, is_strict }
}

fn tool(name: &str, description: &str) -> Value {
    json!({"name": name, "description": description, "inputSchema": {"type": "object"}})
}

fn pinned(definitions: &[Value]) -> PinnedList {
    let mut list = PinnedList::new("file", "a", ListKind::Tools);
    assert!(list.observe(&seen(ListKind::Tools, modern(), true, definitions)).pending.is_empty());
    list
}

fn verdict(list: &PinnedList, definition: &Value) -> Verdict {
    let entry = entry(ListKind::Tools, definition);
    list.verdict(&entry.key, &entry.hash.unwrap())
}

#[test]
fn the_first_list_is_trusted_and_what_differs_from_it_is_pending() {
    let mut list = pinned(&[tool("x", "one"), tool("y", "one")]);
    let changed = [tool("x", "two"), tool("y", "one"), tool("z", "one")];
    let findings = list.observe(&seen(ListKind::Tools, modern(), true, &changed));
    assert_eq!(findings.pending, [("x".to_owned(), false), ("z".to_owned(), true)]);
    let verdicts = changed.iter().map(|definition| verdict(&list, definition));
    assert_eq!(verdicts.collect::<Vec<_>>(), [Verdict::Changed, Verdict::Accepted, Verdict::New]);
    let again = list.observe(&seen(ListKind::Tools, modern(), true, &changed));
    assert_eq!(again, Findings::default(), "each is found once");
    let accepted = list.accept(|name, _| name == "x");
    assert_eq!((accepted.len(), accepted[0].name.as_str(), accepted[0].list.as_str()), (1, "x", "tools"));
    assert_eq!(verdict(&list, &changed[0]), Verdict::Accepted);
    assert_eq!(list.accept(|_, _| true)[0].name, "z");
    assert_eq!(list.accept(|_, _| true), []);
}

#[test]
fn what_is_only_reported_pins_new_items_at_first_sight() {
    let mut list = pinned(&[tool("x", "one")]);
    let findings =
        list.observe(&seen(ListKind::Tools, modern(), false, &[tool("x", "two"), tool("z", "one")]));
    assert_eq!(findings.pending, [("x".to_owned(), false)]);
    assert_eq!(verdict(&list, &tool("z", "one")), Verdict::Accepted);
}

/// Invariant: An item that was taken away and came back with another definition is a changed one.
#[test]
fn an_item_that_was_removed_keeps_its_pin() {
    let mut list = pinned(&[tool("x", "one")]);
    assert!(!list.observe(&seen(ListKind::Tools, modern(), true, &[])).is_changed);
    list.observe(&seen(ListKind::Tools, modern(), true, &[tool("x", "two")]));
    assert_eq!(verdict(&list, &tool("x", "two")), Verdict::Changed);
    assert_eq!(verdict(&list, &tool("x", "one")), Verdict::Accepted);
}

#[test]
fn a_definition_that_a_caller_receives_no_longer_is_not_pending() {
    let mut list = pinned(&[tool("x", "one")]);
    for caller in [modern(), legacy()] {
        list.observe(&seen(ListKind::Tools, caller, true, &[tool("x", "two")]));
    }
    list.observe(&seen(ListKind::Tools, modern(), true, &[tool("x", "one")]));
    assert_eq!(list.items["x"].pending.len(), 1, "the other caller has it");
    list.observe(&seen(ListKind::Tools, legacy(), true, &[tool("x", "one")]));
    assert_eq!(list.items["x"].pending, []);
}

#[test]
fn members_of_later_revisions_are_no_change_between_the_eras_and_are_one_within_an_era() {
    let full = json!({"name": "x", "title": "X", "inputSchema": {}, "annotations": {"readOnlyHint": true}});
    let less = json!({"name": "x", "inputSchema": {}});
    let orders = [((modern(), &full), (legacy(), &less)), ((legacy(), &less), (modern(), &full))];
    for ((first, second), is_strict) in
        orders.into_iter().flat_map(|order| [(order.clone(), false), (order, true)])
    {
        let mut list = PinnedList::new("file", "a", ListKind::Tools);
        let adds = second.0.era == Era::Modern;
        for (caller, definition) in [first, second] {
            let seen = seen(ListKind::Tools, caller, is_strict, std::slice::from_ref(definition));
            let is_trusted = list.observe(&seen).pending.is_empty();
            // Under `strict`, what a modern caller receives in addition is a change: it may be poisoned.
            assert_eq!(is_trusted, !(is_strict && adds && *definition == full));
        }
        if is_strict && adds {
            assert_eq!(verdict(&list, &full), Verdict::Changed);
            continue;
        }
        let mut other = full.clone();
        other["title"] = json!("Y");
        let findings = list.observe(&seen(ListKind::Tools, modern(), true, &[other]));
        assert_eq!(findings.pending.len(), 1);
    }
    // The first definition was that of both eras.
    let mut list = pinned(std::slice::from_ref(&less));
    list.observe(&seen(ListKind::Tools, legacy(), true, &[less]));
    assert_eq!(list.observe(&seen(ListKind::Tools, modern(), true, &[full])).pending.len(), 1);
}

#[test]
fn resources_come_and_go_and_their_definitions_stay() {
    let resource =
        |name: &str, kind: &str| json!({"uri": format!("x:{name}"), "name": name, "mimeType": kind});
    let mut list = PinnedList::new("file", "a", ListKind::Resources);
    let observe = |list: &mut PinnedList, definitions: &[Value]| {
        list.observe(&seen(ListKind::Resources, modern(), true, definitions)).pending
    };
    assert_eq!(observe(&mut list, &[resource("a", "text/plain")]), []);
    assert_eq!(observe(&mut list, &[resource("b", "text/plain")]), [], "a new one is data");
    assert_eq!(observe(&mut list, &[resource("a", "text/html")]), [("x:a".to_owned(), false)]);
}

#[test]
fn pins_are_bounded_and_unlisted_resources_make_room() {
    let names = |from: usize, to: usize| -> Vec<Value> {
        (from..to).map(|number| json!({"uri": format!("x:{number}"), "name": "n"})).collect()
    };
    let mut list = PinnedList::new("file", "a", ListKind::Resources);
    list.observe(&seen(ListKind::Resources, modern(), true, &names(0, MAX_PINS)));
    let findings = list.observe(&seen(ListKind::Resources, modern(), true, &names(1, MAX_PINS + 1)));
    assert_eq!((findings.over, list.items.len()), (0, MAX_PINS));
    assert!(!list.items.contains_key("x:0"));
    let more = seen(ListKind::Resources, modern(), true, &names(0, MAX_PINS + 1));
    assert_eq!(list.observe(&more).over, 1);

    let tools: Vec<Value> = (0..=MAX_PINS).map(|number| tool(&format!("t{number}"), "a")).collect();
    let list = pinned(&tools);
    let verdicts = [0, MAX_PINS].map(|number| list.verdict_by_name(ListKind::Tools, &format!("t{number}")));
    assert_eq!(
        verdicts,
        [Verdict::Accepted, Verdict::New],
        "what is not pinned is not called under `strict`"
    );
    let never_read = PinnedList::new("file", "a", ListKind::Tools);
    assert_eq!(never_read.verdict_by_name(ListKind::Tools, "t0"), Verdict::Accepted);

    let long = |name: &str, letter: &str| tool(name, &letter.repeat(31 << 10));
    let mut list = pinned(&(0..100).map(|number| long(&format!("t{number:02}"), "a")).collect::<Vec<_>>());
    let has_text = |list: &PinnedList, name: &str| list.items[name].accepted[0].text.is_some();
    assert!(has_text(&list, "t00") && !has_text(&list, "t99"));
    let changed = long("t99", "b");
    assert_eq!(list.observe(&seen(ListKind::Tools, modern(), true, &[changed])).pending.len(), 1);
    for number in 0..20 {
        list.observe(&seen(ListKind::Tools, modern(), true, &[tool("t00", &number.to_string())]));
        list.accept(|name, _| number % 2 == 0 && name == "t00");
    }
    assert_eq!((list.items["t00"].accepted.len(), list.items["t00"].pending.len()), (ACCEPTED, 1));
}
