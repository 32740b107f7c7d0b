use std::{sync::Arc, time::Duration};

use anyport_protocol::Revision;
use anyport_service::sync::Lock;
use anyport_testing::{Answer, Link, Lost, Refusal, Remote, Wire};
use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    canary::Owner,
    gateway::Upstream,
    line::Line,
    server::{DECLINED, note},
    tally::Tally,
    tap::Tap,
    theft::Loot,
};
use crate::{
    cross_transport::Fault,
    matrix::{capabilities, elicits, sampled},
    site::Way,
};

/// Some calls of one principal, in one session or as one client.
pub(super) struct Visit {
    pub(super) owner: Owner,
    pub(super) token: Arc<str>,
    pub(super) line: Line,
    pub(super) tally: Arc<Tally>,
    /// What others leave for thieves.
    pub(super) loot: Arc<Loot>,
    pub(super) random: Rng,
    /// What the visit is called in a report.
    pub(super) name: String,
    /// How many calls are made.
    pub(super) calls: u64,
    /// The number of its next canary.
    pub(super) next: u64,
}

/// How long anything may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What a call must answer, if not what it was called with.
type Expected<'a> = &'a str;

impl Visit {
    /// Makes the calls over MCP, in a revision that the client has.
    pub(super) async fn call(&mut self, tap: &Tap, way: Way, revision: Revision) -> Result<(), Fault> {
        let remote = Remote::new(tap.address()).bearer(&self.token);
        let link: Link = match way {
            // Of everything, or of a virtual server.
            Way::Http => remote.http(if self.random.bool() { "/mcp" } else { "/s/all/mcp" }),
            Way::Sse => remote.sse("/sse").await?,
            Way::WebSocket => remote.websocket("/ws").await?,
        };
        let mut wire = Wire::over(link).declaring(capabilities(revision)).patience(PATIENCE);
        wire.open(revision).await.map_err(|lost| format!("open: {lost}"))?;
        let word = Arc::new(Lock::new(String::new()));
        self.answer(&mut wire, &word);
        self.leave_session(&wire);
        let result = self.calls(&mut wire, &word, tap).await;
        let closed = wire.close().await;
        result?;
        Ok(closed?)
    }

    /// Has server requests answered with the canary of the call, and reports those of other calls.
    fn answer(&self, wire: &mut Wire, word: &Arc<Lock<String>>) {
        let (word, tally, name) = (word.clone(), self.tally.clone(), self.name.clone());
        wire.answer_with(move |question| {
            let word = word.lock().clone();
            let said = format!("Say {word}");
            let is_form = question.method == "elicitation/create";
            let text = if is_form {
                &question.params["message"]
            } else {
                &question.params["messages"][0]["content"]["text"]
            };
            if !text.as_str().is_some_and(|text| text.ends_with(&said)) {
                tally.violation(format!("{name}: was asked {question} for {word}"));
            }
            Ok::<_, Refusal>(match is_form {
                true => json!({"action": "accept", "content": {"word": word}}),
                false => sampled(&word),
            })
        });
    }

    async fn calls(&mut self, wire: &mut Wire, word: &Arc<Lock<String>>, tap: &Tap) -> Result<(), Fault> {
        wire.log_level("debug").await.map_err(|lost| format!("log level: {lost}"))?;
        // What a list names may be called afterwards.
        self.counted("list");
        wire.call("tools/list", json!({})).await?.outcome?;
        let mut left = self.calls.saturating_sub(1);
        while left > 0 {
            let upstream = self.random.choice(Upstream::ALL).ok_or("no upstream")?;
            let canary = self.canary();
            word.lock().clone_from(&canary);
            let kind = KINDS[self.random.usize(..KINDS.len())];
            if kind == THEFT {
                self.steal(tap).await.map_err(|fault| format!("theft: {fault}"))?;
                left -= 1;
                continue;
            }
            self.kind(wire, kind, upstream, &canary)
                .await
                .map_err(|fault| format!("{kind} at {} with {canary}: {fault}", upstream.name))?;
            // Rounds are answered by hand.
            self.answer(wire, word);
            left -= 1;
        }
        for heard in wire.heard() {
            if let Some(crossing) = self.owner.crossing(&heard.text) {
                self.violation(&format!("heard {crossing}"));
            }
        }
        Ok(())
    }

