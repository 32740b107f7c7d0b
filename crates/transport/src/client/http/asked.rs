//! What an older server asks, beside the calls that it belongs to.

use std::sync::Arc;

use anyport_protocol::{
    Error, Id, Method, Raw,
    json::Splice,
    jsonrpc::{self, Message, Reason, write_notification},
    meta::key,
    session::client::RequestRoute,
};
use anyport_service::{Answer, ServerRequest};
use futures_util::future::{AbortHandle, Abortable};
use tokio::{
    sync::oneshot,
    time::{MissedTickBehavior, interval},
};

use super::{hub::Hub, inbox};
use crate::client::PROGRESS;

impl Hub {
    /// A question for which no call can be meant: given to whoever hears of such, held, or refused.
    pub(super) fn ask_aside(
        self: &Arc<Self>,
        request: jsonrpc::Request,
        method: Method,
        nobody: RequestRoute,
    ) {
        if nobody == RequestRoute::Several {
            self.asides.several();
            return self.refuse(&request.id, nobody, method);
        }
        let params = request.params.as_deref().cloned().unwrap_or(Raw::EMPTY_OBJECT);
        let params = match self.agreement.question(method, params) {
            Ok(params) => params,
            Err(error) => return self.answer(&request.id, &Err(error)),
        };
        let mut unplaced = self.unplaced();
        if unplaced.asked.len() + unplaced.held.len() >= self.opening.max_open_questions {
            drop(unplaced);
            let error = Error::internal("too many questions are open (max_open_questions)");
            return self.answer(&request.id, &Err(error.with_reason(Reason::Overloaded)));
        }
        let (question, answer) = ServerRequest::new(method, params);
        if self.asides.ask(question).is_ok() {
            let (handle, registration) = AbortHandle::new_pair();
            unplaced.asked.insert(request.id.clone(), handle);
            drop(unplaced);
            let hub = self.clone();
            let waiting = async move {
                let answer = hub.clone().answer_of(answer, request.meta.progress_token).await;
                hub.unplaced().asked.remove(&request.id);
                hub.answer(&request.id, &hub.agreement.answer(method, answer));
            };
            tokio::spawn(Abortable::new(waiting, registration));
            return;
        }
        // Servers ask for roots when they begin; what is called then may well be a list.
        if method == Method::ListRoots {
            let id = request.id.clone();
            unplaced.held.push(request);
            drop(unplaced);
            return self.hold(id);
        }
        drop(unplaced);
        self.refuse(&request.id, nobody, method);
    }

    fn refuse(self: &Arc<Self>, id: &Id, nobody: RequestRoute, method: Method) {
        let error = nobody.refusal(method).unwrap_or_else(|| Error::internal("nobody can be asked"));
        self.answer(id, &Err(error));
    }

    /// Refuses a question that is held, once no call came for long.
    fn hold(self: &Arc<Self>, id: Id) {
        let (hub, hold) = (Arc::downgrade(self), self.opening.roots_hold);
        let expire = async move {
            tokio::time::sleep(hold).await;
            let Some(hub) = hub.upgrade() else { return };
            let expired = {
                let mut unplaced = hub.unplaced();
                let before = unplaced.held.len();
                unplaced.held.retain(|held| held.id != id);
                unplaced.held.len() < before
            };
            if expired {
                hub.refuse(&id, RequestRoute::NoCall, Method::ListRoots);
            }
        };
        self.background(expire);
    }

    /// Gives what is held to a call that may be asked.
    pub(super) fn give_held(&self, inbox: &inbox::Sender) {
        let mut unplaced = self.unplaced();
        unplaced.held.retain(|held| !inbox.put(Message::Request(held.clone()), self.opening.call_queue));
    }

    /// The server takes a question back that belongs to no call.
    pub(super) fn withdraw_aside(&self, id: &Id) {
        let mut unplaced = self.unplaced();
        unplaced.held.retain(|held| held.id != *id);
        if let Some(asked) = unplaced.asked.remove(id) {
            asked.abort();
        }
    }

    /// The connection is over, and with it what it asked.
    pub(super) fn forget_asides(&self) {
        let mut unplaced = self.unplaced();
        unplaced.held.clear();
        unplaced.asked.drain().for_each(|(_, asked)| asked.abort());
    }

    /// The answer to a question. A server that asked for progress hears meanwhile that the question is still open: what
    /// it waits for is a person, and its own timeout must not end the call.
    pub(super) async fn answer_of(
        self: Arc<Self>,
        mut answer: oneshot::Receiver<Answer>,
        token: Option<Raw>,
    ) -> Answer {
        let mut ticks = interval(PROGRESS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        let mut told = 0_u64;
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => {
                    return answer.unwrap_or_else(|_| Err(Error::internal("the client does not answer")));
                }
                _ = ticks.tick(), if token.is_some() => {
                    told += 1;
                    if let Some(token) = &token {
                        let progress = Raw::trusted(told.to_string().into_bytes());
                        let params = Splice::new().with(key::PROGRESS_TOKEN, token).with("progress", &progress);
                        let mut message = Vec::new();
                        write_notification(&mut message, Method::Progress.as_str(), Some(&params.finish()));
                        self.errand(message, "progress of a question");
                    }
                }
            }
        }
    }
}
