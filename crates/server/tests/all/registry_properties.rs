//! Whatever happens to a server, it is as if it had been built so.
//!
//! Invariant: However a server came to its entries, it answers as one that was built with them.

use crate::common::{raw, start};
use anyport_protocol::{Method, Raw, Revision};
use anyport_seal::Key;
use anyport_server::{Context, List, Part, Prompt, Resource, Server, Template, Tool, Values};
use anyport_service::{Outcome, Principal};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

/// One of a few things, in one of several versions, for some callers only or for all.
#[derive(Clone, Debug)]
struct Thing {
    kind: u8,
    number: u8,
    version: u8,
    hidden: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Add(Thing),
    Replace(Thing),
    Remove(Thing),
}

impl Thing {
    fn key(&self) -> String {
        match self.kind {
            0 => format!("tool{}", self.number),
            1 => format!("x:/{}", self.number),
            2 => format!("x:/{}/{{id}}", self.number),
            _ => format!("prompt{}", self.number),
        }
    }

    fn part(&self) -> Part {
        let (key, words) = (self.key(), format!("version {}", self.version));
        let hidden = self.hidden;
        let seen = move |principal: &Principal| !hidden || principal.name() == Some("friend");
        // Without a rule there is none: what everybody sees must not pay for it.
        macro_rules! ruled {
            ($part:expr) => {
                if hidden { $part.visible_to(seen).into() } else { $part.into() }
            };
        }
        match self.kind {
            0 => ruled!(Tool::new(key).description(words).run_raw(async |_: Raw, _: Context| "called")),
            1 => ruled!(Resource::new(key).description(words).read(async |_: Context| "read")),
            2 => ruled!(
                Template::new(key)
                    .description(words)
                    .read(async |values: Values, _: Context| { values.get("id").map(str::to_owned) })
            ),
            _ => ruled!(Prompt::new(key).description(words).get(async |_: Values, _: Context| "got")),
        }
    }
}

fn thing() -> impl Strategy<Value = Thing> {
    (0..4_u8, 0..6_u8, 0..3_u8, any::<bool>()).prop_map(|(kind, number, version, hidden)| Thing {
        kind,
        number,
        version,
        hidden,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => thing().prop_map(Step::Add),
        1 => thing().prop_map(Step::Replace),
        2 => thing().prop_map(Step::Remove),
    ]
}

fn builder() -> anyport_server::Builder {
    let all = [List::Tools, List::Resources, List::Templates, List::Prompts];
    Server::builder("s", "1").dynamic(all).page_size(3).state_key(Key::from_bytes([1; 32]))
}

fn built<'a>(things: impl IntoIterator<Item = &'a Thing>) -> Server {
    things.into_iter().fold(builder(), |builder, thing| builder.add(thing.part())).build().unwrap()
}

/// What a list of things becomes.
fn follow(things: &mut Vec<Thing>, step: &Step) {
    let place = |things: &[Thing], thing: &Thing| things.iter().position(|other| other.key() == thing.key());
    match step {
        Step::Add(thing) => {
            if place(things, thing).is_none() {
                things.push(thing.clone());
            }
        }
        Step::Replace(thing) => match place(things, thing) {
            Some(place) => things[place] = thing.clone(),
            None => things.push(thing.clone()),
        },
        Step::Remove(thing) => {
            if let Some(place) = place(things, thing) {
                things.remove(place);
            }
        }
    }
}

fn change(server: &Server, step: &Step) {
    match step {
        Step::Add(thing) => {
            let _ = server.add(thing.part());
        }
        Step::Replace(thing) => {
            server.replace(thing.part()).unwrap();
        }
        Step::Remove(thing) => {
            let key = thing.key();
            let _ = match thing.kind {
                0 => server.remove_tool(&key),
                1 => server.remove_resource(&key),
                2 => server.remove_template(&key),
                _ => server.remove_prompt(&key),
            };
        }
    }
}

fn caller(name: &str) -> anyport_service::Context {
    anyport_service::Context::new(Principal::named(name.to_owned()), Revision::NEWEST)
}

fn ask(server: &Server, method: Method, params: &Value, caller: &anyport_service::Context) -> Outcome {
    start(server, method, params, caller.clone()).into_ready().unwrap()
}

