//! What servers ask.

use std::time::Duration;

use anyport::Revision::{self, *};
use anyport_testing::{Answer, Question, Refusal};
use serde_json::{Value, json};

use super::Topic;
use crate::matrix::{
    pair::Pair,
    peer::answers,
    row::Row,
    verdict::{Carried, Lost, Lowered, Measured, Verdict, all, error, lost, lowered, refused, same},
};

pub(crate) fn questions() -> Topic {
    Topic {
        name: "Server requests",
        about: "A client of 2026-07-28 receives a request as the result of its call, an older one while its call is open, in whatever way the server sends it.",
        whole: true,
        rows: vec![
            Row::new("Form elicitation", form).since(V2025_06_18).rule(since_forms),
            Row::new("URL elicitation", url).since(V2025_11_25).rule(since_urls),
            Row::new("Sampling", sampling),
            Row::new("Sampling with tools", sampling_with_tools).since(V2025_11_25).rule(since_urls),
            Row::new("Roots", roots),
        ],
    }
}

pub(crate) fn forms() -> Topic {
    Topic {
        name: "Elicitation, in detail",
        about: "For clients with the capability, as in the first table.",
        whole: false,
        rows: vec![
            Row::new("The user declines, or closes the form", declined)
                .since(V2025_06_18)
                .client_since(V2025_06_18),
            Row::new("Choices with titles", titles).since(V2025_06_18).client_since(V2025_06_18).rule(
                |client, server| match client {
                    V2025_06_18 if server >= V2025_11_25 => lowered(TITLES),
                    _ => Carried,
                },
            ),
            Row::new("Choices of several", several).since(V2025_11_25).client_since(V2025_06_18).rule(
                |client, _| match client {
                    V2025_06_18 => lowered(SEVERAL),
                    _ => Carried,
                },
            ),
            Row::new("Defaults", defaults).since(V2025_11_25).client_since(V2025_06_18),
            Row::new("Notification that a visit is complete", completed)
                .since(V2025_11_25)
                .client_since(V2025_11_25)
                .rule(|client, _| if client.is_stateless() { lowered(NO_NEWS) } else { Carried }),
            Row::new("-32042: visit a page first", url_first).since(V2025_11_25).until(V2025_11_25).rule(
                |client, _| match client {
                    V2025_11_25 => Carried,
                    V2026_07_28 => lowered(VISIT_ASKED),
                    _ => lowered(VISIT_SAID),
                },
            ),
        ],
    }
}

pub(crate) fn models() -> Topic {
    Topic {
        name: "Sampling, in detail",
        about: "",
        whole: false,
        rows: vec![
            Row::new("Messages of several blocks", blocks)
                .since(V2025_11_25)
                .rule(|client, _| if client < V2025_11_25 { lowered(SPLIT) } else { Carried }),
            Row::new("Audio", audio).since(V2025_03_26).rule(|client, server| match client {
                V2024_11_05 if server.is_stateless() => refused(NO_AUDIO_MODERN),
                V2024_11_05 => refused(NO_AUDIO),
                _ => Carried,
            }),
            Row::new("`includeContext`", context),
            Row::new("`includeContext`, for a client that declared no `sampling.context`", no_context)
                .client_since(V2025_11_25)
                .until(V2025_06_18)
                .declaring(|_| json!({"sampling": {}}))
                .rule(|_, _| lowered(NO_CONTEXT)),
            Row::new("A model that calls several tools", tool_use)
                .since(V2025_11_25)
                .client_since(V2025_11_25),
            Row::new("Responses of several blocks", several_blocks).client_since(V2025_11_25).rule(
                |_, server| {
                    if server < V2025_11_25 { lowered(JOINED) } else { Carried }
                },
            ),
            Row::new("Responses in audio", audio_answer)
                .client_since(V2025_03_26)
                .rule(|_, server| if server < V2025_03_26 { refused(NO_AUDIO_SERVER) } else { Carried }),
        ],
    }
}

