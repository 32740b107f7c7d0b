//! Tools from the methods of a type, and what handlers ask by the names of the protocol, for clients of both eras.

use std::sync::Mutex;

use crate::common::{asked, call, legacy, modern, raw, result, start, text, value};
use anyport_adapters::{LegacyClientAdapter, LegacyClientLimits};
use anyport_protocol::{
    Method, Revision,
    types::{CreateMessageRequest, ElicitAction, SamplingMessage},
};
use anyport_server::{BuildError, Context, Elicited, Server, tools};
use anyport_service::{Event, Outcome, Service};
use serde_json::{Value, json};

#[derive(Default)]
struct Shop {
    sold: Mutex<Vec<String>>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Order {
    count: u8,
}

#[tools]
impl Shop {
    /// Sells something.
    #[tool(name = "sell_one", destructive = false)]
    async fn sell(
        &self,
        /// What
        #[arg(length = 1..=9)]
        item: String,
        #[arg(default = 1)] count: u32,
    ) -> String {
        self.note(item);
        format!("{} of {count}", self.sold().len())
    }

    #[tool(blocking, read_only)]
    fn sold(&self) -> Vec<String> {
        self.sold.lock().unwrap().clone()
    }

    #[tool]
    async fn order(&self, context: &Context) -> String {
        let Elicited::Accepted(Order { count }) = context.elicit("order", "How many?").await else {
            return "nothing".to_owned();
        };
        let paid = context.elicit_url("pay", "Pay here", "https://example.com/pay").await;
        if paid != ElicitAction::Accept {
            return "unpaid".to_owned();
        }
        let question = vec![SamplingMessage::user("a word for the parcel")];
        let word = context.sample("word", CreateMessageRequest::new(question, 5)).await;
        let roots = context.list_roots().await;
        self.note(format!("{count} to {}", roots[0].uri));
        word.model
    }

    #[tool]
    fn version() -> &'static str {
        "1"
    }

    fn note(&self, item: String) {
        self.sold.lock().unwrap().push(item);
    }
}

fn shop() -> Server {
    Server::builder("shop", "1").state(Shop::default()).tools(Shop::tools()).build().unwrap()
}

#[tokio::test]
async fn methods_under_an_attribute_are_tools_in_their_order() {
    let server = shop();
    let listed = result(&server, Method::ToolsList, json!({}), modern()).await;
    let names: Vec<_> = listed["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["sell_one", "sold", "order", "version"]);
    let sell = &listed["tools"][0];
    assert_eq!(sell["description"], "Sells something.");
    assert_eq!(sell["annotations"], json!({"destructiveHint": false}));
    assert_eq!(
        sell["inputSchema"]["properties"]["item"],
        json!({"type": "string", "description": "What", "minLength": 1, "maxLength": 9})
    );
    assert_eq!(text(&call(&server, "sell_one", json!({"item": "pen"})).await), "1 of 1");
    assert_eq!(text(&call(&server, "sell_one", json!({"item": "ink", "count": 2})).await), "2 of 2");
    assert_eq!(call(&server, "sell_one", json!({"item": ""})).await["isError"], true);
    assert_eq!(call(&server, "sold", json!({})).await["content"][1]["text"], "ink");
    assert_eq!(text(&call(&server, "version", json!({})).await), "1");
    assert_eq!(Shop::default().sell("pen".to_owned(), 7).await, "1 of 7", "the method is still there");
}

#[test]
fn a_server_without_the_type_is_not_built() {
    let BuildError { problems, .. } = Server::builder("s", "1").tools(Shop::tools()).build().unwrap_err();
    assert!(problems[0].starts_with("tool \"sell_one\": it needs the state `"), "{problems:?}");
    assert_eq!(problems.len(), 3, "one method needs none: {problems:?}");
}

/// The answer to a request of the method `order`.
fn answer(method: &str, params: &Value) -> Value {
    match method {
        "elicitation/create" if params["mode"] == "url" => json!({"action": "accept"}),
        "elicitation/create" => json!({"action": "accept", "content": {"count": 3}}),
        "sampling/createMessage" => {
            json!({"role": "assistant", "content": {"type": "text", "text": "gift"}, "model": "m"})
        }
        "roots/list" => json!({"roots": [{"uri": "file:///home"}]}),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_modern_client_is_asked_by_results_one_round_each() {
    let server = shop();
    let mut params = json!({"name": "order", "arguments": {}});
    for key in ["order", "pay", "word", "roots"] {
        let (questions, state) = asked(&server, Method::ToolsCall, params.clone(), modern()).await;
        assert_eq!(questions.as_object().unwrap().keys().collect::<Vec<_>>(), [key]);
        let question = &questions[key];
        let answer = answer(question["method"].as_str().unwrap(), &question["params"]);
        params["inputResponses"] = json!({key: answer});
        params["requestState"] = state.into();
    }
    assert_eq!(text(&result(&server, Method::ToolsCall, params, modern()).await), "m");
    let sold = call(&server, "sold", json!({})).await;
    assert_eq!(text(&sold), "3 to file:///home");
}

#[tokio::test]
async fn a_legacy_client_is_asked_inline() {
    let server = shop();
    let adapter = LegacyClientAdapter::new(server.clone(), LegacyClientLimits::default());
    let capabilities = json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}});
    let caller = legacy(Revision::V2025_11_25).with_client(raw(&capabilities), None);
    assert_eq!(order(&adapter, caller).await, "m");
    assert_eq!(text(&call(&server, "sold", json!({})).await), "3 to file:///home");
}

async fn order(server: &impl Service, caller: anyport_service::Context) -> String {
    let mut reply = start(server, Method::ToolsCall, &json!({"name": "order"}), caller);
    loop {
        match reply.next().await {
            Event::ServerRequest(question) => {
                let answer = answer(question.method.as_str(), &value(&question.params));
                question.responder.answer(Ok(raw(&answer)));
            }
            Event::Outcome(Outcome::Result(result)) => return text(&value(&result)).to_owned(),
            Event::Notification(_) => {}
            event => panic!("{event:?}"),
        }
    }
}
