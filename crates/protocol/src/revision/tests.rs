use serde_json::{Value, json};

use super::{Part, Revision, Revision::*, Unrepresentable, lift, lift_answer, lower};
use crate::{Limits, Method::*, Raw};

mod messages;
mod properties;

const TOOL: Part = Part::Result(ToolsCall);
const TOOLS: Part = Part::Result(ToolsList);
const SAMPLE: Part = Part::ServerRequest(CreateMessage);
const SAMPLED: Part = Part::Answer(CreateMessage);
const FORM: Part = Part::ServerRequest(Elicit);

fn raw(value: &Value) -> Raw {
    Raw::parse(value.to_string().into(), &Limits::default()).unwrap()
}

fn read(raw: &Raw) -> Value {
    serde_json::from_str(raw.as_str()).unwrap()
}

#[track_caller]
fn lowers(part: Part, to: Revision, message: Value, expected: Value) {
    assert_eq!(read(&lower(part, to, raw(&message)).unwrap()), expected, "{part:?} to {to}");
}

#[track_caller]
fn lifts(part: Part, from: Revision, message: Value, expected: Value) {
    assert_eq!(read(&lift(part, from, raw(&message)).unwrap()), expected, "{part:?} from {from}");
}

#[track_caller]
fn refuses(part: Part, to: Revision, message: Value, expected: Unrepresentable) {
    assert_eq!(lower(part, to, raw(&message)).unwrap_err(), expected, "{part:?} to {to}");
}

#[test]
fn the_newest_revision_is_not_read() {
    let text = r#" { "resultType" : "odd", "n": 1.50 } "#;
    let message = Raw::parse(text.into(), &Limits::default()).unwrap();
    assert_eq!(lower(TOOL, Revision::NEWEST, message.clone()), Ok(message.clone()));
    assert_eq!(lift(TOOL, Revision::NEWEST, message.clone()), Ok(message));
}

