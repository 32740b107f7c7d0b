//! Questions in the middle of a call: `input_required`, `inputResponses`, `requestState`.
//!
//! Invariant: Altered, foreign, expired and misplaced state is refused, each with its own reason.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use crate::common::{asked, declaring, error, legacy, modern, outcome, result, start, text};
use anyport_adapters::{LegacyClientAdapter, LegacyClientLimits};
use anyport_protocol::{
    Method, Revision,
    jsonrpc::Reason,
    types::{
        BooleanSchema, CreateMessageRequest, ElicitAction, ElicitRequest, ListRootsRequest, RequestedSchema,
        SamplingMessage, SamplingMessageContentBlock, StringSchema,
    },
};
use anyport_seal::Key;
use anyport_server::{
    Clock, Context, Elicited, Form, NoArguments, Prompt, Resource, Server, Tool, ToolResult, Values,
};
use anyport_service::{Context as Caller, Event, Outcome, Principal};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "only the state looks at them")]
struct Anything {
    #[serde(default)]
    city: String,
    #[serde(default)]
    days: f64,
}

fn form(field: &str) -> ElicitRequest {
    ElicitRequest::form(
        format!("{field}?"),
        RequestedSchema::default().require(field, StringSchema::default()),
    )
}

fn sampling(text: &str, max_tokens: u64) -> CreateMessageRequest {
    CreateMessageRequest::new(vec![SamplingMessage::user(text)], max_tokens)
}

fn said(message: &anyport_protocol::types::CreateMessageResult) -> String {
    match message.content.blocks() {
        [SamplingMessageContentBlock::Text(text)] => text.text.clone(),
        _ => String::new(),
    }
}

async fn greet(_: NoArguments, context: Context) -> String {
    match context.ask("user_name", Form::<Name>::new("What is your name?")).await {
        Elicited::Accepted(Name { name }) => format!("Hello, {name}!"),
        Elicited::Declined => "Then not.".into(),
        Elicited::Cancelled => "Later.".into(),
    }
}

async fn confirm(_: Anything, context: Context) -> ToolResult {
    let ok = RequestedSchema::default().require("ok", BooleanSchema::default());
    let answer = context.ask("confirm", ElicitRequest::form("Sure?", ok)).await;
    ToolResult::text(if answer.action == ElicitAction::Accept { "state-ok" } else { "no" })
}

async fn several(_: NoArguments, context: Context) -> String {
    let (name, greeting, roots) = tokio::join!(
        context.ask("user_name", form("name")),
        context.ask("greeting", sampling("Greet", 50)),
        context.ask("client_roots", ListRootsRequest::default()),
    );
    let name = name.content.unwrap_or_default();
    format!("{} {} {}", said(&greeting), name["name"], roots.roots.len())
}

async fn steps(_: NoArguments, context: Context) -> String {
    let one = context.ask("step1", form("a")).await.content.unwrap_or_default();
    let two = context.ask("step2", form("b")).await.content.unwrap_or_default();
    format!("{} {}", one["a"], two["b"])
}