pub(crate) fn edges() -> Topic {
    Topic {
        name: "When and how often servers send requests",
        about: "Since 2026-07-28 a server sends requests only in the result of `tools/call`, `prompts/get` and `resources/read`.",
        whole: false,
        rows: vec![
            Row::new("In prompts", async |pair| {
                let got = sampled(pair, "prompts/get", json!({"name": "asking"})).await?;
                Ok(same(&got["messages"][0]["content"]["text"], &json!("a haiku")))
            }),
            Row::new("In reading resources", async |pair| {
                let read = sampled(pair, "resources/read", json!({"uri": "test:///asking"})).await?;
                Ok(same(&read["contents"][0]["text"], &json!("a haiku")))
            }),
            Row::new("Several requests at once", two),
            Row::new("Several rounds of requests", rounds),
            Row::new("In lists", in_list)
                .until(V2025_11_25)
                .rule(|client, _| if client.is_stateless() { refused(IN_LIST) } else { Carried }),
            Row::new("While no call is open", aside)
                .until(V2025_11_25)
                .rule(|client, _| if client.is_stateless() { refused(ASIDE) } else { Carried }),
            Row::new("Roots, while no call is open", roots_aside)
                .until(V2025_11_25)
                .rule(|client, _| if client.is_stateless() { lowered(HELD) } else { Carried }),
            Row::new("A request that the server cancels", withdrawn)
                .until(V2025_11_25)
                .rule(|client, _| if client.is_stateless() { lowered(WITHDRAWN) } else { Carried }),
            Row::new("A request for an undeclared capability", rude)
                .since(V2025_06_18)
                .declaring(|_| json!({}))
                .rule(|client, server| match (client.is_stateless(), server.is_stateless()) {
                    (_, true) => refused(RUDE_SHIM),
                    (true, false) => refused(RUDE_NEW),
                    (false, false) => refused(RUDE_OLD),
                }),
            Row::new("The client answers sampling with an error", refusing_to_sample)
                .client_until(V2025_11_25)
                .rule(|_, server| if server.is_stateless() { lowered(TOLD_MODEL) } else { Carried }),
            Row::new("The client answers a form with an error", refusing_a_form)
                .since(V2025_06_18)
                .client_since(V2025_06_18)
                .client_until(V2025_11_25)
                .rule(|_, server| if server.is_stateless() { lowered(AS_CANCEL) } else { Carried }),
        ],
    }
}

const TOLD: &str = "the server sees that the client lacks the capability, and answers in its own way";
const TOLD_MODERN: &str =
    "the server sees that the client lacks the capability; its -32021 arrives as -32600";
const TITLES: &str = "`oneOf` becomes `enum` and `enumNames`";
const SEVERAL: &str = "requested as a text with commas, which the server receives as a list";
const NO_NEWS: &str = "2026-07-28 has no such message; the outcome of the call shows it";
const VISIT_ASKED: &str = "sent as URL elicitation; then the call is repeated";
const VISIT_SAID: &str = "a result with `isError` that names the page to visit";
const SPLIT: &str = "a message for each block";
const JOINED: &str = "one block, with a line for each text";
const NO_AUDIO_SERVER: &str = "-32603 to the server, whose revision has no audio in sampling";
const NO_AUDIO: &str = "-32603 to the server: the client's revision has no audio in sampling";
const NO_AUDIO_MODERN: &str = "a result with `isError`: the client's revision has no audio in sampling";
const NO_CONTEXT: &str = "left out";
const IN_LIST: &str =
    "-32601 to the server: since 2026-07-28 clients receive requests in calls, prompts and reads only";
const ASIDE: &str = "-32603 to the server: the client cannot receive requests outside a call";
const HELD: &str = "held until the client's next call that may receive requests, for 45 s at most; then -32603 to the server";
const WITHDRAWN: &str = "the request is withdrawn";
const RUDE_NEW: &str = "-32021 with `requiredCapabilities`; the server gets -32601";
const RUDE_OLD: &str = "-32601 to the server, which answers in its own way";
const RUDE_SHIM: &str = "-32603 `invalid_upstream`";
const TOLD_MODEL: &str = "a result with `isError` and the client's message";
const AS_CANCEL: &str = "as if the user had cancelled the form";

fn unable(server: Revision) -> Verdict {
    refused(if server.is_stateless() { TOLD_MODERN } else { TOLD })
}

