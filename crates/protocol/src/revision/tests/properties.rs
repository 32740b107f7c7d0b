//! What holds for every message.
//!
//! Invariant: What two neighbouring revisions can both express survives conversion up and down.

use std::{collections::HashMap, path::Path, sync::OnceLock};

use jsonschema::Validator;
use proptest::{prelude::*, sample::select, test_runner::TestRunner};
use serde_json::{Value, json};

use super::messages::{PARTS, anything, message};
use crate::{
    Limits,
    Method::{CreateMessage, Elicit, Initialize},
    Raw,
    Revision::{self, *},
    method::Kind,
    revision::{Part, STEPS, Tree, Unrepresentable, lift, lift_answer, lower, run},
};

/// Runs `check` on messages of every part that `revision` can say.
fn for_each_part(revision: Revision, check: impl Fn(Part, Value) -> Result<(), TestCaseError>) {
    for part in
        PARTS.into_iter().filter(|part| part.method().is_none_or(|method| method.entry().since <= revision))
    {
        let mut runner = runner(48);
        let run = runner.run(&message(part, revision), |message| check(part, message));
        run.unwrap_or_else(|failure| panic!("{part:?} of {revision}: {failure}"));
    }
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() })
}

#[test]
fn every_step_up_and_down_gives_the_message_back() {
    for (older, step) in Revision::ALL.into_iter().zip(STEPS) {
        for_each_part(older, |part, message| {
            let mut tree = Tree::from(raw(&message));
            run(step.lift, part, &mut tree).unwrap();
            run(step.lower, part, &mut tree).unwrap();
            prop_assert_eq!(read(&tree.into_raw()), message);
            Ok(())
        });
    }
}

#[test]
fn all_steps_up_and_down_give_the_message_back() {
    for revision in Revision::ALL {
        for_each_part(revision, |part, message| {
            let lifted = lift(part, revision, raw(&message)).unwrap();
            prop_assert_eq!(read(&lower(part, revision, lifted).unwrap()), message);
            Ok(())
        });
    }
}

#[test]
fn lifted_messages_are_valid_in_the_newest_revision() {
    for revision in Revision::ALL.into_iter().filter(|revision| !revision.is_stateless()) {
        for_each_part(revision, |part, message| {
            is_valid(revision, part, &message)?;
            match part {
                // Their `_meta` comes from the dialogue; and there is no `initialize` any more.
                Part::Params(_) | Part::Result(Initialize) => Ok(()),
                _ => is_valid(
                    Revision::V2026_07_28,
                    part,
                    &read(&lift(part, revision, raw(&message)).unwrap()),
                ),
            }
        });
    }
}

#[test]
fn lowered_messages_are_valid_and_lowered_once_and_for_all() {
    for revision in Revision::ALL.into_iter().filter(|revision| !revision.is_stateless()) {
        for_each_part(Revision::V2026_07_28, |part, message| {
            let lowered = match lower(part, revision, raw(&message)) {
                Ok(lowered) => lowered,
                Err(refused) => return may_refuse(&refused, part, revision),
            };
            is_valid(revision, part, &read(&lowered))?;
            prop_assert_eq!(lower(part, revision, lowered.clone()).unwrap(), lowered);
            Ok(())
        });
    }
}

/// The rules that may refuse a valid message, by part and revision.
fn may_refuse(refused: &Unrepresentable, part: Part, revision: Revision) -> Result<(), TestCaseError> {
    let allowed = match refused {
        Unrepresentable::Method { .. } => part.method() == Some(Elicit) && revision < V2025_06_18,
        Unrepresentable::UrlElicitation => part == Part::ServerRequest(Elicit) && revision < V2025_11_25,
        Unrepresentable::ToolUse | Unrepresentable::SeveralBlocks => {
            part.method() == Some(CreateMessage) && revision < V2025_11_25
        }
        Unrepresentable::Audio => part.method() == Some(CreateMessage) && revision == V2024_11_05,
        _ => false,
    };
    prop_assert!(allowed, "{refused} must not refuse {part:?} to {revision}");
    Ok(())
}

