use anyport_protocol::{Method as Named, Raw};
use anyport_service::{
    Context, Event, InputMode, Notification, Outcome, Reply, Request, ServerRequest as Asked, Service, emit,
};
use anyport_transport::http::Config;

use super::*;

/// Asks for a word, whichever way its caller can be asked, and says one notification before it answers with it.
struct Fake;

impl Service for Fake {
    fn call(&self, request: Request, context: Context) -> Reply {
        match request.known() {
            Some(Named::ToolsCall) => emit::reply(|emitter| answer(request, context, emitter)),
            Some(Named::Listen) => emit::reply(|emitter| async move {
                let said = |method, params: Value| {
                    Event::Notification(Notification { method, params: params.into() })
                };
                let filter = request.params.member("notifications").unwrap_or(Raw::EMPTY_OBJECT);
                let filter: Value = filter.decode().unwrap();
                emitter.emit(said(Named::Acknowledged, json!({ "notifications": filter }))).await;
                emitter.emit(said(Named::ToolsChanged, json!({}))).await;
                std::future::pending().await
            }),
            Some(Named::Discover) => {
                let capabilities =
                    json!({"tools": {"listChanged": true}, "resources": {"subscribe": true}, "logging": {}});
                complete(json!({ "capabilities": capabilities }))
            }
            _ => Reply::error(anyport_protocol::Error::method_not_found(&request.method)),
        }
    }
}

fn complete(mut result: Value) -> Reply {
    result["resultType"] = "complete".into();
    Reply::ready(Ok(Raw::from(result)))
}

async fn answer(request: Request, context: Context, emitter: anyport_service::Emitter) -> Outcome {
    let params = json!({"messages": [], "maxTokens": 1});
    let given = request.params.member("inputResponses").and_then(|all| all.member("word"));
    let word = match (given, context.input_mode()) {
        (Some(word), _) => word,
        (None, InputMode::Inline) => {
            let (question, answer) = Asked::new(Named::CreateMessage, params.into());
            emitter.emit(Event::ServerRequest(question)).await;
            match answer.await.unwrap() {
                Ok(word) => word,
                Err(error) => return Outcome::Error(error),
            }
        }
        (None, InputMode::InputRequired) => {
            let request = json!({"method": "sampling/createMessage", "params": params});
            let required = json!({
                "resultType": "input_required", "inputRequests": {"word": request}, "requestState": "state"
            });
            return Outcome::InputRequired(required.into());
        }
    };
    let params = json!({"level": "info", "data": "one"});
    emitter
        .emit(Event::Notification(Notification { method: Named::LogMessage, params: params.into() }))
        .await;
    let word: Value = word.decode().unwrap();
    Outcome::Result(
        json!({"resultType": "complete", "content": [{"type": "text", "text": word["model"]}]}).into(),
    )
}

async fn wires() -> Vec<(Revision, Wire)> {
    let mut wires = Vec::new();
    for revision in Revision::ALL {
        let mut links = vec![Link::stdio(Fake), Link::http(Fake, Config::default()).await.unwrap()];
        if !revision.is_stateless() {
            links.push(Link::sse(Fake, Config::default()).await.unwrap());
        }
        for link in links {
            let mut wire = Wire::over(link).declaring(json!({"sampling": {}}));
            wire.open(revision).await.unwrap();
            wires.push((revision, wire));
        }
    }
    wires
}

#[tokio::test]
async fn a_call_is_asked_told_and_answered_in_every_revision() {
    for (revision, mut wire) in wires().await {
        wire.answer_with(|question| {
            assert_eq!(question.params["maxTokens"], 1);
            Ok(json!({"role": "assistant", "content": {"type": "text", "text": "-"}, "model": "me"}))
        });
        wire.log_level("debug").await.unwrap();
        let answer = wire.call("tools/call", json!({"name": "x"})).await.unwrap();
        assert_eq!((answer.text().as_str(), answer.questions.len()), ("me", 1), "{revision}");
        assert_eq!(answer.said("notifications/message").len(), 1, "{revision}");
        assert_eq!(answer.status, wire.link().is_http().then_some(200));
        assert!(wire.strays().is_empty());
        wire.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_refusal_goes_back_to_a_legacy_server_and_ends_a_modern_call() {
    for (revision, mut wire) in wires().await {
        let answer = wire.call("tools/call", json!({"name": "x"})).await.unwrap();
        match revision.is_stateless() {
            true => assert_eq!(answer.outcome.unwrap()["resultType"], "input_required"),
            false => assert_eq!(answer.code(), Some(-1), "{revision}"),
        }
    }
}

#[tokio::test]
async fn changes_are_heard_in_every_revision() {
    for (revision, mut wire) in wires().await {
        assert_eq!(wire.listen(&["a:b"]).await.unwrap(), ["a:b"], "{revision}");
        let change = wire.change().await.unwrap();
        assert_eq!(change["method"], "notifications/tools/list_changed", "{revision}");
    }
}

#[tokio::test]
async fn silence_is_not_waited_for_in_vain() {
    let link = Link::http(Fake, Config::default()).await.unwrap();
    let mut wire = Wire::over(link).patience(Duration::from_millis(10));
    assert!(matches!(wire.change().await, Err(Lost::Silence(10, _))));
    let mut nobody = Wire::over(Link::connect(([127, 0, 0, 1], 1).into(), "/mcp"));
    assert!(matches!(nobody.open(Revision::V2025_11_25).await, Err(Lost::Garbage(_))));
}