fn since_forms(client: Revision, server: Revision) -> Verdict {
    if client < V2025_06_18 { unable(server) } else { Carried }
}

fn since_urls(client: Revision, server: Revision) -> Verdict {
    if client < V2025_11_25 { unable(server) } else { Carried }
}

/// What became of a call whose question was not asked: whether its server saw that it cannot be.
fn unasked(pair: &Pair, answer: &Answer) -> Verdict {
    match (answer.code(), pair.server.is_stateless()) {
        (Some(crate::matrix::peer::UNDECLARED), false) => refused(TOLD),
        (Some(-32600), true) => refused(TOLD_MODERN),
        _ => error(answer).unwrap_or_else(|| lost(answer)),
    }
}

/// Calls the tool `name`, whose one question is `method` with just these params but for `hop`, and gets the answer back.
pub(super) async fn carried(
    pair: &mut Pair,
    name: &str,
    method: &str,
    params: Value,
    said: Value,
) -> Measured {
    let answer = pair.answering(name, Ok(said.clone())).await?;
    let [question] = answer.questions.as_slice() else { return Ok(unasked(pair, &answer)) };
    Ok(all([
        same(&json!(question.method), &json!(method)),
        same(&question.params, &params),
        got(&answer, &said),
    ]))
}

/// Whether this is the answer that the server got.
fn got(answer: &Answer, said: &Value) -> Verdict {
    match serde_json::from_str::<Value>(&answer.text()) {
        Ok(arrived) => same(&arrived, said),
        Err(_) => lost(answer),
    }
}

const ELICIT: &str = "elicitation/create";
pub(super) const SAMPLE: &str = "sampling/createMessage";

fn accepted(content: Value) -> Value {
    json!({"action": "accept", "content": content})
}

async fn form(pair: &mut Pair) -> Measured {
    let params = answers::form(answers::name_field());
    carried(pair, "form", ELICIT, params, accepted(json!({"name": "Ada"}))).await
}

async fn declined(pair: &mut Pair) -> Measured {
    for action in ["decline", "cancel"] {
        let params = answers::form(answers::name_field());
        let verdict = carried(pair, "form", ELICIT, params, json!({ "action": action })).await?;
        if verdict != Carried {
            return Ok(verdict);
        }
    }
    Ok(Carried)
}

async fn titles(pair: &mut Pair) -> Measured {
    let said = accepted(json!({"color": "b"}));
    let answer = pair.answering("titles", Ok(said.clone())).await?;
    let [question] = answer.questions.as_slice() else { return Ok(unasked(pair, &answer)) };
    let one_of = answers::form(answers::titles(true));
    let names = answers::form(answers::titles(false));
    let sent = if pair.server >= V2025_11_25 { &one_of } else { &names };
    Ok(match (got(&answer, &said), same(&question.params, sent)) {
        (Carried, Lost(_)) if question.params == names => lowered(TITLES),
        (arrived, asked) => all([arrived, asked]),
    })
}

async fn several(pair: &mut Pair) -> Measured {
    let chosen = accepted(json!({"colors": ["red", "blue"]}));
    // A client shows what it was asked for: a list, or a text.
    let answer = pair
        .asked("several", |question| {
            let text = question.params["requestedSchema"]["properties"]["colors"]["type"] == "string";
            Ok(accepted(json!({"colors": if text { json!("red, blue") } else { json!(["red", "blue"]) }})))
        })
        .await?;
    let [question] = answer.questions.as_slice() else { return Ok(unasked(pair, &answer)) };
    let field = &question.params["requestedSchema"]["properties"]["colors"];
    let described = "Choose at least 1 of these, separated by commas: red, blue, green";
    let text = *field == json!({"type": "string", "description": described});
    let arrived = got(&answer, &chosen);
    Ok(match text && arrived == Carried {
        true => lowered(SEVERAL),
        false => all([arrived, same(&question.params, &answers::form(answers::several()))]),
    })
}

async fn defaults(pair: &mut Pair) -> Measured {
    let params = answers::form(answers::defaults());
    carried(pair, "defaults", ELICIT, params, accepted(json!({"pet": "cat", "age": 3}))).await
}

