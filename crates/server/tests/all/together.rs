//! Features that meet: each is tested by itself elsewhere.
//!
//! Invariant: Macros, mounts, middleware, server requests, headers, lenient arguments and visibility work
//! together.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::common::{all, asked, declaring, error, modern, outcome, raw, result, start, text, value};
use anyport_layers::{Call, Next};
use anyport_protocol::{
    Method, Raw, Revision, meta::Meta, param_header::ParamHeaders, types::Resource as Listed,
};
use anyport_server::{
    BlockOnError, CallError, CompletionRequest, Context, Form, List, Mount, Prompt, Resource, Server, State,
    Template, Tool, Values, tool,
};
use anyport_service::{Event, Outcome, Principal};
use serde_json::{Value, json};

fn caller(name: &'static str) -> anyport_service::Context {
    let capabilities = raw(&json!({"elicitation": {"form": {}}}));
    anyport_service::Context::new(Principal::named(name), Revision::NEWEST).with_client(capabilities, None)
}

fn is_staff(principal: &Principal) -> bool {
    principal.name() == Some("staff")
}

/// How often things were charged, and by which server.
struct Till(&'static str, AtomicU32);

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Sure {
    sure: bool,
}

/// Books seats, and asks before it does.
#[tool(blocking, timeout = 5, example = {"day": "mon", "seats": 2})]
fn book(
    till: State<Till>,
    context: &Context,
    #[arg(header = "Day")] day: String,
    #[arg(default = 1, range = 1..=9, coerce)] seats: u32,
) -> Result<String, BlockOnError> {
    context.block_on(context.progress(1.0, 2.0, None))?;
    let number =
        context.block_on(context.once("charge", async { till.1.fetch_add(1, Ordering::Relaxed) }))?;
    let question = Form::<Sure>::new(format!("{seats} on {day}?"));
    let answer = context.block_on(context.ask("sure", question))?;
    let sure = answer.accepted().is_some_and(|Sure { sure }| sure);
    context.block_on(context.progress(2.0, 2.0, None))?;
    Ok(format!("{} {number}: {seats} on {day}, {sure}", till.0))
}

fn theatre() -> Server {
    Server::builder("theatre", "1")
        .state(Till("theatre", AtomicU32::new(0)))
        .max_blocking(1)
        .tool(book().visible_to(is_staff))
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_macros_tool_blocks_tells_remembers_and_asks_through_a_mount_and_middleware() {
    let rounds = Arc::new(AtomicU32::new(0));
    let count = rounds.clone();
    // It makes each day a Sunday, in every round alike.
    let sundays = move |call: Call, next: Next| {
        count.fetch_add(1, Ordering::Relaxed);
        async move {
            let Some(arguments) = call.arguments() else { return next.run(call).await };
            let mut arguments: Value = arguments.decode().unwrap();
            arguments["day"] = json!("sun");
            next.run(call.with_arguments(&raw(&arguments))).await
        }
    };
    let city = Server::builder("city", "1")
        .state(Till("city", AtomicU32::new(0)))
        .mount("theatre", theatre())
        .middleware(sundays)
        .build()
        .unwrap();
    let context = || {
        let mut headers = ParamHeaders::default();
        headers.push("day".into(), b"sun".to_vec());
        let meta = Meta::read(&raw(&json!({"progressToken": 1})));
        caller("staff").with_param_headers(headers).with_meta(meta).unwrap()
    };
    let params = json!({"name": "theatre_book", "arguments": {"day": "mon", "seats": "3"}});
    let (told, first) = all(start(&city, Method::ToolsCall, &params, context())).await;
    let Outcome::InputRequired(required) = first else { panic!("{first:?}") };
    assert_eq!(told.len(), 1);
    let required = value(&required);
    assert_eq!(required["inputRequests"]["sure"]["params"]["message"], "3 on sun?");
    let mut retry = params.clone();
    retry["requestState"] = required["requestState"].clone();
    retry["inputResponses"] = json!({"sure": {"action": "accept", "content": {"sure": true}}});
    let (told, done) = all(start(&city, Method::ToolsCall, &retry, context())).await;
    let Outcome::Result(done) = done else { panic!("{done:?}") };
    assert_eq!(text(&value(&done)), "theatre 0: 3 on sun, true");
    assert_eq!(told.len(), 2);
    // The same once more is the same, and charges nobody.
    let again = result(&city, Method::ToolsCall, retry.clone(), context()).await;
    assert_eq!(again, value(&done));
    assert_eq!(rounds.load(Ordering::Relaxed), 3);
    // Who may not see it hears nothing of the state.
    retry["arguments"]["seats"] = json!(99);
    let hidden = error(&city, Method::ToolsCall, retry, caller("guest")).await;
    assert_eq!(hidden.message, "unknown tool: theatre_book");
}

#[tokio::test]
async fn what_is_removed_or_hidden_between_two_rounds_is_gone_and_comes_back_with_its_state() {
    let open = Arc::new(AtomicBool::new(true));
    let rule = open.clone();
    let confirm = move || {
        let rule = rule.clone();
        Tool::new("confirm").visible_to(move |_| rule.load(Ordering::Relaxed)).run_raw(
            async |_: Raw, context: Context| {
                let answer = context.ask("sure", Form::<Sure>::new("Sure?")).await;
                format!("{:?}", answer.accepted().map(|Sure { sure }| sure))
            },
        )
    };
    let server = Server::builder("s", "1").tool(confirm()).build().unwrap();
    let host = Server::builder("host", "1").mount("in", server.clone()).build().unwrap();
    for (asking, name) in [(&server, "confirm"), (&host, "in_confirm")] {
        let (_, state) = asked(asking, Method::ToolsCall, json!({"name": name}), modern()).await;
        let answer = json!({"sure": {"action": "accept", "content": {"sure": true}}});
        let retry = json!({"name": name, "requestState": state, "inputResponses": answer});
        open.store(false, Ordering::Relaxed);
        let hidden = error(asking, Method::ToolsCall, retry.clone(), modern()).await;
        open.store(true, Ordering::Relaxed);
        assert!(server.remove_tool("confirm"));
        let gone = error(asking, Method::ToolsCall, retry.clone(), modern()).await;
        assert_eq!((hidden.code, hidden.message), (gone.code, gone.message));
        server.add(confirm()).unwrap();
        let done = result(asking, Method::ToolsCall, retry, modern()).await;
        assert_eq!(text(&done), "Some(true)");
    }
}

#[tokio::test(start_paused = true)]
async fn a_called_tool_over_its_time_ends_though_its_caller_has_asked_before() {
    let slow = async |_: Raw, context: Context| {
        let answer = context.ask("sure", Form::<Sure>::new("Sure?")).await;
        tokio::time::sleep(Duration::from_secs(if answer.accepted().is_some() { 9 } else { 1 })).await;
        "slept"
    };
    let twice = async |_: Raw, context: Context| {
        let number: u32 = context.once("number", async { 7 }).await;
        let (one, two) = tokio::join!(context.call("slow", &json!({})), context.call("slow", &json!({})));
        Ok::<_, CallError>(format!("{number}: {}, {}", one?.words(), two?.words()))
    };
    let server = Server::builder("s", "1")
        .default_timeout(Duration::from_secs(60))
        .tool(Tool::new("slow").timeout(Duration::from_secs(5)).run_raw(slow))
        .tool(Tool::new("twice").run_raw(twice))
        .build()
        .unwrap();
    let (questions, state) = asked(&server, Method::ToolsCall, json!({"name": "twice"}), modern()).await;
    assert_eq!(questions.as_object().unwrap().keys().collect::<Vec<_>>(), ["slow/sure", "slow#2/sure"]);
    tokio::time::sleep(Duration::from_secs(100)).await;
    let retry = json!({"name": "twice", "requestState": state, "inputResponses": {
        "slow/sure": {"action": "decline"}, "slow#2/sure": {"action": "accept", "content": {"sure": true}}
    }});
    let done = result(&server, Method::ToolsCall, retry, modern()).await;
    assert_eq!(text(&done), "7: slept, timed out after 5 s");
    assert_eq!(server.metrics().refusals("tool_timeout").value(), 1);
}

#[tokio::test]
async fn lenient_arguments_of_a_raw_handler_are_compared_with_headers_as_they_were_sent() {
    let schema = json!({"type": "object", "properties": {
        "n": {"type": "integer", "x-mcp-header": "N", "default": 7}, "on": {"type": ["boolean", "null"]}
    }, "additionalProperties": false});
    let echo = Tool::new("echo").coerce().input_schema(schema);
    let echo = echo.run_raw(async |arguments: Raw, _: Context| arguments.as_str().to_owned());
    let server = Server::builder("s", "1").tool(echo).build().unwrap();
    let host = Server::builder("host", "1").mount("in", server).build().unwrap();
    let with = |header: Option<&str>| {
        let mut headers = ParamHeaders::default();
        header.into_iter().for_each(|text| headers.push("n".into(), text.as_bytes().to_vec()));
        modern().with_param_headers(headers)
    };
    let params = |arguments: Value| json!({"name": "in_echo", "arguments": arguments});
    let sent = params(json!({"n": "5", "on": "true"}));
    let done = result(&host, Method::ToolsCall, sent.clone(), with(Some("5"))).await;
    assert_eq!(value(&raw(&serde_json::from_str(text(&done)).unwrap())), json!({"n": 5, "on": true}));
    assert_eq!(error(&host, Method::ToolsCall, sent, with(None)).await.code, -32020);
    // A default is the server's own: nobody sent it, and no header says it.
    let done = result(&host, Method::ToolsCall, params(json!({})), with(None)).await;
    assert_eq!(text(&done), "{}");
    assert_eq!(error(&host, Method::ToolsCall, params(json!({})), with(Some("7"))).await.code, -32020);
    let faulty = result(&host, Method::ToolsCall, params(json!({"n": "x"})), with(Some("x"))).await;
    assert!(text(&faulty).starts_with("invalid arguments for in_echo:"), "{faulty}");
}

/// Rooms, of which only the staff sees the back ones; each kind lists its own.
fn hotel() -> Server {
    let rooms = |from: u32| {
        move |context: Context| async move {
            tokio::task::yield_now().await;
            context.log(anyport_protocol::meta::LogLevel::Info, None, "listing").await;
            (from..from + 5).map(|room| Listed::new(format!("room:///{room}"), "room")).collect::<Vec<_>>()
        }
    };
    let template = |template: &str, from| {
        Template::new(template)
            .list(rooms(from))
            .complete("room", async |partial: CompletionRequest, _: Context| {
                vec![format!("{}1", partial.value)]
            })
            .read(async |values: Values, _: Context| values.get("room").map(str::to_owned))
    };
    Server::builder("hotel", "1")
        .page_size(3)
        .dynamic([List::Templates])
        .template(template("room:///{room}{?from}", 1).visible_to(is_staff))
        .template(template("room:///{room}", 4))
        .build()
        .unwrap()
}

async fn rooms(server: &Server, name: &'static str) -> Vec<String> {
    let (mut uris, mut params) = (Vec::new(), json!({}));
    loop {
        let page = result(server, Method::ResourcesList, params, caller(name)).await;
        assert_eq!(page["cacheScope"], "private");
        let resources = page["resources"].as_array().unwrap().iter();
        uris.extend(resources.map(|listed| listed["uri"].as_str().unwrap().replace("room:///", "")));
        match page.get("nextCursor") {
            Some(cursor) => params = json!({"cursor": cursor}),
            None => return uris,
        }
    }
}

#[tokio::test]
async fn listed_templates_come_go_and_hide_page_by_page_in_a_mount_too() {
    let hotel = hotel();
    let town = Server::builder("town", "1")
        .page_size(2)
        .resource(Resource::new("room:///6").read(async |_: Context| "the town's own"))
        .mount("hotel", Mount::of(hotel.clone()))
        .build()
        .unwrap();
    assert_eq!(rooms(&hotel, "guest").await, ["4", "5", "6", "7", "8"]);
    assert_eq!(rooms(&hotel, "staff").await, ["1", "2", "3", "4", "5", "6", "7", "8"]);
    assert_eq!(rooms(&town, "guest").await, ["6", "4", "5", "7", "8"]);
    assert_eq!(rooms(&town, "staff").await, ["6", "1", "2", "3", "4", "5", "7", "8"]);
    // A cursor of the staff's is none for a guest.
    let first = result(&hotel, Method::ResourcesList, json!({}), caller("staff")).await;
    let cursor = json!({"cursor": first["nextCursor"]});
    assert_eq!(error(&hotel, Method::ResourcesList, cursor, caller("guest")).await.code, -32602);
    // It goes while someone listens where it is mounted, and who could not see it hears nothing.
    let listen = async |name| {
        let filter = json!({"notifications": {"resourcesListChanged": true}});
        let mut reply = start(&town, Method::Listen, &filter, caller(name));
        assert!(matches!(reply.next().await, Event::Notification(_)));
        reply
    };
    let (mut guest, mut staff) = (listen("guest").await, listen("staff").await);
    assert!(hotel.remove_template("room:///{room}{?from}"));
    let Event::Notification(told) = staff.next().await else { panic!() };
    assert_eq!(told.method, Method::ResourcesChanged);
    let silence = tokio::time::timeout(Duration::from_millis(50), guest.next()).await;
    assert!(silence.is_err(), "{silence:?}");
    assert_eq!(rooms(&town, "staff").await, ["6", "4", "5", "7", "8"]);
}

#[tokio::test]
async fn completion_goes_through_a_mount_to_those_who_see_what_is_completed() {
    let town = Server::builder("town", "1")
        .mount("hotel", Mount::of(hotel()))
        .prompt(Prompt::new("p").get(async |(): (), _: Context| ""))
        .build()
        .unwrap();
    let complete = |template: &str| json!({"ref": {"type": "ref/resource", "uri": template}, "argument": {"name": "room", "value": "2"}});
    let hidden = complete("room:///{room}{?from}");
    let done = result(&town, Method::Complete, hidden.clone(), caller("staff")).await;
    assert_eq!(done["completion"]["values"], json!(["21"]));
    let refused = error(&town, Method::Complete, hidden, caller("guest")).await;
    let unknown = error(&town, Method::Complete, complete("room:///{other}{?from}"), caller("guest")).await;
    assert_eq!(refused.message.replace("room}", "other}"), unknown.message);
    let done = result(&town, Method::Complete, complete("room:///{room}"), caller("guest")).await;
    assert_eq!(done["completion"]["values"], json!(["21"]));
}

#[tokio::test]
async fn middleware_may_retry_a_call_that_remembers() {
    let twice = async |call: Call, next: Next| {
        let first = next.run(call.clone()).await;
        let second = next.run(call).await;
        // What is sealed differs; what was remembered is one outcome.
        if matches!(first, Outcome::Result(_)) {
            assert_eq!(first, second);
        }
        second
    };
    let charges = Arc::new(AtomicU32::new(0));
    let count = charges.clone();
    let pay = Tool::new("pay").run_raw(move |_: Raw, context: Context| {
        let count = count.clone();
        async move {
            context.once("early", async {}).await;
            context.ask("sure", Form::<Sure>::new("Sure?")).await;
            context.once("charge", async { count.fetch_add(1, Ordering::Relaxed) }).await;
            "paid"
        }
    });
    let server = Server::builder("s", "1").tool(pay).middleware(twice).build().unwrap();
    let context = || declaring(&json!({"elicitation": {"form": {}}}));
    let (_, state) = asked(&server, Method::ToolsCall, json!({"name": "pay"}), context()).await;
    let answer = json!({"sure": {"action": "accept", "content": {"sure": true}}});
    let retry = json!({"name": "pay", "requestState": state, "inputResponses": answer});
    let done = outcome(&server, Method::ToolsCall, retry, context()).await;
    assert!(matches!(done, Outcome::Result(_)), "{done:?}");
    assert_eq!(charges.load(Ordering::Relaxed), 1);
}
