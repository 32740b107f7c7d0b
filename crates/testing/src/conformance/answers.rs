//! The server's responses to invalid requests.

use anyport_protocol::jsonrpc::code;
use anyport_protocol::meta::key;
use serde_json::{Value, json};

use super::{Over, Visit, rule, said, short};
use crate::{Fault, Lost};

impl Visit<'_> {
    /// Methods that do not exist, and `_meta` that lacks something.
    pub(super) async fn refusals(&mut self) -> Result<(), Over> {
        self.refused(rule::METHOD, "no/such/method", json!({}), &[code::METHOD_NOT_FOUND]).await?;
        if !self.revision.is_stateless() {
            let pong = self.call("ping", json!({})).await?;
            if pong.outcome.as_ref().ok() != Some(&json!({})) {
                self.breach(rule::PING, format!("it is answered with {}", said(&pong)));
            }
            return Ok(());
        }
        self.raw_refused(
            rule::META,
            json!({ key::PROTOCOL_VERSION: self.revision.as_str() }),
            code::INVALID_PARAMS,
            "a request without the client's capabilities",
        )
        .await?;
        // The header says what the body says, so a transport that compares them has nothing against this.
        if !self.wire.link().is_http() {
            let meta = json!({key::PROTOCOL_VERSION: "1999-12-31", key::CLIENT_CAPABILITIES: {}});
            let wrong = "a request of 1999-12-31";
            self.raw_refused(rule::VERSION, meta, code::UNSUPPORTED_PROTOCOL_VERSION, wrong).await?;
        }
        Ok(())
    }

    /// Sends a request with exactly this `_meta`.
    async fn raw_refused(
        &mut self,
        rule: rule::Rule,
        meta: Value,
        code: i64,
        what: &str,
    ) -> Result<(), Over> {
        let request = json!({
            "jsonrpc": "2.0", "id": "conforms-meta", "method": "server/discover", "params": {"_meta": meta},
        });
        match self.wire.raw(&request.to_string()).await {
            Ok((_, Some(answer))) if answer["error"]["code"] == code => {}
            Ok((status, answer)) => {
                let answer = heard(status, answer.as_ref());
                self.breach(rule, format!("{what} is answered with {answer} in place of the error {code}"));
            }
            Err(lost) => return Err(self.over(rule, format!("{what}: {lost}"))),
        }
        Ok(())
    }

    /// Cancels what does not exist, and what the author said is slow.
    pub(super) async fn cancellation(&mut self) -> Result<(), Over> {
        let unknown = json!({"requestId": "conforms-no-such-request"});
        if let Err(lost) = self.wire.notify("notifications/cancelled", unknown).await {
            return Err(
                self.over(rule::CANCEL_UNKNOWN, format!("a cancelled request that does not exist: {lost}"))
            );
        }
        self.goes_on(rule::CANCEL_UNKNOWN, "the cancellation of a request that does not exist").await?;
        let Some((tool, arguments)) = self.check.slow.clone() else { return Ok(()) };
        let before = self.wire.strays().len();
        let cancelled = match self.wire.begin("tools/call", json!({"name": tool, "arguments": arguments})) {
            Ok(call) => {
                // It has arrived when what was sent after it is answered.
                self.goes_on(rule::ANSWERS, format!("a call of {tool} that is under way")).await?;
                self.wire.cancel(call).await
            }
            Err(lost) => Err(lost),
        };
        if let Err(lost) = cancelled {
            return Err(self.over(rule::CANCEL, format!("cancelling {tool}: {lost}")));
        }
        self.goes_on(rule::CANCEL, format!("the cancellation of {tool}")).await?;
        if let Some(answer) = self.wire.strays().get(before) {
            let answer = short(&answer.to_string());
            self.breach(rule::CANCEL, format!("{tool} was cancelled and is answered all the same: {answer}"));
        }
        Ok(())
    }

    /// Requests with one fault each.
    pub(super) async fn almost_valid(&mut self, has_tools: bool) -> Result<(), Over> {
        let methods: &[&str] = if has_tools { &["ping", "tools/list"] } else { &["ping"] };
        for (number, fault) in methods.iter().flat_map(|_| Fault::ALL).enumerate() {
            let method = match methods[number / Fault::ALL.len()] {
                "ping" if self.revision.is_stateless() => "server/discover",
                method => method,
            };
            let request = self.wire.message(format!("conforms-{number}"), method, json!({}));
            let Some(text) = fault.put_into(&request) else { continue };
            let what = format!("{method}, but {}", fault.words());
            match self.wire.raw(&text).await {
                Ok((_, Some(answer))) if answer.get("error").is_some() => {}
                // An HTTP status is an answer too.
                Ok((Some(status), None)) if status >= 400 => {}
                Ok((status, answer)) => {
                    let answer = heard(status, answer.as_ref());
                    self.breach(rule::ALMOST, format!("{what}, is answered with {answer}"));
                }
                Err(Lost::Silence(..)) => self.breach(rule::ALMOST, format!("{what}, is not answered")),
                Err(lost) => return Err(self.over(rule::ALMOST, format!("{what}: {lost}"))),
            }
            self.goes_on(rule::ALMOST, what).await?;
        }
        Ok(())
    }
}

fn heard(status: Option<u16>, answer: Option<&Value>) -> String {
    let status = status.map(|status| format!(" (HTTP status {status})")).unwrap_or_default();
    match answer {
        Some(answer) => format!("{}{status}", short(&answer.to_string())),
        None => format!("nothing{status}"),
    }
}
