//! Messages that a revision can say, at random; unknown members are everywhere.

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use crate::{
    Method::{self, *},
    Revision::{self, *},
    meta::key,
    revision::Part,
};

type Json = BoxedStrategy<Value>;

/// Every part that the rules look at, and some that they leave alone.
pub(super) const PARTS: [Part; 23] = [
    Part::Params(Initialize),
    Part::Params(ToolsList),
    Part::Params(ToolsCall),
    Part::Params(ResourcesRead),
    Part::Params(Complete),
    Part::Result(ToolsList),
    Part::Result(ToolsCall),
    Part::Result(PromptsList),
    Part::Result(PromptsGet),
    Part::Result(ResourcesList),
    Part::Result(ResourcesRead),
    Part::Result(Complete),
    Part::ServerRequest(Elicit),
    Part::ServerRequest(CreateMessage),
    Part::ServerRequest(ListRoots),
    Part::Answer(Elicit),
    Part::Answer(CreateMessage),
    Part::Answer(ListRoots),
    Part::Notification(Progress),
    Part::Notification(LogMessage),
    Part::Notification(ResourceUpdated),
    Part::ServerCapabilities,
    Part::ClientCapabilities,
];

/// `part` as `revision` may say it and every newer revision can repeat it.
pub(super) fn message(part: Part, revision: Revision) -> Json {
    let message = match part {
        Part::Params(method) => params(method, revision),
        Part::Result(method) => result(method, revision),
        Part::ServerRequest(method) => question(method, revision),
        Part::Answer(method) => answer(method, revision),
        Part::Notification(method) => notification(method),
        Part::ServerCapabilities => server_capabilities(),
        Part::ClientCapabilities => client_capabilities(revision),
    };
    match part {
        Part::ServerCapabilities | Part::ClientCapabilities => message,
        _ => (message, option::of(meta(part, revision))).prop_map(|(m, meta)| with(m, "_meta", meta)).boxed(),
    }
}

/// Any JSON, though with the names that the rules look for.
pub(super) fn anything() -> Json {
    let word = select(
        &[
            "text",
            "audio",
            "resource_link",
            "tool_use",
            "tool_result",
            "array",
            "string",
            "object",
            "url",
            "complete",
            "input_required",
            "a, b",
            "",
        ][..],
    );
    let name = select(
        &[
            "_meta",
            "annotations",
            "anyOf",
            "capabilities",
            "const",
            "content",
            "data",
            "default",
            "elicitation",
            "enum",
            "extensions",
            "form",
            "inputSchema",
            "io.modelcontextprotocol/serverInfo",
            "io.modelcontextprotocol/tasks",
            "items",
            "maxItems",
            "messages",
            "mode",
            "name",
            "oneOf",
            "outputSchema",
            "properties",
            "requestedSchema",
            "requests",
            "resultType",
            "roots",
            "sampling",
            "structuredContent",
            "task",
            "tasks",
            "text",
            "title",
            "tools",
            "type",
            "uri",
            "url",
        ][..],
    );
    let leaf = prop_oneof![
        2 => word.prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            1 => vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => vec((name.clone(), inner), 0..6)
                .prop_map(|members| members.into_iter().fold(json!({}), |o, (name, value)| with(o, name, Some(value)))),
        ]
    })
    .boxed()
}

fn params(method: Method, revision: Revision) -> Json {
    let params = match method {
        Initialize => object(
            vec![
                ("protocolVersion", text()),
                ("capabilities", client_capabilities(revision)),
                ("clientInfo", object(vec![("name", text()), ("version", text())], vec![("title", text())])),
            ],
            vec![],
        ),
        ToolsCall => object(vec![("name", text())], vec![("arguments", unknowns())]),
        ResourcesRead => object(vec![("uri", uri())], vec![]),
        Complete => object(
            vec![
                ("ref", object(vec![("type", just("ref/prompt")), ("name", text())], vec![])),
                ("argument", object(vec![("name", text()), ("value", text())], vec![])),
            ],
            vec![("context", object(vec![], vec![("arguments", just(json!({"a": "b"})))]))],
        ),
        _ => object(vec![], vec![("cursor", text())]),
    };
    match revision {
        V2026_07_28 => (params, option::of(text()), option::of(just(json!({"q1": {"action": "accept"}}))))
            .prop_map(|(p, state, answers)| with(with(p, "requestState", state), "inputResponses", answers))
            .boxed(),
        _ => params,
    }
}

