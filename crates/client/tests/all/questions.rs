//! What a server asks in the middle of a call, and what answers it.
//!
//! Invariant: A client's API behaves the same for every revision of its server, and a hostile response is an
//! error that names its location.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::common::{Scripted, count, result};
use anyport_client::{Answers, Client, ElicitAnswer, Error, Form, Handler, Refused};
use anyport_protocol::{
    Method,
    meta::LogLevel,
    types::{
        CreateMessageRequest, CreateMessageResult, ElicitAction, ElicitRequest, JsonObject, ListRootsRequest,
        LoggingMessageNotificationParams, NumberSchema, RequestedSchema, Role, Root, SamplingMessage,
        StringSchema,
    },
};
use anyport_server::{Context, NoArguments, Server, Tool};
use anyport_service::{Answer, Event, Outcome, Reply, ServerRequest};
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::time::{Instant, sleep};

fn server() -> Server {
    let text =
        |default: Option<&str>| StringSchema { default: default.map(Into::into), ..Default::default() };
    Server::builder("asking", "1")
        .tool(Tool::new("book").run(move |_: NoArguments, context: Context| async move {
            let days = NumberSchema { maximum: Some(14.into()), ..NumberSchema::integer() };
            let schema = RequestedSchema::default()
                .require("city", text(Some("Paris")))
                .require("days", days)
                .with("note", text(None));
            let answer = context.ask("trip", ElicitRequest::form("Where to?", schema)).await;
            format!("{:?} {}", answer.action, serde_json::to_string(&answer.content).unwrap())
        }))
        .tool(Tool::new("visit").run(async |_: NoArguments, context: Context| {
            let answer = context.ask("page", ElicitRequest::url("Sign in", "https://example.com/in")).await;
            format!("{:?}", answer.action)
        }))
        .tool(Tool::new("think").run(async |_: NoArguments, context: Context| {
            let question = CreateMessageRequest::new(vec![SamplingMessage::user("6 by 7?")], 10);
            context.ask("model", question).await.content.text()
        }))
        .tool(Tool::new("folders").run(async |_: NoArguments, context: Context| {
            let roots = context.ask("roots", ListRootsRequest::default()).await.roots;
            roots.into_iter().map(|root| root.uri).collect::<Vec<_>>().join(" ")
        }))
        .tool(Tool::new("both").run(async |_: NoArguments, context: Context| {
            let (first, second) = tokio::join!(
                context.ask("first", ElicitRequest::form("1?", RequestedSchema::default())),
                context.ask("second", ElicitRequest::form("2?", RequestedSchema::default())),
            );
            format!("{:?} {:?}", first.action, second.action)
        }))
        .build()
        .unwrap()
}

fn said(text: &str) -> CreateMessageResult {
    CreateMessageResult {
        role: Role::Assistant,
        content: text.into(),
        model: "test".into(),
        stop_reason: None,
        meta: None,
        extra: JsonObject::new(),
    }
}

