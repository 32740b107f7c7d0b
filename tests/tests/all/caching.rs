//! Answers that are kept are the answers that were given: over every transport, in every revision, to nobody else.
//!
//! Invariant: A cached answer is given to an equal request of the same caller and revision only.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use anyport::{
    Context, Revision, Server, Service, Tool, http,
    layer::{Cache, CacheHandle, CacheLimits},
    server::NoArguments,
    types::{CreateMessageRequest, SamplingMessage, ToolAnnotations},
    with_legacy_clients,
};
use anyport_testing::{Lost, Wire};
use anyport_tests::{
    matrix::{around, capabilities, sampled},
    site::{Site, Way},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
struct Asked {
    #[allow(dead_code, reason = "it makes the question")]
    what: f64,
}

fn reads() -> ToolAnnotations {
    ToolAnnotations { read_only_hint: Some(true), ..ToolAnnotations::default() }
}

/// A server whose tools tell how often they ran and for whom, and a cache in front of it.
fn cached() -> (impl Service, CacheHandle) {
    let runs = Arc::new(AtomicUsize::new(0));
    let run = move |context: &Context| {
        format!("run {} for {}", runs.fetch_add(1, Ordering::SeqCst) + 1, context.principal())
    };
    let run = Arc::new(run);
    let (look, tell, ask) = (run.clone(), run.clone(), run);
    let server = Server::builder("cached", "1")
        .tool(Tool::new("look").annotations(reads()).run(move |_: Asked, context: Context| {
            let text = look(&context);
            // Something is always waited for in earnest.
            async move {
                tokio::task::yield_now().await;
                text
            }
        }))
        .tool(Tool::new("tell").annotations(reads()).run(move |_: NoArguments, context: Context| {
            let text = tell(&context);
            async move {
                context.progress(1.0, 2.0, "half").await;
                text
            }
        }))
        .tool(Tool::new("ask").annotations(reads()).run(move |_: NoArguments, context: Context| {
            let ask = ask.clone();
            async move {
                let request = CreateMessageRequest::new(vec![SamplingMessage::user("well?")], 100);
                context.ask("word", request).await;
                ask(&context)
            }
        }))
        .build()
        .unwrap();
    let asked = server.clone();
    let cache = Cache::new(server, CacheLimits::default(), move |tool, caller| asked.cacheable(tool, caller));
    let clear = cache.handle();
    (with_legacy_clients(cache), clear)
}

fn look(what: &str) -> Value {
    serde_json::from_str(&format!(r#"{{"name":"look","arguments":{{"what":{what}}}}}"#)).unwrap()
}

/// The result of a call, whole.
async fn call(wire: &mut Wire, params: Value) -> Result<Value, Lost> {
    Ok(wire.call("tools/call", params).await?.outcome.unwrap())
}

#[tokio::test]
async fn what_is_kept_is_answered_alike_wherever_it_is_asked() {
    around(
        |_| Ok(cached().0),
        capabilities,
        async |cell| {
            let first = call(&mut cell.wire, look("1")).await?;
            assert!(first["content"][0]["text"].as_str().unwrap().starts_with("run 1 for"), "{first}");
            for what in ["1", "1.0", "10e-1"] {
                assert_eq!(call(&mut cell.wire, look(what)).await?, first, "{what}");
            }
            let other = call(&mut cell.wire, look("2")).await?;
            assert!(other["content"][0]["text"].as_str().unwrap().starts_with("run 2 for"), "{other}");
            // What tells something on its way tells it each time.
            for run in [3, 4] {
                let before = cell.wire.heard().len();
                let answer = cell
                    .wire
                    .call(
                        "tools/call",
                        json!({"name": "tell", "_meta": {"progressToken": format!("t{run}")}}),
                    )
                    .await?;
                assert!(answer.text().starts_with(&format!("run {run} for")), "{answer:?}");
                let told =
                    cell.wire.heard()[before..].iter().filter(|heard| heard.text.contains("half")).count();
                assert_eq!(told, 1);
            }
            Ok(())
        },
    )
    .await;
}

#[tokio::test]
async fn what_asks_its_caller_asks_each_time() {
    around(
        |_| Ok(cached().0),
        capabilities,
        async |cell| {
            let asked = Arc::new(AtomicUsize::new(0));
            let count = asked.clone();
            cell.wire.answer_with(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                Ok(sampled("well"))
            });
            for run in [1, 2] {
                let answer = cell.wire.call("tools/call", json!({"name": "ask"})).await?;
                assert!(answer.text().starts_with(&format!("run {run} for")), "{answer:?}");
                assert_eq!(asked.load(Ordering::SeqCst), run);
            }
            Ok(())
        },
    )
    .await;
}

#[tokio::test]
async fn nobody_is_given_what_was_kept_for_another() {
    let names = ["ada", "bob"];
    let token = |name: &str| http::Token::new(name, &format!("secret of {name}"));
    let config =
        || http::Config::default().authentication(http::Authentication::Tokens(names.map(token).to_vec()));
    let (service, clear) = cached();
    let site = Site::listen(service, config()).await.unwrap();
    for (way, revision) in Way::ALL
        .into_iter()
        .flat_map(|way| Revision::ALL.map(|revision| (way, revision)))
        .filter(|(way, revision)| *way != Way::Sse || !revision.is_stateless())
    {
        let mut clients = Vec::new();
        for name in names {
            let link = site.link(way, &site.remote().bearer(&format!("secret of {name}"))).await.unwrap();
            let mut wire = Wire::over(link).declaring(capabilities(revision));
            wire.open(revision).await.unwrap();
            clients.push((name, wire));
        }
        for _ in 0..2 {
            for (name, wire) in &mut clients {
                let answer = call(wire, look("1")).await.unwrap();
                let text = answer["content"][0]["text"].as_str().unwrap();
                assert!(text.ends_with(&format!(" for name:{name}")), "{text} over {way:?} in {revision}");
            }
        }
    }
    // One for each caller in each revision, whatever the transport; with headers, a question of its own.
    assert!((10..=20).contains(&clear.len()), "{}", clear.len());
}