/// The question about a page, without what belongs to one hop; and its id.
fn page(question: &Question) -> (Value, Option<Value>) {
    let mut params = question.params.clone();
    let id = params.as_object_mut().and_then(|params| params.remove("elicitationId"));
    (params, id)
}

async fn url(pair: &mut Pair) -> Measured {
    let said = json!({"action": "accept"});
    let answer = pair.answering("url", Ok(said.clone())).await?;
    let [question] = answer.questions.as_slice() else { return Ok(unasked(pair, &answer)) };
    let (params, id) = page(question);
    // 2025-11-25 demands an id, 2026-07-28 has none.
    if id.is_some() == pair.client.is_stateless() {
        return Ok(Lost(format!("the id of {question}")));
    }
    let sent = json!({"mode": "url", "message": "Look!", "url": "https://example.com/visit"});
    Ok(all([same(&params, &sent), got(&answer, &said)]))
}

async fn completed(pair: &mut Pair) -> Measured {
    const COMPLETE: &str = "notifications/elicitation/complete";
    let answer = pair.answering("url", Ok(json!({"action": "accept"}))).await?;
    let [question] = answer.questions.as_slice() else { return Ok(unasked(pair, &answer)) };
    // It may come after the outcome.
    pair.tool("echo").await?;
    let news: Vec<Value> = pair
        .wire
        .heard()
        .iter()
        .filter(|heard| heard.message["method"] == COMPLETE)
        .map(|heard| heard.message["params"]["elicitationId"].clone())
        .collect();
    Ok(match page(question).1 {
        Some(id) => same(&json!(news), &json!([id])),
        None if news.is_empty() && !answer.is_error() => lowered(NO_NEWS),
        None => Lost(format!("{news:?}")),
    })
}

async fn url_first(pair: &mut Pair) -> Measured {
    let answer = pair.answering("url-first", Ok(json!({"action": "accept"}))).await?;
    let page = "https://example.com/visit";
    Ok(match &answer.outcome {
        Err(refusal) if refusal.code == -32042 => {
            let asked = &refusal.data["elicitations"];
            let sent = json!([{"mode": "url", "message": "Look!", "url": page, "elicitationId": "visit-1"}]);
            same(asked, &sent)
        }
        Ok(result) if result["isError"] == true && answer.text().contains(page) => lowered(VISIT_SAID),
        Ok(_) if answer.text() == "visited" && answer.questions.len() == 1 => {
            let question = &answer.questions[0];
            match question.params["url"] == page && question.params["mode"] == "url" {
                true => lowered(VISIT_ASKED),
                false => lost(&answer),
            }
        }
        _ => lost(&answer),
    })
}

pub(super) fn model(text: &str) -> Value {
    json!({"role": "assistant", "content": answers::text(text), "model": "a-model", "stopReason": "endTurn"})
}

async fn sampling(pair: &mut Pair) -> Measured {
    carried(pair, "sample", SAMPLE, answers::sampling(json!({})), model("a haiku")).await
}

async fn sampling_with_tools(pair: &mut Pair) -> Measured {
    carried(pair, "sample-tools", SAMPLE, answers::sampling(answers::look()), model("a haiku")).await
}

async fn tool_use(pair: &mut Pair) -> Measured {
    let blocks = json!([
        {"type": "tool_use", "id": "1", "name": "look", "input": {"at": "a"}},
        {"type": "tool_use", "id": "2", "name": "look", "input": {}},
    ]);
    let said = json!({"role": "assistant", "content": blocks, "model": "a-model", "stopReason": "toolUse"});
    carried(pair, "sample-tools", SAMPLE, answers::sampling(answers::look()), said).await
}

async fn blocks(pair: &mut Pair) -> Measured {
    let said = model("a haiku");
    let answer = pair.answering("sample-blocks", Ok(said.clone())).await?;
    let [question] = answer.questions.as_slice() else { return Ok(unasked(pair, &answer)) };
    let one = |text: &str| json!({"role": "user", "content": answers::text(text)});
    let arrived = got(&answer, &said);
    Ok(match question.params["messages"] == json!([one("one"), one("two")]) && arrived == Carried {
        true => lowered(SPLIT),
        false => all([arrived, same(&question.params, &answers::sampling(answers::blocks()))]),
    })
}