#[tokio::test]
async fn a_form_is_completed_by_its_defaults_and_held_against_its_schema() {
    let forms = Arc::new(Mutex::new(Vec::new()));
    let (seen, days) = (forms.clone(), Arc::new(Mutex::new(json!(3))));
    let answer = days.clone();
    let client = Client::over(server())
        .on_elicit(move |form| {
            assert!(form.check(&JsonObject::new()).unwrap_err().contains("days"));
            seen.lock().unwrap().push((form.server().to_owned(), form.message().to_owned(), form.defaults()));
            let answer = ElicitAnswer::accept(json!({"days": *answer.lock().unwrap()}));
            async move { answer }
        })
        .open()
        .await
        .unwrap();
    assert_eq!(client.call("book", ()).await.unwrap().text(), r#"Accept {"days":3,"city":"Paris"}"#);
    let (server, message, defaults) = forms.lock().unwrap()[0].clone();
    assert_eq!((&*server, &*message), ("asking", "Where to?"));
    assert_eq!(defaults, *json!({"city": "Paris"}).as_object().unwrap());

    *days.lock().unwrap() = json!(15);
    let wrong = client.call("book", ()).await.unwrap_err();
    assert!(
        matches!(&wrong, Error::Answer { question, fault, .. } if question == "Where to?" && fault.contains("days: 15"))
    );
}

#[tokio::test]
async fn every_mode_is_answered_by_its_function() {
    let client = Client::over(server())
        .on_url_elicitation(async |page| {
            assert_eq!((&*page.server, &*page.message), ("asking", "Sign in"));
            if page.url.starts_with("https://example.com/") {
                ElicitAction::Accept
            } else {
                ElicitAction::Decline
            }
        })
        .on_sampling(async |question| Ok(said(&format!("42 in {}", question.max_tokens))))
        .roots(["file:///a", "file:///b"])
        .open()
        .await
        .unwrap();
    assert_eq!(client.call("visit", ()).await.unwrap().text(), "Accept");
    assert_eq!(client.call("think", ()).await.unwrap().text(), "42 in 10");
    assert_eq!(client.call("folders", ()).await.unwrap().text(), "file:///a file:///b");
    // No function, no capability: the server knows that it cannot ask.
    let forms = client.call("book", ()).await;
    assert_eq!(forms.unwrap_err().code(), Some(-32021));
}

#[tokio::test]
async fn declining_is_an_answer_and_refusing_ends_the_call() {
    let client = Client::over(server())
        .on_elicit(async |_| ElicitAnswer::Decline)
        .on_sampling(async |_| Err(Refused::new("no model for you")))
        .on_roots(async || Err(Refused::new("no folders for you")))
        .open()
        .await
        .unwrap();
    assert_eq!(client.call("book", ()).await.unwrap().text(), "Decline null");
    for (tool, words) in [("think", "no model for you"), ("folders", "no folders for you")] {
        let refused = client.call(tool, ()).await.unwrap();
        assert!(refused.is_error() && refused.text().contains(words), "{}", refused.text());
    }
}

struct Everything(Mutex<Vec<String>>);

impl Handler for Everything {
    fn answers(&self) -> Answers {
        Answers { elicit: true, sample: true, roots: true, log: Some(LogLevel::Info), ..Answers::default() }
    }

    async fn elicit(&self, form: Form) -> ElicitAnswer {
        self.0.lock().unwrap().push(form.message().into());
        ElicitAnswer::accept(json!({"days": 1}))
    }

    async fn sample(
        &self,
        _: anyport_protocol::types::CreateMessageRequestParams,
    ) -> Result<CreateMessageResult, Refused> {
        Ok(said("42"))
    }

    async fn roots(&self) -> Result<Vec<Root>, Refused> {
        Ok(vec![Root::new("file:///x")])
    }

    fn log(&self, _: LoggingMessageNotificationParams) {}
}

#[tokio::test]
async fn a_handler_declares_what_it_answers_and_no_more() {
    let client = Client::over(server()).handler(Everything(Mutex::default())).open().await.unwrap();
    assert!(client.call("book", ()).await.unwrap().text().starts_with("Accept"));
    assert_eq!(client.call("think", ()).await.unwrap().text(), "42");
    assert_eq!(client.call("folders", ()).await.unwrap().text(), "file:///x");
    assert_eq!(client.call("visit", ()).await.unwrap_err().code(), Some(-32021));
}

#[tokio::test(start_paused = true)]
async fn questions_of_a_round_are_asked_together_and_their_time_does_not_count() {
    let client = Client::over(server())
        .timeout(Duration::from_secs(5))
        .on_elicit(async |_| {
            sleep(Duration::from_secs(60)).await;
            ElicitAnswer::accept(json!({}))
        })
        .open()
        .await
        .unwrap();
    let begun = Instant::now();
    assert_eq!(client.call("both", ()).await.unwrap().text(), "Accept Accept");
    assert_eq!(begun.elapsed(), Duration::from_secs(60));
}

/// A server that asks while its call is open, as one of an older revision does.
#[tokio::test]
async fn a_live_question_is_answered_by_the_same_function() {
    let (service, _) = Scripted::new(|_, _, _| {
        let params = json!({"message": "Name?", "requestedSchema": {"type": "object", "properties": {}}});
        let (question, answer) = ServerRequest::new(Method::Elicit, params.into());
        let outcome = async move {
            let answer: Answer = answer.await.unwrap();
            let text = answer.unwrap().to_string();
            Event::Outcome(Outcome::Result(json!({"content": [{"type": "text", "text": text}]}).into()))
        };
        Reply::pending(stream::once(async { Event::ServerRequest(question) }).chain(stream::once(outcome)))
    });
    let client = Client::over(service).on_elicit(async |_| ElicitAnswer::Cancel).open().await.unwrap();
    assert_eq!(client.call("x", ()).await.unwrap().text(), r#"{"action":"cancel"}"#);
}

#[tokio::test]
async fn a_question_whose_params_cannot_be_read_gets_32602_and_its_call_goes_on() {
    let cases = [
        (Method::Elicit, json!({"message": 5, "requestedSchema": {"type": "object", "properties": {}}})),
        (Method::Elicit, json!({"mode": "url", "message": "See"})),
        (Method::CreateMessage, json!({"messages": "none", "maxTokens": 1})),
    ];
    for (method, params) in cases {
        let (service, _) = Scripted::new(move |_, _, _| {
            let (question, answer) = ServerRequest::new(method, params.clone().into());
            let outcome = async move {
                let answer: Answer = answer.await.unwrap();
                let text = answer.unwrap_err().code.to_string();
                Event::Outcome(Outcome::Result(json!({"content": [{"type": "text", "text": text}]}).into()))
            };
            Reply::pending(
                stream::once(async { Event::ServerRequest(question) }).chain(stream::once(outcome)),
            )
        });
        let client = Client::over(service)
            .on_elicit(async |_| ElicitAnswer::Cancel)
            .on_url_elicitation(async |_| ElicitAction::Accept)
            .on_sampling(async |_| Ok(said("never")))
            .open()
            .await
            .unwrap();
        assert_eq!(client.call("x", ()).await.unwrap().text(), "-32602", "{method:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_ever_is_stopped_and_its_state_goes_back_as_it_came() {
    let form = json!({"method": "elicitation/create", "params":
        {"message": "Again?", "requestedSchema": {"type": "object", "properties": {}}}});
    let (service, asked) = Scripted::new(move |count, _, _| {
        let state = format!("state {count} \u{e9}");
        result(
            json!({"resultType": "input_required", "requestState": state, "inputRequests": {"again": form}}),
        )
    });
    let client =
        Client::over(service).on_elicit(async |_| ElicitAnswer::accept(json!({}))).open().await.unwrap();
    let stopped = client.call("x", ()).await.unwrap();
    assert!(stopped.is_error() && stopped.text().contains("rounds"), "{}", stopped.text());
    assert_eq!(count(&asked), 11);
    let retried = &asked.lock().unwrap()[1].1;
    assert_eq!(retried["requestState"], "state 1 \u{e9}");
    assert_eq!(retried["inputResponses"], json!({"again": {"action": "accept", "content": {}}}));
}