fn result(method: Method, revision: Revision) -> Json {
    let named = |more: Vec<(&'static str, Json)>| {
        object([vec![("name", text())], more].concat(), vec![("description", text()), ("title", text())])
    };
    let page = |name, entry| object(vec![(name, array(entry))], vec![("nextCursor", text())]);
    let result = match method {
        Initialize => object(
            vec![
                ("protocolVersion", text()),
                ("capabilities", server_capabilities()),
                ("serverInfo", named(vec![("version", text())])),
            ],
            vec![("instructions", text())],
        ),
        ToolsList => page("tools", tool(revision)),
        ToolsCall => {
            let structured = match revision {
                V2026_07_28 => prop_oneof![unknowns(), value()].boxed(),
                _ => unknowns(),
            };
            let since =
                if revision >= V2025_06_18 { vec![("structuredContent", structured)] } else { vec![] };
            // Below 2025-06-18 there is nothing beside which the content could be empty.
            let optional = [since, vec![("isError", any::<bool>().prop_map(Value::from).boxed())]].concat();
            object(vec![("content", array(block(revision)))], optional)
        }
        PromptsList => page("prompts", named(vec![])),
        PromptsGet => {
            let message = object(vec![("role", role()), ("content", block(revision))], vec![]);
            object(vec![("messages", array(message))], vec![("description", text())])
        }
        ResourcesList => page("resources", named(vec![("uri", uri())])),
        ResourcesRead => object(vec![("contents", array(contents()))], vec![]),
        _ => just(json!({"completion": {"values": ["a"], "total": 1}})),
    };
    let hints = method.is_cacheable();
    let typed = move |result| {
        let result = with(result, "resultType", Some("complete".into()));
        let ttl = hints.then(|| json!(5000));
        with(with(result, "ttlMs", ttl), "cacheScope", hints.then(|| json!("public")))
    };
    if revision.is_stateless() { result.prop_map(typed).boxed() } else { result }
}

fn question(method: Method, revision: Revision) -> Json {
    match method {
        Elicit => {
            let properties = vec((0..4usize, field(revision)), 0..4).prop_map(|fields| {
                fields.into_iter().map(|(n, field)| (format!("f{n}"), field)).collect::<Map<_, _>>().into()
            });
            let schema = object(vec![("type", just("object")), ("properties", properties.boxed())], vec![]);
            let form =
                object(vec![("message", text()), ("requestedSchema", schema)], vec![("mode", just("form"))]);
            let url = object(
                // Between 2026-07-28 and 2025-11-25 the id is minted by whoever keeps the dialogue.
                vec![("mode", just("url")), ("message", text()), ("url", uri()), ("elicitationId", text())],
                vec![],
            );
            if revision >= V2025_11_25 { prop_oneof![4 => form, 1 => url].boxed() } else { form }
        }
        CreateMessage => {
            let message = object(vec![("role", role()), ("content", sampled(revision, 3))], vec![]);
            let tools = if revision >= V2025_11_25 { vec![("tools", array(tool(revision)))] } else { vec![] };
            let optional = [tools, vec![("systemPrompt", text()), ("includeContext", just("none"))]].concat();
            object(vec![("messages", array(message)), ("maxTokens", just(100))], optional)
        }
        _ => object(vec![], vec![]),
    }
}

fn answer(method: Method, revision: Revision) -> Json {
    match method {
        Elicit => {
            let content = just(json!({"name": "Ada", "age": 36, "ok": true}));
            object(
                vec![("action", select(&["accept", "decline", "cancel"][..]).prop_map(Value::from).boxed())],
                vec![("content", content)],
            )
        }
        CreateMessage => object(
            // One block at most: what is joined to one loses the unknown members of the others.
            vec![("role", role()), ("model", text()), ("content", sampled(revision, 1))],
            vec![("stopReason", text())],
        ),
        _ => object(
            vec![("roots", array(object(vec![("uri", just("file:///a"))], vec![("name", text())])))],
            vec![],
        ),
    }
}

