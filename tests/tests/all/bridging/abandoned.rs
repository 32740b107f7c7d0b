//! Calls that nobody comes back for, or that nobody remembers.

use std::time::Duration;

use anyport_tests::bridged::is_silent;
use tokio::time::Instant;

use super::*;

/// Invariant: A parked call is cancelled at its server before its server requests are refused.
#[tokio::test(start_paused = true)]
async fn park_ttl_cancels_first() {
    for (revision, way) in legacy_ways() {
        let begun = Instant::now();
        let mut parked = Parked::one(revision, way).await;
        // First the call is cancelled, then its question: no user chose to cancel that.
        let cancelled = parked.server.hears("notifications/cancelled").await;
        assert_eq!(cancelled.param("requestId"), parked.call.id(), "{revision} {way:?}");
        let waited = begun.elapsed().as_secs();
        assert!((600..602).contains(&waited), "{revision} {way:?}: {waited} s");
        let refused = parked.server.hears_answer(parked.asked[0]).await;
        assert_eq!(refused.message["error"]["code"], -32603, "{revision} {way:?}");
        parked.server.hears_nothing().await;
        let late = parked.retry(json!({"q1": parked.answer})).await;
        assert_eq!(refusal(&late), (-32602, "expired"), "{revision} {way:?}");
        assert!(late.outcome.unwrap_err().message.ends_with("call ask again without requestState"));
        parked.server.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn park_restart_says_start_over() {
    for (revision, way) in legacy_ways() {
        let Parked { bridged, required, answer, .. } = Parked::one(revision, way).await;
        let mut bridged = bridged.restarted();
        let what = question(revision);
        let mut client = bridged.client(M, what.capabilities).await;
        let retry = again(&ask(), &required, json!({"q1": answer}));
        let lost = client.call("tools/call", retry).await.unwrap();
        assert_eq!(refusal(&lost), (-32602, "lost"), "{revision} {way:?}");
        assert!(lost.outcome.unwrap_err().message.ends_with("call ask again without requestState"));
        // And so it can.
        let call = client.begin("tools/call", ask()).unwrap();
        let mut server = bridged.server().await;
        server.hears("tools/call").await.answers(DONE);
        assert_eq!(client.end(call).await.unwrap().text(), "done", "{revision} {way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn park_limit_overload() {
    for (revision, way) in legacy_ways() {
        let mut setup = quiet(revision, way);
        setup.park = setup.park.parked_per_principal(1);

        let mut parked = Parked::with(setup, 1).await;
        let what = question(revision);
        let second = parked.client.begin("tools/call", json!({"name": "second"})).unwrap();
        let call = parked.server.hears("tools/call").await;
        let id = call.asks(&parked.server, what.method, &what.params);
        let refused = parked.client.end(second).await.unwrap();
        assert_eq!(refusal(&refused), (-32603, "overloaded"), "{revision} {way:?}");
        let cancelled = parked.server.hears("notifications/cancelled").await;
        assert_eq!(cancelled.param("requestId"), call.id(), "{revision} {way:?}");
        assert_eq!(parked.server.hears_answer(id).await.message["error"]["code"], -32603);
        assert_eq!(parked.bridged.metrics().refusals("parked_per_principal").value(), 1);
        // The first one is as good as it was.
        let retry = parked.begin(json!({"q1": what.answer}));
        parked.server.hears_answer(parked.asked[0]).await;
        parked.call.answers(DONE);
        assert_eq!(parked.client.end(retry).await.unwrap().text(), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn shim_ask_timeout() {
    for (revision, way) in legacy_ways() {
        let what = question(revision);
        let mut setup = quiet(M, way);
        setup.shim = setup.shim.ask_timeout(Duration::from_secs(300));
        let mut bridged = setup.start();
        let mut client = bridged.client(revision, what.capabilities.clone()).await;
        let mut server = bridged.server().await;
        for (method, params) in [("tools/call", ask()), ("prompts/get", json!({"name": "p"}))] {
            let begun = Instant::now();
            client.tell(&request(7, method, params)).unwrap();
            let requests = json!({"a": {"method": what.method, "params": what.params}});
            let required = json!({"resultType": "input_required", "inputRequests": requests});
            server.hears(method).await.answers(required);
            let question = client.hear().await.unwrap().message;
            let heard = [client.hear().await.unwrap().message, client.hear().await.unwrap().message];
            assert_eq!(begun.elapsed().as_secs(), 300, "{revision} {way:?}");
            let (cancelled, ended) = if heard[0].get("id").is_some() { (1, 0) } else { (0, 1) };
            assert_eq!(
                heard[cancelled]["params"]["requestId"], question["id"],
                "{revision} {way:?}: {heard:?}"
            );
            let words = "no answer within 300 s (ask_timeout)";
            if method == "tools/call" {
                let failed = json!({"content": [{"type": "text", "text": words}], "isError": true});
                assert_eq!(heard[ended]["result"], failed, "{revision} {way:?}");
            } else {
                let failed = json!({"code": -32603, "message": words, "data": {"reason": "timeout"}});
                assert_eq!(heard[ended]["error"], failed, "{revision} {way:?}");
            }
            server.hears_nothing().await;
            assert!(is_silent(&mut client).await);
        }
    }
}