fn builder() -> anyport_server::Builder {
    Server::builder("asking", "1")
        .state_key(Key::from_bytes([1; 32]))
        .tool(Tool::new("greet").run(greet))
        .tool(Tool::new("confirm").run(confirm))
        .tool(Tool::new("several").run(several))
        .tool(Tool::new("steps").run(steps))
        .tool(Tool::new("capital").run(async |_: NoArguments, context: Context| {
            said(&context.ask("capital_question", sampling("What is the capital of France?", 100)).await)
        }))
        .tool(Tool::new("able").run(async |_: NoArguments, context: Context| {
            let (form, question) = (form("name"), sampling("Hi", 1));
            if context.can_ask(&form) {
                context.ask("form", form).await;
            }
            if context.can_ask(&question) {
                context.ask("sampling", question).await;
            }
            "asked"
        }))
        .tool(Tool::new("swallow").run(async |_: NoArguments, context: Context| {
            let asked = async { Err::<(), _>(context.ask("q", form("a")).await) };
            asked.await.unwrap_or_default();
            "swallowed"
        }))
        .tool(Tool::new("spawned").run(async |_: NoArguments, context: Context| {
            let task = tokio::spawn(async move { context.ask("q", form("a")).await });
            task.await.map_err(|error| error.to_string()).map(|answer| format!("{:?}", answer.action))
        }))
        .tool(Tool::new("nested").run(async |_: NoArguments, context: Context| {
            #[derive(Deserialize, JsonSchema)]
            #[allow(dead_code, reason = "no answer is ever read")]
            struct Deep {
                inner: Vec<i64>,
            }
            context.ask("deep", Form::<Deep>::new("Numbers?")).await;
        }))
        .prompt(Prompt::new("p").get(async |_: Values, context: Context| {
            let answer = context.ask("user_context", form("context")).await;
            answer.content.unwrap_or_default()["context"].to_string()
        }))
        .resource(Resource::new("a:r").public().ttl(Duration::from_secs(9)).read(async |context: Context| {
            context.ask("who", form("name")).await.content.unwrap_or_default()["name"].to_string()
        }))
}

fn server() -> Server {
    builder().build().unwrap()
}

fn tool(name: &str) -> Value {
    json!({"name": name})
}

fn retry(mut params: Value, responses: Value, state: Option<&str>) -> Value {
    params["inputResponses"] = responses;
    if let Some(state) = state {
        params["requestState"] = state.into();
    }
    params
}

fn accept(content: Value) -> Value {
    json!({"action": "accept", "content": content})
}

#[tokio::test]
async fn a_question_ends_the_call_and_its_answer_completes_it() {
    let server = server();
    let (questions, state) = asked(&server, Method::ToolsCall, tool("greet"), modern()).await;
    assert_eq!(
        questions,
        json!({"user_name": {"method": "elicitation/create", "params": {
            "message": "What is your name?",
            "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
        }}})
    );
    let answers = json!({"user_name": accept(json!({"name": "Ada"})), "extra": 5});
    for state in [Some(state.as_str()), None] {
        let params = retry(tool("greet"), answers.clone(), state);
        assert_eq!(text(&result(&server, Method::ToolsCall, params, modern()).await), "Hello, Ada!");
    }
    let declined = retry(tool("greet"), json!({"user_name": {"action": "decline"}}), Some(&state));
    assert_eq!(text(&result(&server, Method::ToolsCall, declined, modern()).await), "Then not.");
}

#[tokio::test]
async fn a_missing_or_unfit_answer_is_asked_for_again_under_the_same_key() {
    let server = server();
    let (_, state) = asked(&server, Method::ToolsCall, tool("greet"), modern()).await;
    for responses in [
        json!({}),
        json!({"wrong_key": accept(json!({"name": "Ada"}))}),
        json!({"user_name": 12345}),
        json!({"user_name": null}),
        json!({"user_name": {"action": "accept"}}),
        json!({"user_name": accept(json!({"name": 5}))}),
    ] {
        let params = retry(tool("greet"), responses, Some(&state));
        let (questions, _) = asked(&server, Method::ToolsCall, params, modern()).await;
        assert!(questions.get("user_name").is_some());
    }
    for responses in [json!(null), json!([]), json!("x")] {
        let params = retry(tool("greet"), responses, Some(&state));
        assert_eq!(error(&server, Method::ToolsCall, params, modern()).await.reason, Some(Reason::Malformed));
    }
}

