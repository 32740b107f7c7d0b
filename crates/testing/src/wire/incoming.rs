//! Received messages, and the calls that they belong to.

use anyport_protocol::{Method, meta::key};
use serde_json::{Value, json, value::RawValue};
use tokio::time::timeout;

use super::{Head, Heard, Open, Wire};
use crate::{
    Call, Lost, Question,
    link::{Arrival, Exchange},
};

impl Wire {
    /// Waits until the call has a response, or will have none.
    pub(super) async fn response(&mut self, call: &Call) -> Result<(), Lost> {
        loop {
            let open = self.open.iter().find(|open| open.call == call.id);
            let Some(open) = open.filter(|open| open.response.is_none()) else { return Ok(()) };
            let what = format!("the answer to {}", open.method);
            if self.head(open.exchange).over {
                return Err(Lost::Ended(what));
            }
            self.pull(&what).await?;
        }
    }

    pub(super) fn head(&self, exchange: Exchange) -> Head {
        self.exchanges.get(&exchange).copied().unwrap_or_default()
    }

    /// Takes one thing from the link to where it belongs. `what` is waited for.
    pub(crate) async fn pull(&mut self, what: &str) -> Result<(), Lost> {
        let arrival = timeout(self.patience, self.link.receive()).await;
        let arrival = arrival.map_err(|_| Lost::Silence(self.patience.as_millis(), what.to_owned()))?;
        let (exchange, arrival) = arrival.ok_or_else(|| Lost::Ended(what.to_owned()))?;
        match arrival {
            Arrival::Head { status, session } => {
                self.exchanges.entry(exchange).or_default().status = Some(status);
                self.session = session.or(self.session.take());
            }
            Arrival::End => self.exchanges.entry(exchange).or_default().over = true,
            Arrival::Garbage(text) => return Err(Lost::Garbage(text)),
            Arrival::Message(Value::Array(messages), text) => {
                let texts: Vec<&RawValue> = serde_json::from_str(&text).unwrap_or_default();
                for (message, text) in messages.into_iter().zip(texts) {
                    self.sort(exchange, message, text.get().to_owned())?;
                }
            }
            Arrival::Message(message, text) => self.sort(exchange, message, text)?,
        }
        Ok(())
    }

    pub(super) fn sort(&mut self, exchange: Exchange, message: Value, text: String) -> Result<(), Lost> {
        let answers = if message.get("method").is_none() { self.answered(exchange, &message) } else { None };
        let method = answers.map(|place| self.open[place].method.clone());
        self.heard.push(Heard { message: message.clone(), text, answers: method });
        match (message["method"].as_str(), message.get("id")) {
            (Some(method), Some(id)) => return self.ask(exchange, method, id, &message),
            (Some(_), None) => self.told(exchange, message),
            (None, _) => match answers {
                Some(place) => self.open[place].response = Some(message),
                None => self.strays.push(message),
            },
        }
        Ok(())
    }

    /// The call of a response: the one with its id; without an id, the one with the HTTP response on which it arrived.
    pub(super) fn answered(&self, exchange: Exchange, response: &Value) -> Option<usize> {
        let waiting = |open: &Open| open.response.is_none();
        match response.get("id").filter(|id| !id.is_null()) {
            Some(id) => self.open.iter().position(|open| waiting(open) && *id == open.id),
            None if self.link.is_http() => {
                self.open.iter().position(|open| waiting(open) && open.exchange == exchange)
            }
            None => None,
        }
    }

    /// Answers a question of a legacy server.
    pub(super) fn ask(
        &mut self,
        exchange: Exchange,
        method: &str,
        id: &Value,
        message: &Value,
    ) -> Result<(), Lost> {
        let params = message["params"].clone();
        let question = Question { method: method.to_owned(), params, key: None, round: 0 };
        let answer = self.answerer.as_mut().map(|answerer| answerer(&question));
        if let Some(place) = self.asking(exchange, &Value::Null) {
            self.open[place].questions.push(question);
        }
        let response = match answer {
            None => return Ok(()),
            Some(Ok(result)) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Some(Err(refusal)) => json!({"jsonrpc": "2.0", "id": id, "error": refusal.write()}),
        };
        self.send(&response).map(|_| ())
    }

    pub(super) fn told(&mut self, exchange: Exchange, notification: Value) {
        let method = notification["method"].as_str().and_then(Method::named);
        let params = &notification["params"];
        let listened = params["_meta"].get(key::SUBSCRIPTION_ID).is_some();
        let of_a_call = matches!(
            method,
            Some(Method::Progress | Method::LogMessage | Method::Cancelled | Method::ElicitationComplete)
        );
        if listened || !of_a_call {
            self.changes.push_back(notification);
            return;
        }
        match self.asking(exchange, &params["progressToken"]) {
            Some(place) => self.open[place].notifications.push(notification),
            None => self.changes.push_back(notification),
        }
    }

    /// The call of a message: the one with that progress token; else the one with the HTTP response on which it
    /// arrived; else, on a shared channel, the oldest.
    pub(super) fn asking(&self, exchange: Exchange, token: &Value) -> Option<usize> {
        let listen = Method::Listen.as_str();
        let waiting =
            |open: &&Open| open.response.is_none() && open.method != listen && open.exchange == exchange;
        let with_token = |open: &&Open| open.params["_meta"].get("progressToken") == Some(token);
        let found = match token {
            Value::Null => self.open.iter().find(waiting),
            _ => self.open.iter().filter(waiting).find(with_token),
        };
        let call = found?.call;
        self.open.iter().position(|open| open.call == call)
    }
}
