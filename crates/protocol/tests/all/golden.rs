//! The golden messages of every revision are what its schema says, and so is the table of methods.
//!
//! Invariant: The golden messages of every revision fit its schema.

use std::{collections::BTreeSet, fs, path::PathBuf};

use anyport_protocol::{
    Limits, Message, Method, Revision,
    jsonrpc::{self, Incoming},
    method::{Kind, Sender, TABLE},
};
use jsonschema::Validator;
use serde_json::{Value, json};

#[test]
fn every_message_is_valid_under_its_schema() {
    for revision in Revision::ALL {
        let schema = Schema::of(revision);
        let any = schema.validator("JSONRPCMessage");
        for golden in Golden::all(revision) {
            golden.check(&any, &golden.message);
            let definition = schema.validator(&golden.definition);
            if golden.is_result() {
                golden.check(&definition, &golden.message["result"]);
                // 2026-07-28 also names the whole response, with every result that it may carry.
                let response = format!("{}Response", golden.definition);
                if schema.definitions().get(&response).is_some() {
                    golden.check(&schema.validator(&response), &golden.message);
                }
            } else {
                golden.check(&definition, &golden.message);
            }
        }
    }
}

#[test]
fn every_message_is_read_and_its_method_exists() {
    for revision in Revision::ALL {
        for golden in Golden::all(revision) {
            let (kind, method) = match golden.read() {
                Message::Request(request) => (Kind::Request, request.method),
                Message::Notification(notification) => (Kind::Notification, notification.method),
                Message::Response(response) => {
                    assert_eq!(response.outcome.is_ok(), golden.is_result(), "{}", golden.path.display());
                    continue;
                }
            };
            let method = Method::named(&method).unwrap_or_else(|| panic!("{method} is not in the table"));
            assert_eq!(method.entry().schema, golden.definition, "{}", golden.path.display());
            assert!(method.exists(kind, golden.sender, revision), "{}", golden.path.display());
        }
    }
}