#[tokio::test]
async fn questions_that_are_open_at_once_are_asked_at_once() {
    let server = server();
    let (questions, state) = asked(&server, Method::ToolsCall, tool("several"), modern()).await;
    let keys: Vec<&String> = questions.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["user_name", "greeting", "client_roots"]);
    assert_eq!(questions["client_roots"], json!({"method": "roots/list", "params": {}}));
    assert_eq!(questions["greeting"]["params"]["maxTokens"], 50);
    // One answer is missing: only that one is asked for again, and the others are remembered.
    let some = json!({
        "user_name": accept(json!({"name": "Ada"})),
        "client_roots": {"roots": [{"uri": "file:///a"}]}
    });
    let params = retry(tool("several"), some, Some(&state));
    let (questions, state) = asked(&server, Method::ToolsCall, params, modern()).await;
    assert_eq!(questions.as_object().unwrap().keys().collect::<Vec<_>>(), ["greeting"]);
    let last =
        json!({"greeting": {"role": "assistant", "content": {"type": "text", "text": "Hi"}, "model": "m"}});
    let params = retry(tool("several"), last, Some(&state));
    assert_eq!(text(&result(&server, Method::ToolsCall, params, modern()).await), "Hi \"Ada\" 1");
}

#[tokio::test]
async fn every_round_has_a_state_of_its_own_and_remembers_the_answers_before() {
    let server = server();
    let (_, first) = asked(&server, Method::ToolsCall, tool("steps"), modern()).await;
    let params = retry(tool("steps"), json!({"step1": accept(json!({"a": "x"}))}), Some(&first));
    let (questions, second) = asked(&server, Method::ToolsCall, params, modern()).await;
    assert_eq!(questions.as_object().unwrap().keys().collect::<Vec<_>>(), ["step2"]);
    assert_ne!(first, second);
    let answer = json!({"step2": accept(json!({"b": "y"}))});
    let params = retry(tool("steps"), answer.clone(), Some(&second));
    assert_eq!(text(&result(&server, Method::ToolsCall, params, modern()).await), r#""x" "y""#);
    // Another replica with the same key continues the call too.
    let replica = builder().build().unwrap();
    let params = retry(tool("steps"), answer, Some(&second));
    assert_eq!(text(&result(&replica, Method::ToolsCall, params, modern()).await), r#""x" "y""#);
}

#[tokio::test]
async fn sampling_prompts_and_reads_ask_alike() {
    let server = server();
    let (questions, state) = asked(&server, Method::ToolsCall, tool("capital"), modern()).await;
    assert_eq!(questions["capital_question"]["method"], "sampling/createMessage");
    let answer = json!({"role": "assistant", "content": {"type": "text", "text": "Paris"}, "model": "m"});
    let params = retry(tool("capital"), json!({"capital_question": answer}), Some(&state));
    assert_eq!(text(&result(&server, Method::ToolsCall, params, modern()).await), "Paris");

    let (_, state) = asked(&server, Method::PromptsGet, json!({"name": "p"}), modern()).await;
    let answers = json!({"user_context": accept(json!({"context": "c"}))});
    let got =
        result(&server, Method::PromptsGet, retry(json!({"name": "p"}), answers, Some(&state)), modern())
            .await;
    assert_eq!(got["messages"][0]["content"]["text"], "\"c\"");

    let (_, state) = asked(&server, Method::ResourcesRead, json!({"uri": "a:r"}), modern()).await;
    let answers = json!({"who": accept(json!({"name": "Ada"}))});
    let read = retry(json!({"uri": "a:r"}), answers, Some(&state));
    let read = result(&server, Method::ResourcesRead, read, modern()).await;
    assert_eq!(read["contents"][0]["text"], "\"Ada\"");
    assert_eq!((&read["ttlMs"], &read["cacheScope"]), (&json!(0), &json!("private")), "not to be cached");
}

async fn refused(server: &Server, params: Value, caller: Caller) -> Option<Reason> {
    let error = error(server, Method::ToolsCall, params, caller).await;
    assert_eq!(error.code, -32602);
    error.reason
}

#[tokio::test]
async fn a_state_is_good_for_its_caller_request_and_time_only() {
    let time = Arc::new(AtomicU64::new(1_000));
    let reading = time.clone();
    let clock = Clock::new(move || UNIX_EPOCH + Duration::from_secs(reading.load(Ordering::Relaxed)));
    let server = builder().clock(clock).state_ttl(Duration::from_secs(60)).build().unwrap();
    let params = json!({"name": "confirm", "arguments": {"city": "Rome", "days": 2}});
    let (_, state) = asked(&server, Method::ToolsCall, params.clone(), modern()).await;
    let answers = json!({"confirm": accept(json!({"ok": true}))});
    let with = |params: &Value, state: &str| retry(params.clone(), answers.clone(), Some(state));

    let tampered = with(&params, &format!("{state}-TAMPERED"));
    assert_eq!(refused(&server, tampered, modern()).await, Some(Reason::Tampered));
    assert_eq!(refused(&server, with(&params, ""), modern()).await, Some(Reason::Tampered));
    let long = with(&params, &"A".repeat(70_000));
    assert_eq!(refused(&server, long, modern()).await, Some(Reason::Tampered));
    let mut number = with(&params, &state);
    number["requestState"] = json!(5);
    assert_eq!(refused(&server, number, modern()).await, Some(Reason::Tampered));

    let other = Caller::new(Principal::named("mallory"), Revision::NEWEST);
    assert_eq!(refused(&server, with(&params, &state), other).await, Some(Reason::Foreign));

    let elsewhere = json!({"name": "confirm", "arguments": {"city": "Paris", "days": 2}});
    assert_eq!(refused(&server, with(&elsewhere, &state), modern()).await, Some(Reason::Mismatch));
    assert_eq!(refused(&server, with(&tool("greet"), &state), modern()).await, Some(Reason::Mismatch));

    // The same arguments in other words are the same.
    let alike = json!({"name": "confirm", "arguments": {"days": 2.0, "city": "Rome"}});
    assert_eq!(text(&result(&server, Method::ToolsCall, with(&alike, &state), modern()).await), "state-ok");

    time.store(1_061, Ordering::Relaxed);
    assert_eq!(refused(&server, with(&params, &state), modern()).await, Some(Reason::Expired));
}

#[tokio::test]
async fn a_state_outlives_a_change_of_the_key() {
    let (_, state) = asked(&server(), Method::ToolsCall, tool("confirm"), modern()).await;
    let params = retry(tool("confirm"), json!({"confirm": accept(json!({"ok": true}))}), Some(&state));
    let confirming =
        |key| Server::builder("asking", "2").tool(Tool::new("confirm").run(confirm)).state_key(key);
    let new = || Key::from_bytes([2; 32]);
    let changed = confirming(new()).state_key(Key::from_bytes([1; 32])).build().unwrap();
    assert_eq!(text(&result(&changed, Method::ToolsCall, params.clone(), modern()).await), "state-ok");
    let lost = confirming(new()).build().unwrap();
    assert_eq!(refused(&lost, params, modern()).await, Some(Reason::Expired));
}

#[tokio::test]
async fn what_the_client_did_not_declare_is_not_asked() {
    let server = server();
    let bare = declaring(&json!({"sampling": {}}));
    let lacking = error(&server, Method::ToolsCall, tool("greet"), bare.clone()).await;
    assert_eq!(lacking.code, -32021);
    let required = &crate::common::value(&lacking.data.unwrap())["requiredCapabilities"];
    assert_eq!(*required, json!({"elicitation": {"form": {}}}));
    let lacking = error(&server, Method::ToolsCall, tool("capital"), declaring(&json!({}))).await;
    assert_eq!(crate::common::value(&lacking.data.unwrap())["requiredCapabilities"], json!({"sampling": {}}));
    // A caller of an older revision has no such error.
    let old = legacy(Revision::V2025_06_18);
    let told = result(&server, Method::ToolsCall, tool("greet"), old.clone()).await;
    assert_eq!(told["isError"], true);
    assert_eq!(error(&server, Method::PromptsGet, json!({"name": "p"}), old.clone()).await.code, -32600);
    assert_eq!(error(&server, Method::ResourcesRead, json!({"uri": "a:r"}), old).await.code, -32600);
    // A handler can ask what was declared only.
    let (questions, _) = asked(&server, Method::ToolsCall, tool("able"), bare).await;
    assert_eq!(questions.as_object().unwrap().keys().collect::<Vec<_>>(), ["sampling"]);
    let (questions, _) =
        asked(&server, Method::ToolsCall, tool("able"), declaring(&json!({"elicitation": {}}))).await;
    assert_eq!(questions.as_object().unwrap().keys().collect::<Vec<_>>(), ["form"]);
}

#[tokio::test]
async fn a_question_is_neither_swallowed_nor_lost_in_a_task() {
    let server = server();
    for name in ["swallow", "spawned"] {
        let (questions, state) = asked(&server, Method::ToolsCall, tool(name), modern()).await;
        assert!(questions.get("q").is_some());
        let params = retry(tool(name), json!({"q": {"action": "cancel"}}), Some(&state));
        let done = result(&server, Method::ToolsCall, params, modern()).await;
        assert!(["swallowed", "Cancel"].contains(&text(&done)));
    }
}

#[tokio::test]
async fn a_form_that_is_not_flat_is_the_handlers_fault() {
    let fault = error(&server(), Method::ToolsCall, tool("nested"), modern()).await;
    assert!(fault.code == -32603 && fault.message.contains("\"inner\""), "{fault}");
}

#[tokio::test]
async fn a_server_with_a_declared_form_that_cannot_be_asked_is_not_built() {
    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code, reason = "only its schema is used")]
    struct Deep {
        inner: Vec<i64>,
    }
    let build = |tool: Tool| Server::builder("s", "1").tool(tool).build();
    let deep = Tool::new("t").asks(Form::<Name>::new("Who?")).asks(Form::<Deep>::new("Which?"));
    let refused = build(deep.run(async |_: NoArguments, _: Context| ())).unwrap_err().to_string();
    assert!(refused.contains("tool \"t\"") && refused.contains("the field \"inner\""), "{refused}");
    let flat = Tool::new("t").asks(Form::<Name>::new("Who?")).run(async |_: NoArguments, _: Context| ());
    assert!(build(flat).is_ok());

    /// Asks with a form.
    #[anyport_server::tool(asks = Deep)]
    async fn by_macro() {}
    let refused = Server::builder("s", "1").add(by_macro).build().unwrap_err().to_string();
    assert!(refused.contains("tool \"by_macro\"") && refused.contains("the field \"inner\""), "{refused}");
}

