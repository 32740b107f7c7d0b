use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyport_protocol::Revision;
use anyport_service::sync::Lock;
use anyport_testing::{Answer, Link, Lost, Refusal, Wire};
use fastrand::Rng;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep},
};

use super::{
    kind::Kind,
    tally::{NOT_ATTRIBUTABLE, Tally},
    upstream::Upstream,
};
use crate::cross_transport::Fault;

/// Someone who calls through a bridge, with words that nobody else uses.
pub(super) struct Caller {
    address: SocketAddr,
    kind: Kind,
    tally: Arc<Tally>,
    random: Rng,
    /// What all its words begin with.
    name: String,
    words: u64,
}

/// What all words begin with, whoever's they are.
const WORD: &str = "soak-word-";

/// How long an outcome may take: longer than a bridge waits for a silent server, twice.
const PATIENCE: Duration = Duration::from_secs(45);

impl Caller {
    pub(super) fn new(upstream: &Upstream, tally: &Arc<Tally>, seed: u64) -> Self {
        Self {
            address: upstream.address,
            kind: upstream.kind,
            tally: tally.clone(),
            random: Rng::with_seed(seed),
            name: format!("{WORD}{seed:x}-"),
            words: 0,
        }
    }

    pub(super) async fn call_until(mut self, until: Instant) {
        while Instant::now() < until {
            let revision = self.random.choice(Revision::ALL).unwrap_or(Revision::NEWEST);
            let word = Arc::new(Lock::new(String::new()));
            let mut wire = Wire::over(Link::connect(self.address, "/mcp"))
                .declaring(json!({"elicitation": {}}))
                .patience(PATIENCE);
            let (answers, tally, asked) = (word.clone(), self.tally.clone(), self.kind);
            wire.answer_with(move |question| {
                let word = answers.lock().clone();
                if question.params["message"] != format!("Say {word}") {
                    tally.violation(format!("behind {}, {word} was asked {question}", asked.name()));
                }
                Ok::<_, Refusal>(json!({"action": "accept", "content": {"word": word}}))
            });
            match wire.open(revision).await {
                Ok(()) => self.visit(&mut wire, &word, until).await,
                Err(lost) => self.failed("open", &lost),
            }
            self.leave(wire).await;
        }
    }

    /// Some calls in one session, or of one client.
    async fn visit(&mut self, wire: &mut Wire, word: &Lock<String>, until: Instant) {
        let mut cancelled = 0;
        for _ in 0..self.random.u32(1..12) {
            if Instant::now() > until {
                break;
            }
            self.words += 1;
            let own = format!("{}{}", self.name, self.words);
            word.lock().clone_from(&own);
            let (tool, amount) = match self.random.u8(..10) {
                0..3 => ("echo", 0),
                3 => ("list", 0),
                4 => ("slow", self.random.u32(..300)),
                5 => ("large", self.random.u32(1..512)),
                6 => ("flood", self.random.u32(..200)),
                7 | 8 => ("ask", 0),
                _ => ("cancel", 1000),
            };
            let name = if tool == "cancel" { "slow" } else { tool };
            let arguments = json!({"word": own, "amount": amount});
            let (method, params) = match tool {
                // From the list the bridge knows which calls may be repeated.
                "list" => ("tools/list", json!({})),
                _ => (
                    "tools/call",
                    json!({"name": name, "arguments": arguments, "_meta": {"progressToken": own}}),
                ),
            };
            let call = match wire.begin(method, params) {
                Ok(call) => call,
                Err(lost) => return self.failed(tool, &lost),
            };
            if tool == "cancel" {
                sleep(Duration::from_millis(self.random.u64(..50))).await;
                cancelled += 1;
                self.tally.call(self.kind, tool, "cancelled");
                if let Err(lost) = wire.cancel(call).await {
                    self.failed(tool, &lost);
                }
                continue;
            }
            match wire.end(call).await {
                Ok(answer) => self.ended(tool, &own, &answer),
                Err(lost) => self.failed(tool, &lost),
            }
        }
        if wire.strays().len() > cancelled {
            self.violation(&format!("answers to no call: {:?}", wire.strays()));
        }
        for heard in wire.heard() {
            let words = heard.text.match_indices(WORD).map(|(place, _)| &heard.text[place..]);
            for foreign in words.filter(|word| !word.starts_with(&self.name)) {
                self.violation(&format!("somebody else's word: {foreign:.60}"));
            }
        }
    }

    fn ended(&self, tool: &'static str, own: &str, answer: &Answer) {
        match &answer.outcome {
            Ok(result) if result["isError"] == true => self.tally.call(self.kind, tool, "the tool failed"),
            Ok(result) if result["resultType"] == "input_required" => {
                self.violation(&format!("an answered question was left open: {result}"));
            }
            Ok(result) if tool == "list" && result["tools"].is_array() => {
                self.tally.call(self.kind, tool, "answered")
            }
            Ok(_) => match answer.text().lines().last() {
                Some(text) if text == own => self.tally.call(self.kind, tool, "answered"),
                // Nobody is asked whom a legacy server may not mean: until its callers have connections of their own, a program
                // says of no request for whom it is; one over HTTP says it by the stream, which may have been cut.
                Some("declined") if tool == "ask" && self.kind != Kind::Modern => {
                    self.tally.call(self.kind, tool, NOT_ATTRIBUTABLE);
                }
                text => self.violation(&format!("{own} got {text:?}")),
            },
            Err(refusal) => {
                let reason = refusal.data["reason"].as_str().unwrap_or(&refusal.message);
                self.tally.call(self.kind, tool, format!("{}: {reason:.60}", refusal.code));
            }
        }
    }

    /// There was no outcome.
    fn failed(&self, tool: &'static str, lost: &Lost) {
        match lost {
            // The server cannot be reached while somebody wants to begin: said so, as any error.
            Lost::Refusal(refusal) => {
                let reason = refusal.data["reason"].as_str().unwrap_or(&refusal.message);
                self.tally.call(self.kind, tool, format!("{}: {reason:.60}", refusal.code));
            }
            lost => {
                self.tally.call(self.kind, tool, "no outcome");
                self.violation(&format!("{tool}: {lost}"));
            }
        }
    }

    fn violation(&self, what: &str) {
        self.tally.violation(format!("behind {}: {what}", self.kind.name()));
    }

    /// Leaves, with a word or without: then the session ends when it has been idle for long enough.
    async fn leave(&mut self, wire: Wire) {
        if let Some(session) = wire.session() {
            self.tally.left(self.kind, session);
            if self.random.bool()
                && let Err(error) = delete(self.address, session).await
            {
                self.violation(&format!("a session could not be ended: {error}"));
            }
        }
        if let Err(lost) = wire.close().await {
            self.violation(&format!("a connection could not be closed: {lost}"));
        }
    }
}

/// Which of the sessions are open.
///
/// # Errors
/// When the bridge cannot be reached.
pub(super) async fn still_open(address: SocketAddr, sessions: &[String]) -> Result<Vec<String>, Fault> {
    let mut open = Vec::new();
    for session in sessions {
        let status = delete(address, session).await?;
        if status != 404 {
            open.push(format!("{session} ({status})"));
        }
    }
    Ok(open)
}

/// Ends a session; returns the status of the response.
async fn delete(address: SocketAddr, session: &str) -> Result<u16, Fault> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "DELETE /mcp HTTP/1.1\r\nHost: {address}\r\nMcp-Session-Id: {session}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| format!("no HTTP response: {answer:.80}").into())
}