#[test]
fn every_method_and_every_result_of_a_revision_has_a_golden_message() {
    for revision in Revision::ALL {
        let golden: BTreeSet<_> =
            Golden::all(revision).map(|golden| (golden.sender as u8, golden.definition)).collect();
        for entry in TABLE {
            for (sender, receiver) in [(Sender::Client, Sender::Server), (Sender::Server, Sender::Client)] {
                if entry.method.exists(entry.kind, sender, revision) {
                    let message = (sender as u8, entry.schema.to_owned());
                    assert!(golden.contains(&message), "{revision} lacks {message:?}");
                    let result = entry.result.map(|result| (receiver as u8, result.to_owned()));
                    assert!(
                        result.iter().all(|result| golden.contains(result)),
                        "{revision} lacks {result:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_table_names_the_methods_of_every_schema() {
    for revision in Revision::ALL {
        let schema = Schema::of(revision);
        for (union, kind, side) in [
            ("ClientRequest", Kind::Request, Sender::Client),
            ("ServerRequest", Kind::Request, Sender::Server),
            ("ClientNotification", Kind::Notification, Sender::Client),
            ("ServerNotification", Kind::Notification, Sender::Server),
        ] {
            let ours: BTreeSet<_> = TABLE
                .iter()
                .filter(|entry| entry.method.exists(kind, side, revision))
                .map(|entry| (entry.name.to_owned(), entry.schema.to_owned()))
                .collect();
            if union == "ServerRequest" && revision.is_stateless() {
                // There is no such union any more: what a server asks stands inside `input_required`.
                assert!(schema.definitions().get(union).is_none() && ours.is_empty());
                continue;
            }
            assert_eq!(ours, schema.methods(union), "{revision} {union}");
        }
    }
}

#[test]
fn what_a_modern_server_asks_stands_inside_a_result() {
    let revision = Revision::V2026_07_28;
    let nested: BTreeSet<_> = TABLE
        .iter()
        .filter(|entry| entry.kind == Kind::Request && entry.sender == Sender::Server)
        .filter(|entry| (entry.since..=entry.until).contains(&revision))
        .map(|entry| (entry.name.to_owned(), entry.schema.to_owned()))
        .collect();
    assert_eq!(nested, Schema::of(revision).methods("InputRequest"));
    let asked: BTreeSet<String> = Golden::all(revision)
        .filter_map(|golden| golden.message["result"]["inputRequests"].as_object().cloned())
        .flat_map(|requests| requests.into_iter().map(|(_, request)| request))
        .map(|request| request["method"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(asked, nested.into_iter().map(|(name, _)| name).collect());
}

#[test]
fn the_table_names_results_and_cacheable_methods_as_the_schemas_do() {
    for entry in TABLE {
        let schema = Schema::of(entry.until);
        let definitions = schema.definitions();
        if let Some(result) = entry.result {
            assert!(definitions.get(result).is_some(), "{} has no {result}", entry.until);
            let ttl = definitions[result].pointer("/properties/ttlMs").is_some();
            assert_eq!(entry.method.is_cacheable(), ttl, "{}", entry.name);
        }
        if let Some(response) = definitions.get(format!("{}Response", entry.result.unwrap_or_default())) {
            let asks = response["properties"]["result"].to_string().contains("InputRequiredResult");
            assert_eq!(entry.method.may_ask(), asks, "{}", entry.name);
        }
    }
}

/// A golden message: one file.
struct Golden {
    path: PathBuf,
    sender: Sender,
    definition: String,
    text: String,
    message: Value,
}

impl Golden {
    fn all(revision: Revision) -> impl Iterator<Item = Self> {
        let folder = data(&["golden", revision.as_str()]);
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        assert!(paths.len() > 50, "{revision} has only {} messages", paths.len());
        paths.into_iter().map(Self::open)
    }

    fn open(path: PathBuf) -> Self {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let (sender, definition) = match name.split_once('-').unwrap() {
            ("client", definition) => (Sender::Client, definition),
            ("server", definition) => (Sender::Server, definition),
            _ => panic!("{name} does not say who sends it"),
        };
        let definition = definition.split('.').next().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let message = serde_json::from_str(&text).unwrap();
        Self { path, sender, definition, text, message }
    }

    fn is_result(&self) -> bool {
        self.definition.ends_with("Result")
    }

    fn read(&self) -> Message {
        match jsonrpc::read(self.text.clone().into(), &Limits::default()) {
            Ok(Incoming::One(message)) => message,
            other => panic!("{}: not one message: {other:?}", self.path.display()),
        }
    }

    fn check(&self, validator: &Validator, value: &Value) {
        let errors: Vec<_> =
            validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", self.path.display());
    }
}

/// The schema of a revision.
struct Schema {
    root: Value,
    /// Where its definitions lie: `definitions` up to 2025-06-18, `$defs` since.
    key: &'static str,
}

impl Schema {
    fn of(revision: Revision) -> Self {
        let text = fs::read_to_string(data(&["spec", revision.as_str(), "schema.json"])).unwrap();
        let root: Value = serde_json::from_str(&text).unwrap();
        let key = if root.get("$defs").is_some() { "$defs" } else { "definitions" };
        Self { root, key }
    }

    fn definitions(&self) -> &Value {
        &self.root[self.key]
    }

    fn validator(&self, definition: &str) -> Validator {
        assert!(self.definitions().get(definition).is_some(), "the schema has no {definition}");
        let wrapper = json!({
            "$schema": self.root["$schema"],
            "$ref": format!("#/{}/{definition}", self.key),
            self.key: self.definitions(),
        });
        jsonschema::validator_for(&wrapper).unwrap()
    }

    /// The methods of a union, each with the name of its definition.
    fn methods(&self, union: &str) -> BTreeSet<(String, String)> {
        let union = &self.definitions()[union];
        let single = std::slice::from_ref(union);
        // A union of one is written out, or is a reference.
        let kinds = union["anyOf"].as_array().map_or(single, Vec::as_slice);
        kinds.iter().map(|kind| self.method(kind)).collect()
    }

    fn method(&self, kind: &Value) -> (String, String) {
        let by_reference = kind["$ref"].as_str().map(|path| path.rsplit('/').next().unwrap().to_owned());
        let name =
            by_reference.unwrap_or_else(|| self.definition_with(&kind["properties"]["method"]["const"]));
        let method = &self.definitions()[&name]["properties"]["method"]["const"];
        (method.as_str().unwrap().to_owned(), name)
    }

    /// The definition, unions aside, whose method is `method`.
    fn definition_with(&self, method: &Value) -> String {
        let has = |(name, definition): &(&String, &Value)| {
            definition["properties"]["method"]["const"] == *method && !name.starts_with("Client")
        };
        self.definitions().as_object().unwrap().iter().find(has).unwrap().0.clone()
    }
}

fn data(path: &[&str]) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "data"].iter().chain(path).collect()
}
