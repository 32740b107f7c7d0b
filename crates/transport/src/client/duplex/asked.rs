use std::sync::Arc;

use anyport_protocol::{
    Error, Id, Method, Raw,
    json::Splice,
    jsonrpc::{Reason, Request, RpcResult},
    meta::key,
    session::client::{InFlightCall, RequestRoute, route_request},
};
use anyport_service::{Answer, Event, ServerRequest};
use tokio::{
    sync::oneshot,
    time::{MissedTickBehavior, interval, sleep},
};

use super::hub::{Hub, State};
use crate::{
    client::{PROGRESS, caller, undeclared},
    dialogue::in_use,
};

/// A question of the server's that waits for its answer.
pub(super) struct Asked {
    /// The call that carries it; `None`: it belongs to none.
    call: Option<u64>,
    gone: oneshot::Sender<Gone>,
}

/// A question that came outside any call, until the next call.
pub(super) struct Held {
    id: Id,
    token: Option<Raw>,
    params: Raw,
}

/// Why no answer is wanted any more.
enum Gone {
    /// The server took it back.
    Withdrawn,
    /// The call that carried it is over.
    CallOver,
}

impl Hub {
    /// A request of the server's: answered at once, given to the call that it belongs to, or refused.
    pub(super) fn ask(self: &Arc<Self>, request: Request) {
        let method = Method::named(&request.method);
        if method == Some(Method::Ping) {
            // 2025-11-25, ping §Behavior: "The receiver MUST respond promptly with an empty response".
            return self.respond(&request.id, &Ok(Raw::EMPTY_OBJECT));
        }
        let asked = match method {
            Some(method @ (Method::Elicit | Method::CreateMessage | Method::ListRoots)) => {
                self.place(&request, method)
            }
            _ => Err(Error::method_not_found(&request.method)),
        };
        if let Err(error) = asked {
            self.respond(&request.id, &Err(error));
        }
    }

    fn place(self: &Arc<Self>, request: &Request, method: Method) -> Result<(), Error> {
        let Some(agreement) = self.agreement() else {
            return Err(Error::invalid_request("wait for initialized"));
        };
        let raw = request.params.as_deref().cloned().unwrap_or(Raw::EMPTY_OBJECT);
        let params = agreement.question(method, raw)?;
        let mut state = self.lock();
        if state.asked.contains_key(&request.id) || state.held.iter().any(|held| held.id == request.id) {
            return Err(in_use(&request.id));
        }
        let limit = self.opening.max_open_questions;
        if state.asked.len() + state.held.len() >= limit {
            let why = format!("{limit} questions are open (max_open_questions)");
            return Err(Error::internal(why).with_reason(Reason::Overloaded));
        }
        let token = request.meta.progress_token.clone();
        let id = request.id.clone();
        match state.route_request() {
            (RequestRoute::Call(_), Some(call)) => {
                self.asides.unnamed();
                self.give(&mut state, call, id, token, method, params)
            }
            (nobody @ (RequestRoute::NoCall | RequestRoute::NotDuring(_)), _) => {
                drop(state);
                self.aside(id, token, method, params, nobody)
            }
            (nobody, _) => {
                self.asides.several();
                Err(nobody.refusal(method).unwrap_or_else(|| Error::internal("no call is open")))
            }
        }
    }

    /// A question that belongs to no call goes to whoever hears of such; else roots are held for the next call.
    fn aside(
        self: &Arc<Self>,
        id: Id,
        token: Option<Raw>,
        method: Method,
        params: Raw,
        nobody: RequestRoute,
    ) -> Result<(), Error> {
        let (question, answer) = ServerRequest::new(method, params.clone());
        let asked = self.asides.ask(question).is_ok();
        let mut state = self.lock();
        if asked {
            let (gone, over) = oneshot::channel();
            state.asked.insert(id.clone(), Asked { call: None, gone });
            tokio::spawn(self.clone().await_answer(id, token, method, answer, over));
            return Ok(());
        }
        // Servers ask for roots when they begin; what is called then may well be a list.
        if method == Method::ListRoots {
            state.held.push(Held { id: id.clone(), token, params });
            self.hold(id);
            return Ok(());
        }
        Err(nobody.refusal(method).unwrap_or_else(|| Error::internal("no call is open")))
    }

    /// Gives a question to `call`, if its caller declared that it can be asked this.
    fn give(
        self: &Arc<Self>,
        state: &mut State,
        call: u64,
        id: Id,
        token: Option<Raw>,
        method: Method,
        params: Raw,
    ) -> Result<(), Error> {
        let Some(slot) = state.calls.get_mut(&call) else { return Err(call_over()) };
        if let Some(required) = slot.context.profile().lacks(method, &params) {
            let error = undeclared(slot.context.capabilities(), method, &required);
            slot.lacked = Some(required);
            return Err(error);
        }
        let (question, answer) = ServerRequest::new(method, params);
        let (gone, over) = oneshot::channel();
        slot.events.push_back(Event::ServerRequest(question));
        slot.questions += 1;
        slot.wake();
        state.asked.insert(id.clone(), Asked { call: Some(call), gone });
        tokio::spawn(self.clone().await_answer(id, token, method, answer, over));
        Ok(())
    }