    async fn kind(
        &mut self,
        wire: &mut Wire,
        kind: &'static str,
        upstream: Upstream,
        canary: &str,
    ) -> Result<(), Fault> {
        let revision = wire.revision();
        match kind {
            "echo" | "report" => {
                let answer = self.tool(wire, kind, upstream, canary).await?;
                self.expect(kind, &answer, canary);
            }
            "look_up" => self.look_up(wire, upstream).await?,
            "rounds" if revision.is_stateless() && upstream.attributes_requests() => {
                let params = tool(upstream, "ask", json!({"word": canary}), canary);
                self.ask_in_rounds(wire, params, canary).await?;
            }
            "ask" | "rounds" if elicits(revision) => {
                let answer = self.tool(wire, "ask", upstream, canary).await?;
                self.expect_or_declined(&answer, upstream, canary);
            }
            "sample" | "ask" | "rounds" => {
                let answer = self.tool(wire, "sample", upstream, canary).await?;
                if upstream.attributes_requests() || answer.text().contains(canary) {
                    self.expect_in(kind, &answer, canary);
                }
            }
            "confide" => {
                let password = self.owner.hidden(format_args!("{:x}", self.next));
                let arguments = json!({"word": canary, "password": password});
                self.counted("confide");
                let answer = wire.call("tools/call", tool(upstream, "confide", arguments, canary)).await?;
                self.expect_in(kind, &answer, &format!("{canary} has "));
            }
            "read" => {
                self.counted("read");
                let uri = format!("{}+{}", upstream.name, note(canary));
                let answer = wire.call("resources/read", json!({"uri": uri})).await?.outcome?;
                self.expect_text(kind, &answer["contents"][0]["text"], &format!("the note of {canary}"));
            }
            "greet" => {
                self.counted("greet");
                let params =
                    json!({"name": format!("{}_greet", upstream.name), "arguments": {"name": canary}});
                let answer = wire.call("prompts/get", params).await?.outcome?;
                let text = &answer["messages"][0]["content"]["text"];
                self.expect_text(kind, text, &format!("Greet {canary}"));
            }
            "complete" => {
                self.counted("complete");
                let reference = json!({"type": "ref/prompt", "name": format!("{}_greet", upstream.name)});
                let params = json!({"ref": reference, "argument": {"name": "name", "value": canary}});
                let answer = wire.call("completion/complete", params).await?.outcome?;
                let value = &answer["completion"]["values"][0];
                self.expect_text(kind, value, &format!("{canary} completed"));
            }
            "subscribe" => self.subscribe(wire, upstream, canary).await?,
            CANCEL => {
                self.counted(CANCEL);
                let params = tool(upstream, "slow", json!({"word": canary}), canary);
                let call = wire.begin("tools/call", params)?;
                wire.cancel(call).await?;
            }
            _ => self.together(wire, upstream).await?,
        }
        Ok(())
    }

    /// Calls a tool with the canary.
    async fn tool(
        &self,
        wire: &mut Wire,
        name: &'static str,
        upstream: Upstream,
        canary: &str,
    ) -> Result<Answer, Lost> {
        self.counted(name);
        wire.call("tools/call", tool(upstream, name, json!({"word": canary}), canary)).await
    }

    /// Looks up what others look up as well: each principal must have an answer of its own, which it gets again from the cache.
    async fn look_up(&mut self, wire: &mut Wire, upstream: Upstream) -> Result<(), Fault> {
        let key = format!("key {}", self.random.u8(..2));
        let name = format!("{}_look_up", upstream.name);
        self.counted("look_up");
        let answer = wire.call("tools/call", json!({"name": name, "arguments": {"key": key}})).await?;
        let text = answer.text();
        if answer.is_error() || !text.starts_with(&key) {
            self.violation(&format!("look_up of {key} got {:?}", answer.outcome));
        } else if let Some(other) =
            self.tally.answered(&format!("{} {text}", upstream.name), self.owner.number())
        {
            self.violation(&format!("look_up of {key} got {text}, the answer of principal {other}"));
        }
        Ok(())
    }