#[tokio::test]
async fn two_questions_cannot_share_a_key() {
    let server = Server::builder("s", "1")
        .tool(Tool::new("t").run(async |_: NoArguments, context: Context| {
            tokio::join!(context.ask("k", form("a")), context.ask("k", form("b")));
        }))
        .build()
        .unwrap();
    assert_eq!(error(&server, Method::ToolsCall, tool("t"), modern()).await.code, -32603);
}

/// Deletes three files, asking under `key` for each, and says which are gone. `deleted` counts what was done.
fn cleaner(key: Option<&'static str>, deleted: &Arc<AtomicU32>) -> Server {
    let deleted = deleted.clone();
    Server::builder("cleaner", "1")
        .tool(Tool::new("clean").run(move |_: NoArguments, context: Context| {
            let deleted = deleted.clone();
            async move {
                let mut gone = Vec::new();
                for name in ["a", "b", "c"] {
                    if context.confirm(key, format!("Delete {name}?")).await {
                        deleted.fetch_add(1, Ordering::Relaxed);
                        gone.push(name);
                    }
                }
                gone.join(" ")
            }
        }))
        .build()
        .unwrap()
}

/// The only key of `questions`.
fn only_key(questions: &Value) -> String {
    let keys: Vec<&String> = questions.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 1, "{questions}");
    keys[0].clone()
}