#[test]
fn unknown_members_survive_both_ways() {
    for revision in Revision::ALL {
        for_each_part(revision, |part, message| {
            let lifted = read(&lift(part, revision, raw(&message)).unwrap());
            prop_assert_eq!(unknown(&lifted), unknown(&message));
            Ok(())
        });
        for_each_part(Revision::V2026_07_28, |part, message| {
            if let Ok(lowered) = lower(part, revision, raw(&message)) {
                prop_assert!(unknown(&read(&lowered)) >= unknown(&message));
            }
            Ok(())
        });
    }
}

/// How many members of the message no schema knows.
fn unknown(value: &Value) -> usize {
    match value {
        Value::Object(members) => {
            let own = members.keys().filter(|name| name.starts_with("x-")).count();
            own + members.values().map(unknown).sum::<usize>()
        }
        Value::Array(elements) => elements.iter().map(unknown).sum(),
        _ => 0,
    }
}

#[test]
fn no_json_makes_a_step_panic() {
    let inputs = (select(&PARTS[..]), select(&Revision::ALL[..]), anything());
    let mut runner = runner(4096);
    runner
        .run(&inputs, |(part, revision, value)| {
            let _ = lower(part, revision, raw(&value));
            lift(part, revision, raw(&value)).unwrap();
            let _ = lift_answer(revision, Elicit, &raw(&value), raw(&value));
            Ok(())
        })
        .unwrap();
}

/// Checks `message` against the schema of `revision`.
fn is_valid(revision: Revision, part: Part, message: &Value) -> Result<(), TestCaseError> {
    let (definition, whole) = match (part, part.method().map(|method| method.entry())) {
        (Part::Params(_) | Part::ServerRequest(_) | Part::Notification(_), Some(entry)) => {
            let id = (entry.kind == Kind::Request).then_some(1);
            let whole = json!({"jsonrpc": "2.0", "id": id, "method": entry.name, "params": message});
            (entry.schema, whole)
        }
        (Part::Result(_) | Part::Answer(_), Some(entry)) => (entry.result.unwrap(), message.clone()),
        (Part::ServerCapabilities, _) => ("ServerCapabilities", message.clone()),
        _ => ("ClientCapabilities", message.clone()),
    };
    let errors: Vec<_> =
        validator(revision, definition).iter_errors(&whole).map(|error| error.to_string()).collect();
    prop_assert!(errors.is_empty(), "no {definition} of {revision}: {whole}\n{errors:#?}");
    Ok(())
}

/// The revisions with a schema.
const RELEASED: &[Revision] = Revision::ALL.split_at(Revision::Unreleased as usize).0;

/// The validator of one definition; they are built once.
fn validator(revision: Revision, definition: &'static str) -> &'static Validator {
    static VALIDATORS: OnceLock<HashMap<(Revision, &'static str), Validator>> = OnceLock::new();
    let all = VALIDATORS.get_or_init(|| RELEASED.iter().copied().flat_map(validators).collect());
    all.get(&(revision, definition)).unwrap_or_else(|| panic!("{revision} defines no {definition}"))
}

/// A validator for every definition of `revision` that some part needs.
fn validators(revision: Revision) -> Vec<((Revision, &'static str), Validator)> {
    let path = format!("tests/data/spec/{revision}/schema.json");
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let holder = if schema.get("$defs").is_some() { "$defs" } else { "definitions" };
    let entries = PARTS.iter().filter_map(|part| part.method()).map(|method| method.entry());
    let mut names: Vec<_> = entries.flat_map(|entry| [Some(entry.schema), entry.result]).flatten().collect();
    names.extend(["ServerCapabilities", "ClientCapabilities"]);
    names.sort_unstable();
    names.dedup();
    names.retain(|name| schema[holder].get(name).is_some());
    let build = |name| {
        let mut schema = schema.clone();
        schema["$ref"] = format!("#/{holder}/{name}").into();
        ((revision, name), jsonschema::validator_for(&schema).unwrap())
    };
    names.into_iter().map(build).collect()
}

fn raw(value: &Value) -> Raw {
    Raw::parse(value.to_string().into(), &Limits::default()).unwrap()
}

fn read(raw: &Raw) -> Value {
    serde_json::from_str(raw.as_str()).unwrap()
}
