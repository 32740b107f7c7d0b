//! Outgoing messages.

use std::collections::BTreeSet;

use anyport_protocol::{
    Method, Raw,
    meta::{encode_header, key},
    subscription::SubscriptionFilter,
};
use serde_json::{Map, Value, json};

use super::Wire;
use crate::{Lost, Question, Refusal, link::Exchange};

impl Wire {
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn request(&self, id: impl Into<Value>, method: &str, params: &Value) -> Value {
        let id = id.into();
        let mut message = json!({"jsonrpc": "2.0", "id": id, "method": method});
        if self.revision.is_stateless() {
            message["params"] = self.with_meta(params);
        } else if !params.is_null() {
            message["params"] = params.clone();
        }
        message
    }

    /// 2026-07-28, basic §_meta. What the test has put there stays.
    pub(super) fn with_meta(&self, params: &Value) -> Value {
        let mut params = if params.is_null() { json!({}) } else { params.clone() };
        let mut meta = Map::new();
        meta.insert(key::PROTOCOL_VERSION.into(), self.revision.as_str().into());
        meta.insert(key::CLIENT_CAPABILITIES.into(), self.capabilities.clone());
        if let Some(level) = &self.log_level {
            meta.insert(key::LOG_LEVEL.into(), level.as_str().into());
        }
        if let Some(own) = params["_meta"].as_object() {
            meta.extend(own.clone());
        }
        params["_meta"] = meta.into();
        params
    }

    pub(super) fn send(&mut self, message: &Value) -> Result<Exchange, Lost> {
        let headers = self.headers(message);
        self.link.send(&message.to_string(), headers)
    }

    pub(super) fn headers(&self, message: &Value) -> Vec<(String, String)> {
        if !self.revision.is_stateless() {
            return self.legacy_headers();
        }
        // 2026-07-28, streamable-http §Standard Request Headers.
        let mut headers = vec![("mcp-protocol-version".to_owned(), self.revision.as_str().to_owned())];
        // A name that no header can hold goes without: what is wrong with it is the server's to say.
        let fits = |name: &&str| name.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let Some(method) = message["method"].as_str().filter(fits) else { return headers };
        headers.push(("mcp-method".into(), method.into()));
        let named = Method::named(method).and_then(Method::header_name);
        if let Some(name) = named.and_then(|member| message["params"][member].as_str()) {
            headers.push(("mcp-name".into(), encode_header(name).into()));
        }
        headers
    }

    pub(super) fn legacy_headers(&self) -> Vec<(String, String)> {
        let Some(session) = &self.session else { return Vec::new() };
        let mut headers = vec![("mcp-session-id".to_owned(), session.clone())];
        if self.revision.has_version_header() {
            headers.push(("mcp-protocol-version".into(), self.revision.as_str().into()));
        }
        headers
    }

    /// Takes the call up again with its answers, under a new id.
    pub(super) fn retry(&mut self, place: usize, params: Value) -> Result<(), Lost> {
        let id = self.next_id();
        let message = self.request(id, &self.open[place].method, &params);
        let exchange = self.send(&message)?;
        let open = &mut self.open[place];
        (open.id, open.exchange, open.response) = (id, exchange, None);
        open.round += 1;
        Ok(())
    }

    /// The params of the next round, when there is one: all questions were answered.
    pub(super) fn round(&mut self, place: usize, outcome: &Result<Value, Refusal>) -> Option<Value> {
        let required = outcome.as_ref().ok().filter(|result| result["resultType"] == "input_required")?;
        let open = &mut self.open[place];
        let mut answers = Map::new();
        for (key, request) in required["inputRequests"].as_object().into_iter().flatten() {
            let question = Question {
                method: request["method"].as_str().unwrap_or_default().to_owned(),
                params: request["params"].clone(),
                key: Some(key.clone()),
                round: open.round,
            };
            let answer = self.answerer.as_mut().map(|answerer| answerer(&question));
            open.questions.push(question);
            answers.insert(key.clone(), answer?.ok()?);
        }
        let mut params = open.params.clone();
        params["inputResponses"] = answers.into();
        if let Some(state) = required.get("requestState") {
            params["requestState"] = state.clone();
        }
        Some(params)
    }

    pub(super) async fn listen_anew(&mut self, uris: &[&str]) -> Result<Vec<String>, Lost> {
        let filter = SubscriptionFilter::all(uris.iter().copied()).params();
        let params = filter.decode().map_err(|error| Lost::Garbage(error.to_string()))?;
        let call = self.begin("subscriptions/listen", params)?;
        let acknowledged = |change: &Value| {
            change["method"] == Method::Acknowledged.as_str()
                && change["params"]["_meta"][key::SUBSCRIPTION_ID] == call.id
        };
        let mut honoured = loop {
            if let Some(place) = self.changes.iter().position(acknowledged) {
                break self.changes.remove(place).unwrap_or_default();
            }
            if self.open.iter().any(|open| open.call == call.id && open.response.is_some()) {
                let refused = self.end(call).await?;
                return Err(Lost::Misfit(refused.outcome?));
            }
            self.pull("the acknowledgement of a listen stream").await?;
        };
        if let Some(old) = self.listening.replace(call) {
            self.cancel(old).await?;
        }
        let honoured = SubscriptionFilter::read(&Raw::from(honoured["params"].take()));
        let honoured = honoured.map_err(|error| Lost::Garbage(error.message.into_owned()))?;
        Ok(honoured.uris.iter().map(|uri| uri.to_string()).collect())
    }

    pub(super) async fn resubscribe(&mut self, uris: &[&str]) -> Result<Vec<String>, Lost> {
        let wanted: BTreeSet<String> = uris.iter().map(|uri| (*uri).to_owned()).collect();
        for uri in self.subscribed.difference(&wanted).cloned().collect::<Vec<_>>() {
            self.call("resources/unsubscribe", json!({ "uri": uri })).await?.outcome?;
            self.subscribed.remove(&uri);
        }
        for uri in wanted.difference(&self.subscribed.clone()) {
            if self.call("resources/subscribe", json!({ "uri": uri })).await?.outcome.is_ok() {
                self.subscribed.insert(uri.clone());
            }
        }
        Ok(self.subscribed.iter().cloned().collect())
    }
}
