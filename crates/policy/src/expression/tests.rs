use anyport_protocol::{Raw, Revision};
use anyport_service::{Authorization, Principal};

use super::*;
use crate::{Facts, Item};

fn ada() -> Authorization {
    Authorization::scoped(Principal::subject_of("https://id.example", "ada"), ["files:read", "mail:send"])
}

fn facts(caller: &Authorization) -> Facts<'_> {
    Facts {
        caller,
        method: "tools/call",
        upstream: "files",
        item: Item::Tool { name: "files_write", own_name: "write" },
        definition: None,
        arguments: None,
        client: None,
        revision: Revision::V2026_07_28,
        address: Some([10, 1, 2, 3].into()),
    }
}

fn holds(source: &str, facts: &Facts<'_>, budget: Budget) -> Result<bool, EvaluationError> {
    let expression = Expression::parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    expression.holds(&Variables::of(facts, budget.policy_argument_bytes), &budget)
}

fn with_arguments(source: &str, arguments: &str) -> Result<bool, EvaluationError> {
    let (ada, arguments) = (ada(), Raw::trusted_text(arguments.into()));
    holds(source, &Facts { arguments: Some(&arguments), ..facts(&ada) }, Budget::default())
}

#[test]
fn conditions_see_who_calls_what_from_where() {
    let caller = ada();
    let client = Raw::trusted_text(r#"{"name":"Inspector","version":"2"}"#.into());
    let definition =
        Raw::trusted_text(r#"{"name":"write","annotations":{"readOnlyHint":true,"title":"Write"}}"#.into());
    let all = Facts { client: Some(&client), definition: Some(&definition), ..facts(&caller) };
    for source in [
        "tool.name == 'files_write' && tool.own_name == 'write' && upstream == 'files'",
        "method == 'tools/call' && revision == '2026-07-28' && revision > '2025-06-18'",
        "'files:read' in principal.permissions && !('files:write' in principal.permissions)",
        "principal.permissions.exists(scope, scope.startsWith('mail:')) && size(principal.permissions) == 2",
        "principal.issuer == 'https://id.example' && principal.subject == 'ada' && principal.name == ''",
        "principal.id == 'subject:18:https://id.example:ada' && !principal.is_anonymous",
        "client.name == 'Inspector' && client.version == '2'",
        "annotations.readOnlyHint && annotations.destructiveHint && !annotations.idempotentHint && annotations.title == 'Write'",
        "inNetwork(address, '10.0.0.0/8') && !inNetwork(address, 'fd00::/8') && address == '10.1.2.3'",
        "prompt.name == '' && resource.uri == ''",
        "tool.name.matches('^files_(read|write)$') && !matches(tool.own_name, '^read')",
        "type(tool.name) == string && size(tool.name) == 11 && string(1) + 'a' == '1a'",
    ] {
        assert_eq!(holds(source, &all, Budget::default()), Ok(true), "{source}");
    }
}

#[test]
fn a_caller_without_limits_has_every_permission() {
    let local = Authorization::unlimited(Principal::local());
    let holds = |source| holds(source, &facts(&local), Budget::default());
    assert_eq!(holds("'anything' in principal.permissions && !(1 in principal.permissions)"), Ok(true));
    assert_eq!(holds("size(principal.permissions) == 0"), Ok(true));
}

#[test]
fn an_address_of_ipv4_in_ipv6_is_the_one_of_ipv4() {
    let caller = ada();
    let mapped = "::ffff:10.1.2.3".parse().ok();
    let in_ten = |address| {
        holds("inNetwork(address, '10.0.0.0/8')", &Facts { address, ..facts(&caller) }, Budget::default())
    };
    assert_eq!(in_ten(mapped), Ok(true));
    assert_eq!(in_ten(None), Ok(false), "standard input has no address");
}

#[test]
fn arguments_are_values_of_cel() {
    let arguments = r#"{"path":"/srv/a","depth":3,"big":18446744073709551615,"half":0.5,"tags":["a","b"],"to":{"name":null}}"#;
    for source in [
        "arguments.path.startsWith('/srv/') && arguments.depth + 1 == 4 && arguments.half < 1.0",
        "arguments.big > 1 && 'a' in arguments.tags && arguments.tags[1] == 'b' && arguments.to.name == null",
        "has(arguments.path) && !has(arguments.mode) && 'depth' in arguments && size(arguments) == 6",
        "arguments.tags.all(tag, tag in ['a', 'b', 'c']) && arguments.exists(key, key == 'to')",
    ] {
        assert_eq!(with_arguments(source, arguments), Ok(true), "{source}");
    }
}

#[test]
fn what_cannot_be_decided_says_why_and_shows_no_value() {
    let arguments = r#"{"token":"hunter2"}"#;
    let failed = |source| match with_arguments(source, arguments) {
        Err(EvaluationError::Failed(why)) => why,
        other => panic!("{source}: {other:?}"),
    };
    assert_eq!(failed("arguments.path == 'x'"), "there is no \"path\" (ask with has(...) first)");
    let failures = [
        "arguments.token < 1",
        "arguments.token + 1 == 2",
        "[1][arguments.token] == 1",
        "inNetwork(arguments.token, '::/0')",
    ];
    for source in failures {
        assert!(!failed(source).contains("hunter2"), "{}", failed(source));
    }
    assert_eq!(with_arguments("arguments.token", arguments), Err(EvaluationError::NotBoolean));
}

#[test]
fn unknown_arguments_matter_only_where_they_decide() {
    let caller = ada();
    let holds = |source| holds(source, &facts(&caller), Budget::default());
    assert_eq!(
        holds("tool.name == 'files_write' && arguments.path == '/'"),
        Err(EvaluationError::ArgumentsUnknown)
    );
    assert_eq!(holds("arguments.path == '/' && tool.name == 'mail_send'"), Ok(false));
    assert_eq!(holds("arguments.path == '/' || tool.name == 'files_write'"), Ok(true));
}

#[test]
fn single_arguments_are_what_they_are_among_all() {
    let arguments = r#"{"a":1,"b":"\u0062","c":null,"d":{"e":[1,{"f":2}]},"g":[],"h\u0069":true}"#;
    for source in [
        "arguments.a == 1 && arguments.b == 'b' && arguments.c == null && arguments.d.e[1].f == 2 && arguments.g == [] && arguments.hi",
        "has(arguments.a) && has(arguments.c) && has(arguments.hi) && !has(arguments.x) && has(arguments.d.e) && !has(arguments.d.x)",
        "arguments['a'] == arguments.a && size(arguments) == 6 && arguments.b == 'b' && 'g' in arguments",
        "arguments.all(name, has(arguments.a)) && [1].all(a, arguments.a == a)",
        "arguments == {'a': 1, 'b': 'b', 'c': null, 'd': {'e': [1, {'f': 2}]}, 'g': [], 'hi': true}",
    ] {
        assert_eq!(with_arguments(source, arguments), Ok(true), "{source}");
    }
    for source in ["arguments.x == 1", "arguments.d.x == 1", "arguments.a.b == 1", "has(arguments.a.b)"] {
        let undecided = with_arguments(source, arguments);
        assert!(matches!(undecided, Err(EvaluationError::Failed(_))), "{source}: {undecided:?}");
    }
    // An argument whose name reads like a path stands for no other one.
    let dotted = r#"{"d":{"e":{"f":1}},"d.e":{"f":2},"d.e.f":3}"#;
    for source in [
        "arguments.d.e.f == 1",
        "has(arguments.d.e.f) && arguments.d.e == {'f': 1}",
        "arguments['d.e.f'] == 3",
    ] {
        assert_eq!(with_arguments(source, dotted), Ok(true), "{source}");
    }
    assert_eq!(with_arguments("has(arguments.d.e)", r#"{"d":{},"d.e":1}"#), Ok(false));
    // Of what is no object, nothing is said.
    assert!(with_arguments("!has(arguments.a)", "[]").is_err());
    assert_eq!(with_arguments("has(arguments.a) && false", "[]"), Ok(false));
}

/// Limit: `policy_steps`, `policy_milliseconds`, `policy_argument_bytes`.
#[test]
fn an_evaluation_ends_when_its_budget_is_spent() {
    let caller = ada();
    let items: Vec<u32> = (0..200).collect();
    let arguments = Raw::from(serde_json::json!({ "items": items, "text": "x".repeat(1_000) }));
    let facts = Facts { arguments: Some(&arguments), ..facts(&caller) };
    let nested = "arguments.items.all(a, arguments.items.all(b, arguments.items.all(c, a + b + c >= 0)))";
    assert_eq!(
        holds(nested, &facts, Budget::default().policy_milliseconds(60_000)),
        Err(EvaluationError::TooManySteps)
    );
    let endless = Budget::default().policy_steps(usize::MAX);
    assert_eq!(
        holds(nested, &facts, endless),
        Err(EvaluationError::TooLong),
        "8,000,000 elements take longer"
    );
    let grown = "arguments.items.map(i, arguments.text + arguments.text).size() == 200";
    assert_eq!(holds(grown, &facts, Budget::default().policy_steps(300)), Err(EvaluationError::TooManySteps));
    assert_eq!(holds(grown, &facts, Budget::default().policy_milliseconds(60_000)), Ok(true));
    let once = "arguments.items.all(i, i >= 0)";
    assert_eq!(holds(once, &facts, Budget::default().policy_steps(100)), Err(EvaluationError::TooManySteps));
    let small = Budget::default().policy_argument_bytes(100);
    assert_eq!(holds("size(arguments) == 2", &facts, small), Err(EvaluationError::ArgumentsTooLarge));
}

/// Limit: `policy_steps`, `policy_milliseconds`.
#[test]
fn comparisons_and_collected_values_cost_as_well() {
    let caller = ada();
    let items: Vec<String> = (0..9_000).map(|number| format!("{number:06}")).collect();
    let arguments = Raw::from(serde_json::json!({ "items": items }));
    let facts = Facts { arguments: Some(&arguments), ..facts(&caller) };
    for source in [
        "arguments.items.all(item, item in arguments.items)",
        "arguments.items.all(item, arguments.items == arguments.items)",
        "arguments.items.map(item, arguments.items).size() == 0",
        "arguments.items.all(item, [arguments.items, arguments.items].size() == 2)",
    ] {
        let spent = holds(source, &facts, Budget::default().policy_steps(usize::MAX));
        assert_eq!(spent, Err(EvaluationError::TooLong), "{source}");
    }
}

/// Invariant: no condition overflows the stack.
#[test]
fn what_is_too_long_or_too_deep_is_refused() {
    let fault = |source: &str| Expression::parse(source).map(|_| ()).unwrap_err().message;
    let nested = |depth: usize| format!("{}true{}", "(".repeat(depth), ")".repeat(depth));
    assert!(fault(&nested(33)).contains("brackets stand in more than 32 others"));
    assert!(Expression::parse(&nested(32)).is_ok());
    assert!(fault(&"a".repeat(5_000)).contains("longer than 4096 bytes"));
    let ternaries = format!("{}true", "true ? true : ".repeat(280));
    for source in
        ["!".repeat(4_000) + "true", "-".repeat(4_000) + "1 == 1", ["1"; 2_000].join("+") + " > 1", ternaries]
    {
        // What is not refused can be evaluated.
        if let Ok(expression) = Expression::parse(&source) {
            let local = Authorization::unlimited(Principal::local());
            let _ = expression.holds(&Variables::of(&facts(&local), 0), &Budget::default());
        }
    }
    let many: Vec<String> = (0..100).map(|number| format!("tool.name == 't{number}'")).collect();
    assert!(Expression::parse(&many.join(" || ")).is_ok(), "a chain is no depth");
}

#[test]
fn a_key_that_an_argument_gives_is_not_shown() {
    let failed = with_arguments("arguments.all[arguments.token] == 1", r#"{"token":"hunter2","all":{}}"#);
    assert!(!failed.unwrap_err().to_string().contains("hunter2"));
}

#[test]
fn faults_of_an_expression_are_found_when_it_is_parsed() {
    let fault = |source| Expression::parse(source).map(|_| ()).unwrap_err();
    for (source, says) in [
        ("tol.name == 'a'", "there is no variable \"tol\"; did you mean \"tool\"?"),
        ("tool.nam == 'a'", "tool has no \"nam\"; did you mean \"name\"?"),
        ("principal.email == 'a'", "principal has no \"email\"; there are id, issuer, is_anonymous"),
        ("tool.name.startswith('a')", "there is no function \"startswith\"; did you mean \"startsWith\"?"),
        ("tool.name.matches(arguments.pattern)", "must be a literal text"),
        ("tool.name.matches('(')", "the pattern of matches(...)"),
        ("tool.name.matches('(\\\\w{1000}){1000}')", "size limit"),
        ("tool.name == ", "mismatched input"),
        ("Message{a: 1} == 1", "there is no type \"Message\""),
        ("[1].all(x, y == x)", "there is no variable \"y\""),
    ] {
        let message = fault(source).message;
        assert!(message.contains(says), "{source}: {message}");
    }
    assert_eq!(fault("method == 'a' &&\n  tol.name == 'b'").at, Some(19));
}

#[test]
fn every_function_that_is_named_exists() {
    let calls = [
        "bool('true')",
        "size(bytes('a')) == 1 || true",
        "'ab'.contains('b')",
        "double('1.5') == 1.5",
        "dyn(true)",
        "'ab'.endsWith('b')",
        "!inNetwork('', '::/0')",
        "int('1') == 1",
        "'a'.matches('a')",
        "'a'.size() == 1",
        "'ab'.startsWith('a')",
        "string(1) == '1'",
        "type(1) == int",
        "uint('1') == 1u",
    ];
    assert_eq!(calls.len(), crate::functions::NAMES.len());
    for (call, name) in calls.iter().zip(crate::functions::NAMES) {
        assert!(call.contains(name), "{call}: {name}");
        assert_eq!(with_arguments(call, "{}"), Ok(true), "{call}");
    }
}