/// Calls the tool `name` as a legacy caller, and gives `answers` in their order. Returns the messages of the questions.
async fn legacy_call(server: Server, name: &str, answers: &[&str]) -> (Vec<String>, Outcome) {
    let server = LegacyClientAdapter::new(server, LegacyClientLimits::default());
    let caller =
        legacy(Revision::V2025_06_18).with_client(crate::common::raw(&json!({"elicitation": {}})), None);
    let mut reply = start(&server, Method::ToolsCall, &tool(name), caller);
    let mut messages = Vec::new();
    loop {
        match reply.next().await {
            Event::ServerRequest(question) => {
                let action = answers[messages.len()];
                messages.push(crate::common::value(&question.params)["message"].as_str().unwrap().to_owned());
                question.responder.answer(Ok(crate::common::raw(&json!({"action": action}))));
            }
            Event::Outcome(outcome) => return (messages, outcome),
            event => panic!("{event:?}"),
        }
    }
}

fn is_ambiguous(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Error(error)
        if error.code == -32603 && error.message.contains("two different questions have the key"))
}

/// Invariant: An answer is given to the question that was asked, and never to another one under the same key.
#[tokio::test]
async fn another_question_under_an_answered_key_ends_the_call() {
    let deleted = Arc::new(AtomicU32::new(0));
    let server = cleaner(Some("sure"), &deleted);
    let (questions, state) = asked(&server, Method::ToolsCall, tool("clean"), modern()).await;
    assert_eq!(only_key(&questions), "sure");
    for state in [Some(&*state), None] {
        let params = retry(tool("clean"), json!({"sure": {"action": "accept"}}), state);
        let end = outcome(&server, Method::ToolsCall, params, modern()).await;
        assert!(is_ambiguous(&end), "{end:?}");
    }
    assert_eq!(
        deleted.swap(0, Ordering::Relaxed),
        2,
        "the file that was asked for, in each of the two calls"
    );

    let (messages, end) = legacy_call(server, "clean", &["accept"]).await;
    assert!(is_ambiguous(&end), "{end:?}");
    assert_eq!(messages, ["Delete a?"]);
    assert_eq!(deleted.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_answer_is_remembered_for_its_own_question_in_later_rounds() {
    let server = Server::builder("s", "1")
        .tool(Tool::new("t").run(async |_: NoArguments, context: Context| {
            context.ask("k", form("a")).await;
            context.ask("between", form("b")).await;
            context.ask("k", form("other")).await;
        }))
        .build()
        .unwrap();
    let (_, state) = asked(&server, Method::ToolsCall, tool("t"), modern()).await;
    let params = retry(tool("t"), json!({"k": accept(json!({"a": "x", "other": "x"}))}), Some(&state));
    let (questions, state) = asked(&server, Method::ToolsCall, params, modern()).await;
    assert_eq!(only_key(&questions), "between");
    let params = retry(tool("t"), json!({"between": accept(json!({"b": "y"}))}), Some(&state));
    let end = outcome(&server, Method::ToolsCall, params, modern()).await;
    assert!(is_ambiguous(&end), "{end:?}");
}

#[tokio::test]
async fn a_question_that_changes_between_rounds_does_not_get_the_answer() {
    let run = Arc::new(AtomicU32::new(0));
    let server =
        Server::builder("s", "1")
            .tool(Tool::new("t").run(move |_: NoArguments, context: Context| {
                let run = run.fetch_add(1, Ordering::Relaxed);
                async move {
                    if context.confirm("sure", format!("Delete {run}?")).await { "deleted" } else { "kept" }
                }
            }))
            .build()
            .unwrap();
    let (_, state) = asked(&server, Method::ToolsCall, tool("t"), modern()).await;
    let params = retry(tool("t"), json!({"sure": {"action": "accept"}}), Some(&state));
    let end = outcome(&server, Method::ToolsCall, params, modern()).await;
    assert!(is_ambiguous(&end), "{end:?}");
    let (_, end) = legacy_call(server, "t", &["accept"]).await;
    assert!(is_ambiguous(&end), "{end:?}");
}

#[tokio::test]
async fn a_question_without_a_key_is_asked_for_itself() {
    let deleted = Arc::new(AtomicU32::new(0));
    let server = cleaner(None, &deleted);
    let (mut params, mut keys) = (tool("clean"), Vec::new());
    for (file, action) in [("a", "accept"), ("b", "decline"), ("c", "accept")] {
        let (questions, state) = asked(&server, Method::ToolsCall, params, modern()).await;
        let key = only_key(&questions);
        assert_eq!(
            questions[&key]["params"],
            json!({"message": format!("Delete {file}?"), "requestedSchema": {"type": "object", "properties": {}}})
        );
        params = retry(tool("clean"), json!({&key: {"action": action}}), Some(&state));
        keys.push(key);
    }
    assert_eq!(text(&result(&server, Method::ToolsCall, params, modern()).await), "a c");
    keys.dedup();
    assert_eq!(keys.len(), 3);

    let (messages, end) = legacy_call(server, "clean", &["decline", "accept", "cancel"]).await;
    let Outcome::Result(end) = end else { panic!("{end:?}") };
    assert_eq!(text(&crate::common::value(&end)), "b");
    assert_eq!(messages, ["Delete a?", "Delete b?", "Delete c?"]);
}

#[tokio::test]
async fn the_same_question_without_a_key_is_asked_again_also_by_tools_that_are_called() {
    let inner = Tool::new("inner").run(async |_: NoArguments, context: Context| {
        let (one, other) = tokio::join!(context.confirm(None, "Go on?"), context.confirm(None, "Go on?"));
        format!("{one} {other}")
    });
    let outer = Tool::new("outer").run(async |_: NoArguments, context: Context| {
        context.confirm(None, "Go on?").await;
        let one = context.call("inner", &json!({})).await?;
        let other = context.call("inner", &json!({})).await?;
        Ok::<_, anyport_server::CallError>(format!("{}, {}", one.words(), other.words()))
    });
    let server = Server::builder("s", "1").tool(inner).tool(outer).build().unwrap();
    let answers = ["accept", "accept", "decline", "decline", "accept"];
    let (messages, end) = legacy_call(server, "outer", &answers).await;
    assert_eq!(messages.len(), 5, "{end:?}");
    let Outcome::Result(end) = end else { panic!("{end:?}") };
    assert_eq!(text(&crate::common::value(&end)), "true false, false true");
}

/// Charges once, asks before and after, and counts what happened.
fn shop(charges: &Arc<AtomicU32>) -> Server {
    let charges = charges.clone();
    Server::builder("shop", "1")
        .tool(Tool::new("buy").run(move |_: NoArguments, context: Context| {
            let charges = charges.clone();
            async move {
                let charge = async {
                    tokio::task::yield_now().await;
                    charges.fetch_add(1, Ordering::Relaxed) + 1
                };
                // The charge is under way while the question is open already.
                let (receipt, _) =
                    tokio::join!(context.once("charge", charge), context.ask("first", form("a")));
                let last = context.ask("last", form("b")).await;
                format!("receipt {receipt}, {}", last.content.unwrap_or_default()["b"])
            }
        }))
        .build()
        .unwrap()
}

#[tokio::test]
async fn once_happens_once_however_many_rounds_there_are() {
    let charges = Arc::new(AtomicU32::new(0));
    let server = shop(&charges);
    let (_, first) = asked(&server, Method::ToolsCall, tool("buy"), modern()).await;
    assert_eq!(charges.load(Ordering::Relaxed), 1);
    let params = retry(tool("buy"), json!({"first": accept(json!({"a": "x"}))}), Some(&first));
    let (_, second) = asked(&server, Method::ToolsCall, params, modern()).await;
    let params = retry(tool("buy"), json!({"last": accept(json!({"b": "y"}))}), Some(&second));
    assert_eq!(text(&result(&server, Method::ToolsCall, params, modern()).await), r#"receipt 1, "y""#);
    assert_eq!(charges.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_state_that_remembers_once_has_one_outcome() {
    let server = shop(&Arc::default());
    let (_, first) = asked(&server, Method::ToolsCall, tool("buy"), modern()).await;
    let go = |value: &str| retry(tool("buy"), json!({"first": accept(json!({"a": value}))}), Some(&first));
    let once = outcome(&server, Method::ToolsCall, go("x"), modern()).await;
    let again = outcome(&server, Method::ToolsCall, go("x"), modern()).await;
    assert_eq!(once, again, "the very same state, too");
    assert_eq!(refused(&server, go("z"), modern()).await, Some(Reason::Consumed));
}

#[tokio::test]
async fn asking_inside_of_once_is_refused_rather_than_waited_for() {
    let server = Server::builder("s", "1")
        .tool(Tool::new("t").run(async |_: NoArguments, context: Context| {
            let inner = context.clone();
            context
                .once("work", async move { inner.ask("q", form("a")).await.action == ElicitAction::Accept })
                .await;
        }))
        .build()
        .unwrap();
    let fault = error(&server, Method::ToolsCall, tool("t"), modern()).await;
    assert!(fault.message.contains("inside of `once`"), "{fault}");
}

#[tokio::test]
async fn a_completion_must_not_ask() {
    let argument = anyport_server::Argument::new("a").complete(async |_, context: Context| {
        context.ask("q", form("a")).await;
        Vec::<String>::new()
    });
    let prompt = Prompt::new("p").argument(argument).get(async |_: Values, _: Context| "");
    let server = Server::builder("s", "1").prompt(prompt).build().unwrap();
    let params = json!({"ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "a", "value": ""}});
    assert_eq!(error(&server, Method::Complete, params, modern()).await.code, -32603);
}

#[tokio::test]
async fn what_must_be_remembered_is_bounded() {
    let server = Server::builder("s", "1")
        .state_bytes(1_000)
        .tool(Tool::new("t").run(async |_: NoArguments, context: Context| {
            context.once("large", async { "x".repeat(2_000) }).await;
            context.ask("q", form("a")).await;
        }))
        .build()
        .unwrap();
    let fault = error(&server, Method::ToolsCall, tool("t"), modern()).await;
    assert!(fault.message.contains("state_bytes"), "{fault}");
}

#[tokio::test]
async fn a_live_caller_is_asked_through_the_shim() {
    let charges = Arc::new(AtomicU32::new(0));
    let server = LegacyClientAdapter::new(shop(&charges), LegacyClientLimits::default());
    let caller =
        legacy(Revision::V2025_06_18).with_client(crate::common::raw(&json!({"elicitation": {}})), None);
    let mut reply = start(&server, Method::ToolsCall, &tool("buy"), caller);
    let mut questions = 0;
    let end = loop {
        match reply.next().await {
            Event::ServerRequest(question) => {
                questions += 1;
                let answer = accept(json!({"a": "x", "b": "y"}));
                question.responder.answer(Ok(crate::common::raw(&answer)));
            }
            Event::Outcome(outcome) => break outcome,
            event => panic!("{event:?}"),
        }
    };
    let Outcome::Result(end) = end else { panic!("{end:?}") };
    assert_eq!(text(&crate::common::value(&end)), r#"receipt 1, "y""#);
    assert_eq!((questions, charges.load(Ordering::Relaxed)), (2, 1));
}