#[test]
fn what_a_hop_alone_may_read_goes_and_the_rest_keeps_its_bytes() {
    let server = r#""io.modelcontextprotocol/serverInfo":{"name":"s"}"#;
    let cases = [
        (r#"{"resultType":"complete","content":[ ]}"#.to_owned(), r#"{"content":[ ]}"#),
        (format!(r#"{{"_meta":{{{server}}},"content":[],"x":1.50}}"#), r#"{"content":[],"x":1.50}"#),
        (
            format!(r#"{{"content":[],"_meta":{{"a": 1,{server},"b":2}}}}"#),
            r#"{"content":[],"_meta":{"a": 1,"b":2}}"#,
        ),
        (format!(r#"{{"_meta":{{{server},"a":1}},"ttlMs":5}}"#), r#"{"_meta":{"a":1}}"#),
        (r#"{"result\u0054ype":"complete","_meta":{},"cacheScope":"private"}"#.to_owned(), r#"{"_meta":{}}"#),
        (r#"{"resultType":"complete"}"#.to_owned(), "{}"),
    ];
    for (text, left) in cases {
        let message = Raw::parse(text.clone().into(), &Limits::default()).unwrap();
        assert_eq!(lower(TOOL, V2025_11_25, message).unwrap().as_str(), left, "{text}");
    }
}

#[test]
fn what_no_rule_touches_keeps_its_bytes() {
    let kept = r#"{"name":"t","arguments":{ "n" : 12345678901234567890.50, "e":"\u00e9" }}"#;
    let level = r#","_meta":{"io.modelcontextprotocol/logLevel":"info"}}"#;
    let text = kept.strip_suffix('}').unwrap().to_owned() + level;
    let message = Raw::parse(text.into(), &Limits::default()).unwrap();
    for revision in &Revision::ALL[..4] {
        let lowered = lower(Part::Params(ToolsCall), *revision, message.clone()).unwrap();
        assert_eq!(lowered.as_str(), kept);
        let again = lift(Part::Params(ToolsCall), *revision, lowered.clone()).unwrap();
        assert_eq!(again, lowered);
    }
}

#[test]
fn call_gains_result_type() {
    lifts(TOOL, V2025_11_25, json!({"content": []}), json!({"content": [], "resultType": "complete"}));
    lifts(
        TOOLS,
        V2024_11_05,
        json!({"tools": []}),
        json!({"tools": [], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}),
    );
    lifts(
        Part::Result(ResourcesRead),
        V2025_11_25,
        json!({"contents": [], "ttlMs": 7, "resultType": "input_required"}),
        json!({"contents": [], "ttlMs": 7, "resultType": "complete", "cacheScope": "private"}),
    );
    // An answer inside `inputResponses` has no type.
    lifts(Part::Answer(Elicit), V2025_11_25, json!({"action": "cancel"}), json!({"action": "cancel"}));
}

#[test]
fn call_loses_hop_members() {
    let meta = json!({
        "traceparent": "t",
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {},
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/logLevel": "info",
        "io.modelcontextprotocol/serverInfo": {},
        "io.modelcontextprotocol/subscriptionId": 1,
    });
    let result =
        json!({"tools": [], "resultType": "complete", "ttlMs": 1, "cacheScope": "public", "_meta": meta});
    lowers(TOOLS, V2025_11_25, result, json!({"tools": [], "_meta": {"traceparent": "t"}}));
    let params = json!({"name": "t", "requestState": "s", "inputResponses": {}, "_meta": meta});
    lowers(
        Part::Params(ToolsCall),
        V2024_11_05,
        params.clone(),
        json!({"name": "t", "_meta": {"traceparent": "t"}}),
    );
    // Nor does an old peer's word for them reach a modern hop.
    lifts(Part::Params(ToolsCall), V2025_11_25, params, json!({"name": "t", "_meta": {"traceparent": "t"}}));
    let updated = json!({"uri": "x:y", "_meta": {"io.modelcontextprotocol/subscriptionId": 1}});
    lowers(Part::Notification(ResourceUpdated), V2025_11_25, updated, json!({"uri": "x:y"}));
    lowers(
        Part::Params(ToolsCall),
        V2025_11_25,
        json!({"name": "t", "_meta": {}}),
        json!({"name": "t", "_meta": {}}),
    );
}

#[test]
fn only_complete_results_can_be_lowered() {
    for kind in ["input_required", "task", "Complete"] {
        refuses(
            TOOL,
            V2025_11_25,
            json!({"resultType": kind}),
            Unrepresentable::ResultType(format!("{kind:?}")),
        );
    }
    refuses(TOOL, V2025_11_25, json!({"resultType": 1}), Unrepresentable::ResultType("1".into()));
}

#[test]
fn what_came_later_is_refused() {
    for (part, to) in [
        (FORM, V2025_03_26),
        (Part::Notification(Acknowledged), V2025_11_25),
        (Part::Notification(ElicitationComplete), V2025_06_18),
        (Part::Params(TasksGet), V2025_06_18),
        (Part::Result(Discover), V2025_11_25),
    ] {
        refuses(part, to, json!({}), Unrepresentable::Method { method: part.method().unwrap(), to });
    }
    lowers(Part::Notification(Progress), V2024_11_05, json!({"message": "m"}), json!({"message": "m"}));
    lowers(Part::Notification(RootsChanged), V2024_11_05, json!({}), json!({}));
}

#[test]
fn structured_array_lowered() {
    let said = json!({"content": [{"type": "text", "text": "[1, 2]"}]});
    let shown = json!({"content": [{"type": "text", "text": "see"}], "structuredContent": [1, 2]});
    lowers(TOOL, V2025_11_25, json!({"content": said["content"], "structuredContent": [1, 2]}), said);
    lowers(
        TOOL,
        V2025_11_25,
        shown,
        json!({"content": [{"type": "text", "text": "see"}, {"type": "text", "text": "[1,2]"}]}),
    );
    let object = json!({"content": [], "structuredContent": {"a": 1}});
    lowers(TOOL, V2025_06_18, object.clone(), object.clone());
    lowers(
        TOOL,
        V2025_03_26,
        object,
        json!({"content": [{"type": "text", "text": "{\"a\":1}"}], "structuredContent": {"a": 1}}),
    );
    let block = |inside: Value| json!({"messages": [{"role": "user", "content": [inside]}]});
    lowers(
        SAMPLE,
        V2025_11_25,
        block(json!({"type": "tool_result", "toolUseId": "1", "content": [], "structuredContent": "s"})),
        block(
            json!({"type": "tool_result", "toolUseId": "1", "content": [{"type": "text", "text": "\"s\""}]}),
        ),
    );
}

#[test]
fn tools_lowered() {
    let tool = json!({
        "name": "t", "title": "T", "icons": [],
        "inputSchema": {
            "type": "object",
            "properties": {"a": true, "b": false, "c": {"properties": {"d": true}}},
        },
        "outputSchema": {"type": "array"},
    });
    let spelled = json!({
        "type": "object",
        "properties": {"a": {}, "b": {"not": {}}, "c": {"properties": {"d": true}}},
    });
    let lowered = json!({"name": "t", "title": "T", "icons": [], "inputSchema": spelled});
    for revision in [V2025_11_25, V2025_06_18] {
        lowers(TOOLS, revision, json!({"tools": [tool]}), json!({"tools": [lowered]}));
    }
    let mut annotated = lowered;
    annotated["annotations"] = json!({"title": "T"});
    lowers(TOOLS, V2025_03_26, json!({"tools": [tool]}), json!({"tools": [annotated]}));
    let own = json!({
        "name": "t", "title": "T", "annotations": {"title": "Own"},
        "outputSchema": {"type": "object", "properties": {"a": true}},
    });
    let mut kept = own.clone();
    kept["outputSchema"]["properties"]["a"] = json!({});
    lowers(TOOLS, V2024_11_05, json!({"tools": [own]}), json!({"tools": [kept]}));
}

#[test]
fn execution_stays_below_the_newest_and_above_the_first() {
    let tools = json!({"tools": [{"name": "t", "execution": {"taskSupport": "optional"}}]});
    let bare = json!({"tools": [{"name": "t"}]});
    let lifted = read(&lift(TOOLS, V2025_11_25, raw(&tools)).unwrap());
    assert_eq!(lifted["tools"], bare["tools"]);
    lowers(TOOLS, V2025_11_25, tools.clone(), tools.clone());
    lowers(TOOLS, V2025_06_18, tools, bare);
}

#[test]
fn link_lowered() {
    let link = |more: Value| {
        let mut link =
            json!({"type": "resource_link", "name": "n", "uri": "x:y", "annotations": {"priority": 1}});
        link.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        link
    };
    let text = |text: &str| json!({"type": "text", "text": text, "annotations": {"priority": 1}});
    for (more, expected) in [(json!({}), "n <x:y>"), (json!({"description": "is it"}), "n <x:y> is it")] {
        let content = json!({"content": [link(more.clone())]});
        let messages = json!({"messages": [{"role": "user", "content": link(more)}]});
        lowers(TOOL, V2025_06_18, content.clone(), content.clone());
        for revision in [V2025_03_26, V2024_11_05] {
            lowers(TOOL, revision, content.clone(), json!({"content": [text(expected)]}));
            let prompt = json!({"messages": [{"role": "user", "content": text(expected)}]});
            lowers(Part::Result(PromptsGet), revision, messages.clone(), prompt);
        }
    }
}

#[test]
fn audio_lowered() {
    let audio =
        json!({"type": "audio", "data": "YWJj", "mimeType": "audio/wav", "annotations": {"priority": 1}});
    // The digest of "abc" (FIPS 180-2, appendix B.1).
    let uri = "urn:sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let embedded = json!({
        "type": "resource", "resource": {"uri": uri, "mimeType": "audio/wav", "blob": "YWJj"},
        "annotations": {"priority": 1},
    });
    lowers(TOOL, V2025_03_26, json!({"content": [audio]}), json!({"content": [audio]}));
    lowers(TOOL, V2024_11_05, json!({"content": [audio]}), json!({"content": [embedded]}));
    let prompt = |content: &Value| json!({"messages": [{"role": "user", "content": content}]});
    lowers(Part::Result(PromptsGet), V2024_11_05, prompt(&audio), prompt(&embedded));
    lowers(SAMPLE, V2025_03_26, prompt(&audio), prompt(&audio));
    refuses(SAMPLE, V2024_11_05, prompt(&audio), Unrepresentable::Audio);
    refuses(SAMPLE, V2024_11_05, prompt(&json!([audio])), Unrepresentable::Audio);
    refuses(SAMPLED, V2024_11_05, json!({"role": "user", "content": audio}), Unrepresentable::Audio);
}

fn form(fields: Value) -> Value {
    json!({"message": "m", "requestedSchema": {"type": "object", "properties": fields}})
}

#[test]
fn enum_names_pass() {
    let legacy = form(json!({"f": {"type": "string", "enum": ["a"], "enumNames": ["A"], "default": "a"}}));
    lifts(FORM, V2025_06_18, legacy.clone(), legacy.clone());
    lowers(FORM, V2025_06_18, legacy.clone(), legacy);
}

#[test]
fn enums_lowered() {
    let titles = json!([{"const": "a", "title": "Apple"}, {"const": "b", "title": "b"}]);
    let field = |field: Value, expected: Value| {
        lowers(FORM, V2025_11_25, form(json!({"f": field})), form(json!({"f": field})));
        lowers(FORM, V2025_06_18, form(json!({"f": field})), form(json!({"f": expected})));
    };
    field(
        json!({"type": "string", "oneOf": titles, "default": "b", "title": "F"}),
        json!({"type": "string", "enum": ["a", "b"], "enumNames": ["Apple", "b"], "default": "b", "title": "F"}),
    );
    field(
        json!({"type": "array", "items": {"anyOf": titles}, "description": "Fruit.", "default": ["a", "b"]}),
        json!({
            "type": "string", "default": "a, b",
            "description": "Fruit. Choose any of these, separated by commas: a (Apple), b",
        }),
    );
    for (least, most, amount) in
        [(Some(1), None, "at least 1"), (None, Some(2), "at most 2"), (Some(1), Some(2), "1 to 2")]
    {
        let mut of = json!({"type": "array", "items": {"type": "string", "enum": ["a", "b"]}});
        least.into_iter().for_each(|least| of["minItems"] = json!(least));
        most.into_iter().for_each(|most| of["maxItems"] = json!(most));
        let description = format!("Choose {amount} of these, separated by commas: a, b");
        field(of, json!({"type": "string", "description": description}));
    }
}

#[test]
fn choices_are_split_and_checked() {
    let question = raw(&form(json!({
        "plain": {"type": "string"},
        "f": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"anyOf": [
            {"const": "a", "title": "Apple"}, {"const": "b, c", "title": "Both"}, {"const": "c", "title": "a"},
        ]}},
    })));
    let answer = |from, said: Value| {
        let answer = json!({"action": "accept", "content": {"plain": "a, c", "f": said}});
        lift_answer(from, Elicit, &question, raw(&answer)).map(|lifted| read(&lifted)["content"].clone())
    };
    for (said, chosen) in [
        (json!("a"), json!(["a"])),
        (json!(" c , Apple,"), json!(["c", "a"])),
        (json!("b,c"), json!(["b, c"])),
        (json!("Both, c"), json!(["b, c", "c"])),
        (json!(["a"]), json!(["a"])),
    ] {
        assert_eq!(answer(V2025_06_18, said).unwrap(), json!({"plain": "a, c", "f": chosen}));
    }
    for (said, wrong) in [
        ("x", "\"x\" is none of the choices"),
        ("b", "\"b\" is none of the choices"),
        ("a, a", "\"a\" is chosen twice"),
        (" , ", "0 chosen, at least 1 needed"),
        ("a, c, b, c", "3 chosen, at most 2 allowed"),
    ] {
        let refused = Unrepresentable::Choice { field: "f".into(), why: wrong.into() };
        assert_eq!(answer(V2025_06_18, said.into()).unwrap_err(), refused);
    }
    assert_eq!(answer(V2025_11_25, json!("a, c")).unwrap()["f"], "a, c");
    let declined = json!({"action": "decline"});
    assert_eq!(read(&lift_answer(V2025_06_18, Elicit, &question, raw(&declined)).unwrap()), declined);
}

#[test]
fn url_mode_is_refused_below_2025_11_25() {
    let url = json!({"mode": "url", "message": "m", "url": "https://x", "elicitationId": "1"});
    lowers(FORM, V2025_11_25, url.clone(), url.clone());
    refuses(FORM, V2025_06_18, url, Unrepresentable::UrlElicitation);
}

#[test]
fn sampling_arrays_split() {
    let text = |text: &str| json!({"type": "text", "text": text});
    let asked = json!({"maxTokens": 9, "messages": [
        {"role": "user", "content": [text("a"), text("b")], "x-own": 1},
        {"role": "assistant", "content": text("c")},
        {"role": "user", "content": []},
    ]});
    let split = json!({"maxTokens": 9, "messages": [
        {"role": "user", "content": text("a"), "x-own": 1},
        {"role": "user", "content": text("b"), "x-own": 1},
        {"role": "assistant", "content": text("c")},
        {"role": "user", "content": text("")},
    ]});
    lowers(SAMPLE, V2025_11_25, asked.clone(), asked.clone());
    for revision in [V2025_06_18, V2025_03_26, V2024_11_05] {
        lowers(SAMPLE, revision, asked.clone(), split.clone());
    }
    let answer = |content: Value| json!({"role": "assistant", "model": "m", "content": content});
    for (content, joined) in [
        (json!([text("a")]), text("a")),
        (json!([text("a"), text("b")]), text("a\nb")),
        (json!([]), text("")),
    ] {
        lowers(SAMPLED, V2025_06_18, answer(content), answer(joined));
    }
    let image = json!({"type": "image", "data": "", "mimeType": "a/b"});
    refuses(SAMPLED, V2025_06_18, answer(json!([text("a"), image])), Unrepresentable::SeveralBlocks);
}

#[test]
fn tool_use_in_sampling_is_refused_below_2025_11_25() {
    let uses = json!({"type": "tool_use", "id": "1", "name": "n", "input": {}});
    for asked in [
        json!({"messages": [], "tools": []}),
        json!({"messages": [], "toolChoice": {}}),
        json!({"messages": [{"role": "assistant", "content": uses}]}),
        json!({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}),
    ] {
        lowers(SAMPLE, V2025_11_25, asked.clone(), asked.clone());
        refuses(SAMPLE, V2025_06_18, asked, Unrepresentable::ToolUse);
    }
    refuses(SAMPLED, V2025_06_18, json!({"content": uses}), Unrepresentable::ToolUse);
}

#[test]
fn calls_have_no_tasks_and_those_of_servers_end_below_2025_11_25() {
    let meta = json!({"io.modelcontextprotocol/related-task": {"taskId": "1"}});
    let params = json!({"name": "t", "task": {"ttl": 1}, "_meta": meta.clone()});
    // They are declared to neither side.
    let plain = json!({"name": "t", "_meta": meta});
    lifts(Part::Params(ToolsCall), V2025_11_25, params.clone(), plain.clone());
    lowers(Part::Params(ToolsCall), V2025_11_25, params.clone(), plain);
    lowers(Part::Params(ToolsCall), V2025_06_18, params, json!({"name": "t"}));
    refuses(TOOL, V2025_06_18, json!({"task": {"taskId": "1"}}), Unrepresentable::Task);
    for part in [FORM, SAMPLE] {
        lowers(part, V2025_06_18, json!({"task": {}}), json!({}));
    }
}

#[test]
fn capabilities_are_cut_to_what_can_be_said() {
    let server = json!({"completions": {}, "extensions": {"x/ui": {}, "io.modelcontextprotocol/tasks": {}}});
    let tasks = json!({"cancel": {}, "requests": {"tools": {"call": {}}}});
    let older = json!({"completions": {}, "extensions": {"x/ui": {}}});
    let mut declared = older.clone();
    declared["tasks"] = tasks.clone();
    lowers(Part::ServerCapabilities, V2025_11_25, server.clone(), declared.clone());
    lowers(Part::ServerCapabilities, V2024_11_05, server.clone(), older);
    lifts(Part::ServerCapabilities, V2025_11_25, declared, server);
    lifts(Part::ServerCapabilities, V2025_11_25, json!({"tasks": {"list": {}}}), json!({}));
    let alone = json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
    lowers(Part::ServerCapabilities, V2025_11_25, alone, json!({"tasks": tasks}));

    let client = json!({
        "sampling": {"tools": {}, "context": {}}, "elicitation": {"form": {}, "url": {}}, "roots": {},
    });
    let part = Part::ClientCapabilities;
    lowers(part, V2025_11_25, client.clone(), client.clone());
    lowers(part, V2025_06_18, client.clone(), json!({"sampling": {}, "elicitation": {}, "roots": {}}));
    lowers(part, V2025_03_26, client, json!({"sampling": {}, "roots": {}}));
    lowers(part, V2025_06_18, json!({"elicitation": {"url": {}}}), json!({}));
    let old = json!({"sampling": {}, "elicitation": {}, "roots": {"listChanged": true}, "tasks": {}});
    lifts(part, V2025_11_25, old.clone(), json!({"sampling": {}, "elicitation": {}, "roots": {}}));
    lifts(part, V2025_06_18, old, json!({"sampling": {"context": {}}, "elicitation": {}, "roots": {}}));
    // Those inside `initialize` as well.
    let initialize = json!({"capabilities": {"sampling": {}}});
    lifts(
        Part::Params(Initialize),
        V2024_11_05,
        initialize,
        json!({"capabilities": {"sampling": {"context": {}}}}),
    );
}

#[test]
fn d_server_to_a_client_chain() {
    let result = json!({
        "content": [
            {"type": "text", "text": "t"},
            {"type": "resource_link", "name": "n", "uri": "x:y"},
            {"type": "audio", "data": "", "mimeType": "audio/wav"},
        ],
        "structuredContent": {"a": 1}, "x-unknown": 1, "_meta": {"traceparent": "t"},
    });
    let lifted = lift(TOOL, V2025_11_25, raw(&result)).unwrap();
    let empty = "urn:sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    lowers(
        TOOL,
        V2024_11_05,
        read(&lifted),
        json!({
            "content": [
                {"type": "text", "text": "t"},
                {"type": "text", "text": "n <x:y>"},
                {"type": "resource", "resource": {"uri": empty, "mimeType": "audio/wav", "blob": ""}},
            ],
            "structuredContent": {"a": 1}, "x-unknown": 1, "_meta": {"traceparent": "t"},
        }),
    );
}