/// All pages of all lists, without the cursors, which are sealed anew each time, and the scopes.
fn lists(server: &Server, caller: &anyport_service::Context) -> Vec<Value> {
    let mut all = Vec::new();
    for method in [Method::ToolsList, Method::ResourcesList, Method::TemplatesList, Method::PromptsList] {
        let mut params = json!({});
        loop {
            let Outcome::Result(page) = ask(server, method, &params, caller) else { panic!() };
            let mut page: Value = page.decode().unwrap();
            page["cacheScope"].take();
            let cursor = page["nextCursor"].take();
            all.push(page);
            if cursor.is_null() {
                break;
            }
            params = json!({ "cursor": cursor });
        }
    }
    all
}

/// How everything is answered that could be there.
fn answers(server: &Server, caller: &anyport_service::Context) -> Vec<Outcome> {
    let mut all = Vec::new();
    for number in 0..6 {
        let reference = json!({"type": "ref/prompt", "name": format!("prompt{number}")});
        let template = json!({"type": "ref/resource", "uri": format!("x:/{number}/{{id}}")});
        let resource = json!({"type": "ref/resource", "uri": format!("x:/{number}")});
        let argument = json!({"name": "id", "value": ""});
        for (method, params) in [
            (Method::ToolsCall, json!({"name": format!("tool{number}")})),
            (Method::ToolsCall, json!({"name": format!("toul{number}")})),
            (Method::ResourcesRead, json!({"uri": format!("x:/{number}")})),
            (Method::ResourcesRead, json!({"uri": format!("x:/{number}/7")})),
            (Method::PromptsGet, json!({"name": format!("prompt{number}")})),
            (Method::PromptsGet, json!({"name": format!("prumpt{number}")})),
            (Method::Complete, json!({"ref": reference, "argument": argument})),
            (Method::Complete, json!({"ref": template, "argument": argument})),
            (Method::Complete, json!({"ref": resource, "argument": argument})),
        ] {
            all.push(ask(server, method, &params, caller));
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_changes_lead_to_a_server_built_at_once(steps in vec(step(), 0..40)) {
        let server = built([]);
        let mut things = Vec::new();
        for step in &steps {
            change(&server, step);
            follow(&mut things, step);
        }
        let (once, friend) = (built(&things), caller("friend"));
        prop_assert_eq!(lists(&server, &friend), lists(&once, &friend));
        prop_assert_eq!(answers(&server, &friend), answers(&once, &friend));
        for thing in things {
            prop_assert!(server.add(thing.part()).is_err());
        }
    }

    #[test]
    fn what_is_hidden_does_not_exist(steps in vec(step(), 0..40)) {
        let mut things = Vec::new();
        steps.iter().for_each(|step| follow(&mut things, step));
        let all = built(&things);
        things.retain(|thing| !thing.hidden);
        let (seen, stranger) = (built(&things), caller("stranger"));
        prop_assert_eq!(lists(&all, &stranger), lists(&seen, &stranger));
        prop_assert_eq!(answers(&all, &stranger), answers(&seen, &stranger));
    }

    #[test]
    fn a_mounted_server_that_changes_is_as_one_that_was_so(before in vec(step(), 0..20), after in vec(step(), 0..20)) {
        let inner = built([]);
        let mut things = Vec::new();
        for step in &before {
            change(&inner, step);
            follow(&mut things, step);
        }
        let outer = builder().mount("", inner.clone()).build().unwrap();
        for step in &after {
            change(&inner, step);
            follow(&mut things, step);
        }
        let once = built(&things);
        for caller in [caller("friend"), caller("stranger")] {
            prop_assert_eq!(lists(&outer, &caller), lists(&once, &caller));
            prop_assert_eq!(answers(&outer, &caller), answers(&once, &caller));
        }
    }
}

#[test]
fn the_same_params_are_what_is_compared() {
    // The properties above compare errors too, so that these must hold something.
    let server = built(&[Thing { kind: 0, number: 1, version: 0, hidden: false }]);
    let caller = caller("friend");
    assert!(answers(&server, &caller).iter().any(|outcome| matches!(outcome, Outcome::Result(_))));
    let unknown = ask(&server, Method::ToolsCall, &json!({"name": "toul1"}), &caller);
    assert!(matches!(unknown, Outcome::Error(error) if error.message.ends_with("there is tool1")));
    assert_eq!(raw(&json!({})).as_str(), "{}");
}
