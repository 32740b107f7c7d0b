use std::{sync::Arc, time::Duration};

use anyport_protocol::{
    Error, Method, Raw, Revision,
    meta::{Meta, key},
    subscription::SubscriptionFilter,
};
use anyport_service::{Context, Event, Outcome, Principal, Reply, Request, Service};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::Answering;
use crate::{Answer, Lost, Question, Refusal};

/// Calls a service as a value.
pub(super) struct Direct {
    service: Arc<dyn Service>,
    principal: Principal,
    capabilities: Value,
    answering: Answering,
    listening: Option<Reply>,
}

/// How long a change is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

impl Direct {
    pub(super) fn new(
        service: Arc<dyn Service>,
        principal: Principal,
        capabilities: Value,
        answering: Answering,
    ) -> Self {
        Self { service, principal, capabilities, answering, listening: None }
    }

    /// Calls, and retries with answers as long as the server sends requests.
    pub(super) async fn call(&mut self, method: &str, params: Value) -> Result<Answer, Lost> {
        let mut answer = Answer {
            notifications: Vec::new(),
            questions: Vec::new(),
            outcome: Ok(Value::Null),
            status: None,
        };
        let (mut sent, mut round) = (params.clone(), 0);
        loop {
            let outcome = self.round(method, sent, round, &mut answer).await?;
            let required = match outcome {
                Outcome::Result(result) => {
                    answer.outcome = Ok(value(&result)?);
                    return Ok(answer);
                }
                Outcome::Error(error) => {
                    answer.outcome = Err(refusal(&error));
                    return Ok(answer);
                }
                Outcome::Failed(failure) => {
                    answer.outcome = Err(refusal(&failure.to_error()));
                    return Ok(answer);
                }
                Outcome::InputRequired(required) => value(&required)?,
            };
            match self.answers(&required, round, &mut answer) {
                Some(answers) => {
                    sent = params.clone();
                    sent["inputResponses"] = answers.into();
                    if let Some(state) = required.get("requestState") {
                        sent["requestState"] = state.clone();
                    }
                    round += 1;
                }
                None => {
                    answer.outcome = Ok(required);
                    return Ok(answer);
                }
            }
        }
    }

    async fn round(
        &mut self,
        method: &str,
        params: Value,
        round: usize,
        answer: &mut Answer,
    ) -> Result<Outcome, Lost> {
        let mut reply = match self.begin(method, params) {
            Ok(reply) => reply,
            Err(error) => return Ok(Outcome::Error(error)),
        };
        loop {
            match reply.next().await {
                Event::Notification(told) => {
                    answer.notifications.push(notification(told.method, &told.params)?)
                }
                Event::ServerRequest(asked) => {
                    let params = value(&asked.params)?;
                    let question =
                        Question { method: asked.method.as_str().into(), params, key: None, round };
                    let answered = self.answering.answer(&question);
                    answer.questions.push(question);
                    asked.responder.answer(
                        answered.map(Raw::from).map_err(|refused| Error::new(refused.code, refused.message)),
                    );
                }
                Event::Unknown { .. } | Event::Disconnect { .. } => {}
                Event::Outcome(outcome) => return Ok(outcome),
            }
        }
    }

    fn begin(&self, method: &str, mut params: Value) -> Result<Reply, Error> {
        let mut meta = Map::new();
        meta.insert(key::PROTOCOL_VERSION.into(), Revision::NEWEST.as_str().into());
        meta.insert(key::CLIENT_CAPABILITIES.into(), self.capabilities.clone());
        meta.insert(key::LOG_LEVEL.into(), "debug".into());
        if let Some(own) = params["_meta"].as_object() {
            meta.extend(own.clone());
        }
        params["_meta"] = meta.into();
        let params = Raw::from(params);
        let context = Context::new(self.principal.clone(), Revision::NEWEST);
        let context = context.with_meta(Meta::of(Some(&params)))?;
        Ok(self.service.call(Request { method: method.into(), params: params.into() }, context))
    }

    /// Returns the answers to all requests, or `None` if one of them is refused.
    fn answers(&mut self, required: &Value, round: usize, answer: &mut Answer) -> Option<Map<String, Value>> {
        let mut answers = Map::new();
        let mut refused = false;
        for (key, request) in required["inputRequests"].as_object().into_iter().flatten() {
            let question = Question {
                method: request["method"].as_str().unwrap_or_default().to_owned(),
                params: request["params"].clone(),
                key: Some(key.clone()),
                round,
            };
            match self.answering.answer(&question) {
                Ok(answered) => drop(answers.insert(key.clone(), answered)),
                Err(_) => refused = true,
            }
            answer.questions.push(question);
        }
        (!refused).then_some(answers)
    }

    pub(super) async fn listen(&mut self, uris: &[&str]) -> Result<Vec<String>, Lost> {
        let filter = value(&SubscriptionFilter::all(uris.iter().copied()).params())?;
        let reply = self.begin(Method::Listen.as_str(), filter);
        let mut reply = reply.map_err(|error| refusal(&error))?;
        match reply.next().await {
            Event::Notification(told) if told.method == Method::Acknowledged => {
                let agreed = SubscriptionFilter::read(&told.params).map_err(|error| refusal(&error))?;
                // The old stream ends with its reply.
                self.listening = Some(reply);
                Ok(agreed.uris.iter().map(|uri| uri.to_string()).collect())
            }
            Event::Outcome(Outcome::Error(error)) => Err(refusal(&error).into()),
            event => {
                Err(Lost::Ended(format!("the acknowledgement of a listen stream; what came is {event:?}")))
            }
        }
    }

    pub(super) async fn change(&mut self) -> Result<Value, Lost> {
        let what = || "a change".to_owned();
        let Some(reply) = &mut self.listening else { return Err(Lost::Ended(what())) };
        match timeout(PATIENCE, reply.next()).await {
            Ok(Event::Notification(told)) => notification(told.method, &told.params),
            Ok(_) => {
                self.listening = None;
                Err(Lost::Ended(what()))
            }
            Err(_) => Err(Lost::Silence(PATIENCE.as_millis(), what())),
        }
    }
}

fn value(raw: &Raw) -> Result<Value, Lost> {
    raw.decode().map_err(|_| Lost::Garbage(raw.to_string()))
}

fn notification(method: Method, params: &Raw) -> Result<Value, Lost> {
    Ok(json!({"method": method.as_str(), "params": value(params)?}))
}

fn refusal(error: &Error) -> Refusal {
    let data = error.data.as_ref().and_then(|data| data.decode().ok()).unwrap_or(Value::Null);
    Refusal { code: error.code, message: error.message.to_string(), data }
}