async fn audio(pair: &mut Pair) -> Measured {
    let said = model("a song");
    let answer = pair.answering("sample-audio", Ok(said.clone())).await?;
    let [question] = answer.questions.as_slice() else {
        let words = "audio in sampling can only be said since 2025-03-26";
        return Ok(match &answer.outcome {
            Err(refusal) if refusal.message.contains(words) => refused(NO_AUDIO),
            Ok(result) if result["isError"] == true && answer.text().contains(words) => {
                refused(NO_AUDIO_MODERN)
            }
            _ => lost(&answer),
        });
    };
    Ok(all([same(&question.params["messages"][0]["content"], &answers::audio()), got(&answer, &said)]))
}

async fn several_blocks(pair: &mut Pair) -> Measured {
    let mut said = model("");
    said["content"] = json!([answers::text("one"), answers::text("two")]);
    let answer = pair.answering("sample", Ok(said.clone())).await?;
    let joined = got(&answer, &model("one\ntwo"));
    Ok(if joined == Carried { lowered(JOINED) } else { got(&answer, &said) })
}

async fn audio_answer(pair: &mut Pair) -> Measured {
    let mut said = model("");
    said["content"] = answers::audio();
    let answer = pair.answering("sample", Ok(said.clone())).await?;
    Ok(match &answer.outcome {
        // The peer answers with what it was told.
        Err(refusal) if refusal.code == -32603 && refusal.message.contains("audio in sampling") => {
            refused(NO_AUDIO_SERVER)
        }
        _ => got(&answer, &said),
    })
}

async fn context(pair: &mut Pair) -> Measured {
    let params = answers::sampling(json!({"includeContext": "thisServer"}));
    carried(pair, "sample-context", SAMPLE, params, model("a haiku")).await
}

async fn no_context(pair: &mut Pair) -> Measured {
    let verdict =
        carried(pair, "sample-context", SAMPLE, answers::sampling(json!({})), model("a haiku")).await?;
    Ok(if verdict == Carried { lowered(NO_CONTEXT) } else { verdict })
}

async fn roots(pair: &mut Pair) -> Measured {
    let said = json!({"roots": [{"uri": "file:///a", "name": "a"}, {"uri": "file:///b", "x-own": 1}]});
    let answer = pair.answering("roots", Ok(said.clone())).await?;
    let [question] = answer.questions.as_slice() else { return Ok(unasked(pair, &answer)) };
    Ok(all([same(&json!(question.method), &json!("roots/list")), got(&answer, &said)]))
}

async fn sampled(pair: &mut Pair, method: &str, params: Value) -> Result<Value, anyport_testing::Lost> {
    pair.wire.answer_with(|_| Ok(model("a haiku")));
    Ok(pair.wire.call(method, params).await?.outcome?)
}

async fn two(pair: &mut Pair) -> Measured {
    let answer = pair
        .asked("two", |question| match question.method.as_str() {
            SAMPLE => Ok(model("a word")),
            _ => Ok(json!({"roots": [{"uri": "file:///a"}]})),
        })
        .await?;
    let once = answer.questions.iter().all(|question| question.round == 0) && answer.questions.len() == 2;
    Ok(if once { got(&answer, &json!(["a word", [{"uri": "file:///a"}]])) } else { lost(&answer) })
}

async fn rounds(pair: &mut Pair) -> Measured {
    let answer = pair
        .asked("rounds", |question| Ok(model(question.params["systemPrompt"].as_str().unwrap_or_default())))
        .await?;
    let rounds = answer.questions.len() == 3;
    Ok(if rounds { got(&answer, &json!(["one", "two", "three"])) } else { lost(&answer) })
}

async fn in_list(pair: &mut Pair) -> Measured {
    pair.wire.answer_with(|_| Ok(model("a haiku")));
    let answer = pair.wire.call("tools/list", json!({"_meta": {answers::ASK: true}})).await?;
    // Over HTTP it comes on the stream for what belongs to no call.
    let asked = pair.wire.heard().iter().any(|heard| heard.message["method"] == SAMPLE);
    Ok(match &answer.outcome {
        Ok(_) if asked => Carried,
        // The peer answers with what it was told.
        Err(refusal) if refusal.code == -32601 && !asked => refused(IN_LIST),
        _ => lost(&answer),
    })
}