fn notification(method: Method) -> Json {
    match method {
        Progress => object(vec![("progressToken", text()), ("progress", just(1))], vec![("message", text())]),
        LogMessage => object(vec![("level", just("info")), ("data", value())], vec![("logger", text())]),
        _ => object(vec![("uri", uri())], vec![]),
    }
}

fn server_capabilities() -> Json {
    let listed = || object(vec![], vec![("listChanged", just(true))]);
    let optional = ["logging", "completions", "experimental"].map(|name| (name, just(json!({}))));
    let lists = vec![("tools", listed()), ("prompts", listed()), ("extensions", just(json!({"x/ui": {}})))];
    object(vec![], [optional.to_vec(), lists].concat())
}

fn client_capabilities(revision: Revision) -> Json {
    let declared = |names: &[&'static str]| {
        object(vec![], names.iter().map(|name| (*name, just(json!({})))).collect::<Vec<_>>())
    };
    let modes = [json!({}), json!({"form": {}}), json!({"url": {}}), json!({"form": {}, "url": {}})];
    let (sampling, elicitation) = match revision {
        V2025_11_25 | V2026_07_28 => (declared(&["tools", "context"]), select(modes.to_vec()).boxed()),
        _ => (declared(&[]), just(json!({}))),
    };
    let elicitation = if revision >= V2025_06_18 { vec![("elicitation", elicitation)] } else { vec![] };
    object(vec![], [elicitation, vec![("sampling", sampling), ("roots", declared(&[]))]].concat())
}

fn tool(revision: Revision) -> Json {
    let mut properties = vec![just(json!({"type": "string", "x-mcp": 1})), just(json!({}))];
    let mut outputs = vec![just(json!({"type": "object", "properties": {"a": {}}}))];
    if revision.is_stateless() {
        properties.extend([just(true), just(false)]);
        outputs.extend([
            just(json!({"type": "array", "items": true})),
            just(json!({"anyOf": [{"type": "object"}]})),
        ]);
    }
    let one = proptest::strategy::Union::new(properties);
    let input = one.prop_map(|property| json!({"type": "object", "properties": {"p": property}})).boxed();
    let output = proptest::strategy::Union::new(outputs).boxed();
    let titled =
        if revision >= V2025_06_18 { vec![("title", text()), ("outputSchema", output)] } else { vec![] };
    let annotations = object(vec![], vec![("title", text()), ("readOnlyHint", just(true))]);
    let optional = [titled, vec![("description", text()), ("annotations", annotations)]].concat();
    object(vec![("name", text()), ("inputSchema", input)], optional)
}

/// A block that tools and prompts give.
fn block(revision: Revision) -> Json {
    let embedded = object(vec![("type", just("resource")), ("resource", contents())], vec![]);
    let mut blocks = vec![embedded, plain_block(revision)];
    if revision >= V2025_06_18 {
        let required = vec![("type", just("resource_link")), ("name", text()), ("uri", uri())];
        blocks.push(object(required, vec![("description", text()), ("mimeType", just("a/b"))]));
    }
    proptest::strategy::Union::new(blocks).boxed()
}

/// A block that tools, prompts and models give.
fn plain_block(revision: Revision) -> Json {
    let annotations = || vec![("annotations", just(json!({"audience": ["user"], "priority": 0.5})))];
    let media = |kind: &'static str| {
        object(vec![("type", just(kind)), ("data", just("YWJj")), ("mimeType", just("a/b"))], annotations())
    };
    let mut blocks =
        vec![object(vec![("type", just("text")), ("text", text())], annotations()), media("image")];
    if revision >= V2025_03_26 {
        blocks.push(media("audio"));
    }
    proptest::strategy::Union::new(blocks).boxed()
}

/// The content of a sampled message.
fn sampled(revision: Revision, most: usize) -> Json {
    let single = plain_block(revision);
    if revision < V2025_11_25 {
        return single;
    }
    let structured = if revision.is_stateless() { value() } else { unknowns() };
    let uses = object(
        vec![("type", just("tool_use")), ("id", text()), ("name", text()), ("input", unknowns())],
        vec![],
    );
    let results = object(
        vec![("type", just("tool_result")), ("toolUseId", text()), ("content", array(block(revision)))],
        vec![("structuredContent", structured)],
    );
    let blocks = prop_oneof![8 => single.clone(), 1 => uses, 1 => results];
    prop_oneof![single, vec(blocks, 0..=most).prop_map(Value::from)].boxed()
}