    async fn await_answer(
        self: Arc<Self>,
        id: Id,
        token: Option<Raw>,
        method: Method,
        mut answer: oneshot::Receiver<Answer>,
        mut over: oneshot::Receiver<Gone>,
    ) {
        let mut ticks = interval(PROGRESS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        let mut told = 0_u64;
        let outcome = loop {
            tokio::select! {
                biased;
                gone = &mut over => break match gone {
                    Ok(Gone::CallOver) => Some(Err(call_over())),
                    // The channel is gone, or the server wants no answer (2025-11-25, cancellation §Behavior: the
                    // receiver should "not send a response for the cancelled request").
                    Ok(Gone::Withdrawn) | Err(_) => None,
                },
                // After the above: who cancels a call refuses its questions, too, and the server is to be told once.
                answer = &mut answer => break self.answered(&id, method, answer.ok()),
                _ = ticks.tick(), if token.is_some() => {
                    told += 1;
                    if let Some(token) = &token {
                        let progress = Raw::trusted(told.to_string().into_bytes());
                        let params = Splice::new().with(key::PROGRESS_TOKEN, token).with("progress", &progress);
                        self.notify(Method::Progress, Some(&params.finish()));
                    }
                }
            }
        };
        if let Some(outcome) = outcome {
            self.respond(&id, &outcome);
        }
    }

    /// The caller answered, or let the question fall.
    fn answered(&self, id: &Id, method: Method, answer: Option<Answer>) -> Option<RpcResult> {
        let mut state = self.lock();
        let asked = state.asked.remove(id)?;
        state.settled(asked.call);
        drop(state);
        Some(match (answer, self.agreement()) {
            (Some(answer), Some(agreement)) => agreement.answer(method, answer),
            _ => Err(Error::internal(format!("nobody answers {}", method.as_str()))),
        })
    }

    /// The server takes a question back.
    pub(super) fn withdraw(&self, id: &Id) {
        let mut state = self.lock();
        state.held.retain(|held| held.id != *id);
        let Some(asked) = state.asked.remove(id) else { return };
        state.settled(asked.call);
        drop(state);
        let _ = asked.gone.send(Gone::Withdrawn);
    }

    /// A call is over: so are its questions.
    pub(super) fn drop_questions(&self, state: &mut State, call: u64) {
        // Nearly always there are none.
        if state.asked.is_empty() {
            return;
        }
        for (_, asked) in state.asked.extract_if(|_, asked| asked.call == Some(call)) {
            let _ = asked.gone.send(Gone::CallOver);
        }
    }

    /// Gives what came outside any call to `call`, the first since then that may ask.
    pub(super) fn give_held(self: &Arc<Self>, call: u64) {
        let mut state = self.lock();
        let mut refused = Vec::new();
        for Held { id, token, params } in std::mem::take(&mut state.held) {
            if let Err(error) = self.give(&mut state, call, id.clone(), token, Method::ListRoots, params) {
                refused.push((id, error));
            }
        }
        drop(state);
        for (id, error) in refused {
            self.respond(&id, &Err(error));
        }
    }

    /// Refuses a question that is held, once no call came for long.
    fn hold(self: &Arc<Self>, id: Id) {
        let (hub, hold) = (Arc::downgrade(self), self.opening.roots_hold);
        tokio::spawn(async move {
            sleep(hold).await;
            let Some(hub) = hub.upgrade() else { return };
            let mut state = hub.lock();
            let before = state.held.len();
            state.held.retain(|held| held.id != id);
            let expired = state.held.len() < before;
            drop(state);
            if let Some(error) = RequestRoute::NoCall.refusal(Method::ListRoots).filter(|_| expired) {
                hub.respond(&id, &Err(error));
            }
        });
    }
}

impl State {
    /// A question of this call is no longer open.
    fn settled(&mut self, call: Option<u64>) {
        if let Some(slot) = call.and_then(|call| self.calls.get_mut(&call)) {
            slot.questions = slot.questions.saturating_sub(1);
        }
    }

    /// Which call a server request belongs to now, and the call's id.
    fn route_request(&self) -> (RequestRoute, Option<u64>) {
        let open = || self.calls.iter().filter(|(_, slot)| slot.outcome.is_none());
        let callers: Vec<_> = open().map(|(_, slot)| caller(&slot.context)).collect();
        let calls: Vec<_> = open()
            .zip(&callers)
            .map(|((_, slot), caller)| InFlightCall {
                caller,
                unidentifiable: slot.context.is_unidentifiable(),
                method: slot.method,
                requests: slot.questions,
            })
            .collect();
        let route = route_request(&calls);
        let call = match route {
            RequestRoute::Call(place) => open().nth(place).map(|(id, _)| *id),
            _ => None,
        };
        (route, call)
    }
}

fn call_over() -> Error {
    Error::internal("the call that this belonged to is over")
}
