//! What decides on calls: conditions of a policy, guards, masks, suspicious definitions.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use anyport_guards::{
    Check, DataKind, Dialect, Guard, GuardLimits, GuardedItem, Guards, ItemKind, Items, LiteralCheck, Mask,
    PathCheck, Pattern, Place, Resolve, SecretNames, StatementCheck, UrlCheck, inspect, stripped,
};
use anyport_policy::{Decision, Effect, Expression, Facts, Item, Policy, Rule};
use anyport_protocol::{Limits, Raw, Revision};
use anyport_service::{Authorization, Principal};
use serde_json::Value;

/// The first line is the condition of a rule, the rest are the arguments of a call. A condition that was read decides: one that allows holds only where
/// the opposite of it, put as a denial, does not.
pub(super) fn policy(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (condition, arguments) = text.split_once('\n').unwrap_or((&text, "{}"));
    if Expression::parse(condition).is_err() {
        return;
    }
    let Some(arguments) = scanned(arguments) else { return };
    let caller = Authorization::scoped(Principal::named("ann"), ["read"]);
    let facts = Facts {
        caller: &caller,
        method: "tools/call",
        upstream: "a",
        item: Item::Tool { name: "a_x", own_name: "x" },
        definition: None,
        arguments: Some(&arguments),
        client: None,
        revision: Revision::NEWEST,
        address: None,
    };
    let decided = |effect| {
        let when = Expression::parse(condition).unwrap_or_else(|error| panic!("{condition:?}: {error}"));
        let policy = Policy::new([Rule::new("rule", when, effect)]);
        // A list is filtered by the same condition, without arguments.
        policy.is_listed(&Facts { arguments: None, ..facts }, |_| {});
        matches!(policy.decide(&facts, |_| {}), Decision::Allow)
    };
    let (is_allowed, is_denied) = (decided(Effect::Allow), !decided(Effect::Deny));
    assert!(!is_allowed || is_denied, "{condition:?} allows, and denies nothing");
}

/// A result or a definition. Masks leave JSON that passes the scan, and nothing of what they cover; what is stripped has nothing suspicious any more.
pub(super) fn mask(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    assert!(!MASK.text(&text).contains(SECRET), "{text:?}");
    let Some(value) = scanned(&text) else { return };
    if value.decode::<Value>().is_err() {
        // JSON, but with a number that is too large to be looked at below.
        let _ = (MASK.result(&value), MASK.value(&value), inspect(&value), stripped(&value));
        return;
    }
    let _ = MASK.result(&value).map(|covered| parsed(&covered));
    let covered = MASK.value(&value).unwrap_or_else(|| value.clone());
    assert!(!has_secret(&parsed(&covered)), "{text:?} became {covered}");
    let _ = inspect(&value);
    if let Some(clean) = stripped(&value) {
        assert!(inspect(&clean).is_empty(), "{text:?} became {clean}");
        parsed(&clean);
    }
}

/// Arguments of a guarded call. What passes has a path without `..`, and a URL of the public web.
pub(super) fn guard(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let Some(arguments) = scanned(&text) else { return };
    let item = GuardedItem { kind: ItemKind::Tool, name: "x" };
    // Nothing is looked up, so that nothing is waited for.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
    let Ok(checked) = runtime.block_on(GUARDS.call(item, &arguments, None)) else { return };
    let arguments = parsed(&checked.arguments.unwrap_or(arguments));
    for path in strings(&arguments["path"]) {
        assert!(!path.split(['/', '\\']).any(|segment| segment == ".."), "{text:?} passes with {path:?}");
    }
    for url in strings(&arguments["url"]) {
        // RFC 3986, section 3.1: "Although schemes are case-insensitive".
        let is_https =
            url.trim().get(.."https:".len()).is_some_and(|start| start.eq_ignore_ascii_case("https:"));
        assert!(is_https && !url.contains("127.0.0.1"), "{text:?} passes with {url:?}");
    }
}

/// A text, or those of a list.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(list) => list.iter().flat_map(strings).collect(),
        value => value.as_str().into_iter().collect(),
    }
}

static GUARDS: LazyLock<Guards> = LazyLock::new(|| {
    let url = UrlCheck {
        schemes: vec!["https".to_owned()],
        hosts: Vec::new(),
        is_public: true,
        resolve: Resolve::Never,
    };
    let path = PathCheck::new("/srv/data").ok().map(Check::Path);
    let dialect = Dialect::named("postgresql").ok();
    let checks = [
        ("url", Some(Check::Url(url))),
        ("path", path),
        ("sql", dialect.map(|dialect| Check::Statement(Box::new(StatementCheck::new(dialect))))),
        ("word", dialect.map(|dialect| Check::Literal(LiteralCheck::new(dialect)))),
    ];
    let guards = checks.into_iter().filter_map(|(name, check)| {
        let items = Items { tools: vec![Pattern::new("*")], ..Items::default() };
        Some(Guard::new(name, items, Place::argument(name).ok()?, vec![check?]))
    });
    let guards: Vec<Guard> = guards.collect();
    assert_eq!(guards.len(), 4);
    Guards::new(guards, GuardLimits::default())
});

/// What the program knows as secret.
const SECRET: &str = "known-secret";

struct Known;

impl SecretNames for Known {
    fn is_secret(&self, name: &str) -> bool {
        name == "password"
    }

    fn covered<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if text.contains(SECRET) { Cow::Owned(text.replace(SECRET, "<hidden>")) } else { text.into() }
    }
}

static MASK: LazyLock<Mask> = LazyLock::new(|| Mask::new(DataKind::ALL).secrets(Arc::new(Known)));

/// JSON that passes the scan, which all that arrives has passed.
fn scanned(text: &str) -> Option<Raw> {
    Raw::parse(text.to_owned().into(), &Limits::default()).ok()
}

fn parsed(value: &Raw) -> Value {
    let again = scanned(value.as_str()).unwrap_or_else(|| panic!("{value} does not pass the scan"));
    again.decode().unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn has_secret(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(SECRET),
        Value::Array(list) => list.iter().any(has_secret),
        Value::Object(object) => {
            object.iter().any(|(name, value)| name.contains(SECRET) || has_secret(value))
        }
        _ => false,
    }
}