/// A field of a form.
fn field(revision: Revision) -> Json {
    let words = || vec![("title", text()), ("description", text())];
    let of = |kind: &'static str, required: Vec<(&'static str, Json)>| {
        object([vec![("type", just(kind))], required].concat(), words())
    };
    let mut fields = vec![
        of("string", vec![]),
        of("integer", vec![("minimum", just(1))]),
        of("boolean", vec![]),
        of("string", vec![("enum", just(json!(["a", "b"]))), ("enumNames", just(json!(["A", "B"])))]),
    ];
    if revision >= V2025_11_25 {
        let titles = json!([{"const": "a", "title": "A"}, {"const": "b, c", "title": "B"}]);
        fields.extend([
            of("string", vec![("oneOf", just(titles.clone()))]),
            of("array", vec![("items", just(json!({"type": "string", "enum": ["a", "b"]})))]),
            of("array", vec![("items", just(json!({"anyOf": titles}))), ("default", just(json!(["a"])))]),
        ]);
    }
    proptest::strategy::Union::new(fields).boxed()
}

fn contents() -> Json {
    let either = prop_oneof![text().prop_map(|t| json!({"text": t})), Just(json!({"blob": "YWJj"}))];
    (either, uri()).prop_map(|(contents, uri)| with(contents, "uri", Some(uri))).boxed()
}

/// `_meta`, with what only one hop may read where the revision has that.
fn meta(part: Part, revision: Revision) -> Json {
    let reserved: &[(&'static str, Value)] = match part {
        _ if !revision.is_stateless() => &[],
        Part::Params(_) => &[
            (key::PROTOCOL_VERSION, Value::Null),
            (key::CLIENT_INFO, Value::Null),
            (key::CLIENT_CAPABILITIES, Value::Null),
            (key::LOG_LEVEL, Value::Null),
        ],
        Part::Notification(_) => &[(key::SUBSCRIPTION_ID, Value::Null)],
        _ => &[(key::SERVER_INFO, Value::Null)],
    };
    let reserved = reserved.iter().map(|(name, value)| (*name, just(value.clone())));
    object(vec![], reserved.chain([(key::TRACEPARENT, text()), (key::PROGRESS_TOKEN, text())]).collect())
}

/// An object of `required` members, some of the `optional` ones, and some that no schema knows.
fn object(required: Vec<(&'static str, Json)>, optional: Vec<(&'static str, Json)>) -> Json {
    let required = required.into_iter().map(|(name, value)| (Just(name), value.prop_map(Some).boxed()));
    let optional = optional.into_iter().map(|(name, value)| (Just(name), option::of(value).boxed()));
    (required.chain(optional).collect::<Vec<_>>(), unknowns())
        .prop_map(|(known, unknown)| {
            known.into_iter().fold(unknown, |object, (name, value)| with(object, name, value))
        })
        .boxed()
}

/// An object of members that no schema knows.
fn unknowns() -> Json {
    vec(("x-[a-c]", value()), 0..2)
        .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into())
        .boxed()
}

/// Some JSON without objects.
fn value() -> Json {
    prop_oneof![text(), any::<i64>().prop_map(Value::from), just(json!([1.5, null, "x"])), just(true)].boxed()
}

fn array(of: Json) -> Json {
    vec(of, 0..3).prop_map(Value::from).boxed()
}

fn role() -> Json {
    select(&["user", "assistant"][..]).prop_map(Value::from).boxed()
}

fn text() -> Json {
    "[a-z\"\\\\é,]{0,4}".prop_map(Value::from).boxed()
}

fn uri() -> Json {
    "x:[a-z]{1,4}".prop_map(Value::from).boxed()
}

fn just(value: impl Into<Value>) -> Json {
    Just(value.into()).boxed()
}

fn with(mut object: Value, name: &str, value: Option<Value>) -> Value {
    if let (Some(object), Some(value)) = (object.as_object_mut(), value) {
        object.insert(name.into(), value);
    }
    object
}