    /// Subscribes to a resource of its own, has it changed, and waits for the notification.
    async fn subscribe(&mut self, wire: &mut Wire, upstream: Upstream, canary: &str) -> Result<(), Fault> {
        let uri = format!("{}+{}", upstream.name, note(canary));
        self.counted("subscribe");
        let honoured = wire.listen(&[&uri]).await.map_err(|lost| format!("listen: {lost}"))?;
        if honoured != [uri.clone()] {
            self.violation(&format!("subscribed to {honoured:?} in place of {uri}"));
            return Ok(());
        }
        let answer = self.tool(wire, "change", upstream, canary).await?;
        self.expect("change", &answer, canary);
        loop {
            let change = wire.change().await.map_err(|lost| format!("the change of {uri}: {lost}"))?;
            if change["method"] == "notifications/resources/updated"
                && change["params"]["uri"] == uri.as_str()
            {
                return Ok(());
            }
        }
    }

    /// Calls several at once, and receives the answers in another order.
    async fn together(&mut self, wire: &mut Wire, upstream: Upstream) -> Result<(), Fault> {
        let mut calls = Vec::new();
        for _ in 0..3 {
            let canary = self.canary();
            self.counted("together");
            let params = tool(upstream, "echo", json!({"word": canary}), &canary);
            calls.push((wire.begin("tools/call", params)?, canary));
        }
        for (call, canary) in calls.into_iter().rev() {
            let answer = wire.end(call).await?;
            self.expect("together", &answer, &canary);
        }
        Ok(())
    }

    /// A canary that was not used before.
    pub(super) fn canary(&mut self) -> String {
        self.next += 1;
        self.owner.canary(self.next)
    }

    pub(super) fn counted(&self, kind: &'static str) {
        self.tally.call(kind, self.line.name());
    }

    fn expect(&self, kind: &str, answer: &Answer, expected: Expected<'_>) {
        if answer.is_error() || answer.text() != expected {
            self.violation(&format!("{kind} of {expected} got {:?}", answer.outcome));
        }
    }

    fn expect_in(&self, kind: &str, answer: &Answer, expected: Expected<'_>) {
        if answer.is_error() || !answer.text().contains(expected) {
            self.violation(&format!("{kind} of {expected} got {:?}", answer.outcome));
        }
    }

    fn expect_or_declined(&self, answer: &Answer, upstream: Upstream, expected: Expected<'_>) {
        if upstream.attributes_requests() || answer.text() != DECLINED {
            self.expect("ask", answer, expected);
        }
    }

    pub(super) fn expect_text(&self, kind: &str, got: &Value, expected: Expected<'_>) {
        if got != expected {
            self.violation(&format!("{kind} of {expected} got {got}"));
        }
    }

    pub(super) fn violation(&self, what: &str) {
        self.tally.violation(format!("{}: {what}", self.name));
    }
}

/// A call that is cancelled.
pub(super) const CANCEL: &str = "cancel";

/// An attempt at theft.
pub(super) const THEFT: &str = "theft";

/// What is called, the frequent ones several times.
const KINDS: [&str; 19] = [
    "echo",
    "echo",
    "echo",
    "echo",
    "together",
    "look_up",
    "look_up",
    "report",
    "ask",
    "sample",
    "confide",
    "read",
    "read",
    "greet",
    "complete",
    "subscribe",
    CANCEL,
    "rounds",
    THEFT,
];

/// The params of a call of a tool.
fn tool(upstream: Upstream, name: &str, arguments: Value, canary: &str) -> Value {
    json!({
        "name": format!("{}_{name}", upstream.name),
        "arguments": arguments,
        "_meta": {"progressToken": canary},
    })
}