async fn aside(pair: &mut Pair) -> Measured {
    pair.tool("echo").await?;
    pair.wire.answer_with(|_| Ok(model("a haiku")));
    let answer = tokio::select! {
        answer = pair.peer.ask_aside(SAMPLE, answers::sampling(json!({}))) => answer,
        // The client answers while it waits for something.
        change = pair.wire.change() => return Ok(Lost(format!("{change:?}"))),
    };
    Ok(match answer {
        Ok(answer) => same(&answer, &model("a haiku")),
        Err(error) if error["code"] == -32603 => refused(ASIDE),
        Err(error) => Lost(error.to_string()),
    })
}

async fn roots_aside(pair: &mut Pair) -> Measured {
    pair.tool("echo").await?;
    let said = json!({"roots": [{"uri": "file:///a"}]});
    let answer = said.clone();
    pair.wire.answer_with(move |question| match question.method.as_str() {
        SAMPLE => Ok(model("a haiku")),
        _ => Ok(answer.clone()),
    });
    let peer = pair.peer.clone();
    let asked = tokio::spawn(async move { peer.ask_aside("roots/list", Value::Null).await });
    // The server has asked by the time that the client calls.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let call = pair.tool("sample").await?;
    let Ok(Ok(answer)) = asked.await else { return Ok(Lost("the question".into())) };
    let held =
        call.questions.iter().any(|question| question.method == "roots/list" && question.key.is_some());
    Ok(match same(&answer, &said) {
        Carried if held && call.questions.len() == 2 => lowered(HELD),
        verdict => verdict,
    })
}

async fn withdrawn(pair: &mut Pair) -> Measured {
    pair.wire.leave_open();
    let answer = pair.tool("withdraws").await?;
    if answer.text() != "\"did without\"" {
        return Ok(lost(&answer));
    }
    let heard = pair.wire.heard();
    let asked = heard.iter().find(|heard| heard.message["method"] == SAMPLE);
    let Some(asked) = asked else {
        return Ok(if answer.questions.is_empty() { lowered(WITHDRAWN) } else { lost(&answer) });
    };
    let told = heard.iter().any(|heard| {
        let message = &heard.message;
        message["method"] == "notifications/cancelled"
            && message["params"]["requestId"] == asked.message["id"]
    });
    Ok(if told { Carried } else { Lost("the client was not told".into()) })
}

async fn rude(pair: &mut Pair) -> Measured {
    let answer = pair.tool("rude").await?;
    Ok(match &answer.outcome {
        Err(refusal) if refusal.code == -32021 => {
            let required = &refusal.data["requiredCapabilities"];
            match *required == json!({"elicitation": {"form": {}}}) {
                true => refused(RUDE_NEW),
                false => lost(&answer),
            }
        }
        Err(refusal) if refusal.code == crate::matrix::peer::UNDECLARED => refused(RUDE_OLD),
        Err(refusal) if refusal.data["reason"] == "invalid_upstream" => refused(RUDE_SHIM),
        _ => lost(&answer),
    })
}

async fn refusing_to_sample(pair: &mut Pair) -> Measured {
    let answer = pair.answering("sample", Err(Refusal::new(-1, "no models today"))).await?;
    Ok(match &answer.outcome {
        // The peer answers with what it was told.
        Err(refusal) if refusal.code == -1 && refusal.message == "no models today" => Carried,
        Ok(result) if result["isError"] == true && answer.text().contains("no models today") => {
            lowered(TOLD_MODEL)
        }
        _ => lost(&answer),
    })
}

async fn refusing_a_form(pair: &mut Pair) -> Measured {
    let answer = pair.answering("form", Err(Refusal::new(-1, "no forms today"))).await?;
    Ok(match &answer.outcome {
        Err(refusal) if refusal.code == -1 && refusal.message == "no forms today" => Carried,
        Ok(_) if got(&answer, &json!({"action": "cancel"})) == Carried => Lowered(AS_CANCEL.into()),
        _ => lost(&answer),
    })
}
