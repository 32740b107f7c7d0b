//! Server requests: what a handler asks the client during the call.

use std::{
    borrow::Cow,
    future::{Future, pending, poll_fn},
    pin::pin,
};

use anyport_protocol::{
    Error, Method, Raw,
    types::{CreateMessageRequest, CreateMessageResult, ElicitAction, ElicitRequest, ListRootsRequest, Root},
};
use anyport_service::Outcome;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use super::call::Context;
use crate::{
    ToolResult,
    ask::{AskOutcome, Confirmation, Elicited, Form, Once, Question, QuestionKey},
    background,
};

impl Context {
    /// Sends the client a request and waits for its answer; the code before it runs again when the answer arrives.
    ///
    /// The round ends here, with all requests that are open at this moment: join several `ask`s to send them at once.
    /// When the answers arrive, the handler runs again from its top, and this returns the answer. So a handler must ask
    /// the same questions under the same keys in each round, and effects belong into [`Context::once`].
    ///
    /// `key` goes on the wire unchanged; `None` derives one from the question, and the same question a second time has a
    /// second answer. Different questions need different keys, in a loop too: another question under a key that has been
    /// used ends the call with -32603. If an answer is missing or invalid, the client is asked again.
    ///
    /// If the client did not declare the capability, the call ends: with -32021 for a caller of 2026-07-28, else with a
    /// result that `isError` (tools) or -32600. See [`Context::can_ask`].
    ///
    /// [`Context::confirm`], [`Context::elicit`], [`Context::elicit_url`], [`Context::sample`] and [`Context::list_roots`] are this for one
    /// kind of request each.
    pub async fn ask<'k, Q: Question>(&self, key: impl Into<QuestionKey<'k>>, question: Q) -> Q::Answer {
        let key = key.into();
        if self.refuses_background(key.given().unwrap_or_default()) {
            return pending().await;
        }
        let dialogue = &self.root().dialogue;
        let prefix = self.nested().map_or("", |nested| &nested.prefix);
        let ask = || match dialogue.ask(prefix, &key, &question, self.profile()) {
            AskOutcome::Answer(answer) => Some(answer),
            AskOutcome::Open => None,
            AskOutcome::Lacking(required) => {
                dialogue.fail(self.lacking(&required));
                None
            }
            AskOutcome::Impossible(error) => {
                self.fail(error);
                None
            }
        };
        // On whichever thread it runs, what `once` waits for is a part of it.
        let is_once = self.nested().is_some_and(|nested| nested.awaiter.once);
        let answer = if is_once { Once::polling(ask) } else { ask() };
        drop(question);
        match answer {
            Some(answer) => answer,
            None => pending().await,
        }
    }

    /// Returns whether the client declared the capability that `question` needs.
    pub fn can_ask<Q: Question>(&self, question: &Q) -> bool {
        question.params().is_ok_and(|params| self.profile().lacks(question.method(), &params).is_none())
    }

    /// Runs `work` in one round of the call only; later rounds get its stored result. The result travels in the sealed
    /// `requestState`, so it must be JSON.
    ///
    /// "Once" means once per chain of rounds: a client that makes the call anew begins anew. A state with such a result is
    /// valid for one set of answers only. The handler is not dropped for an open question while `work` runs, and `work`
    /// itself must not ask.
    pub async fn once<T, F>(&self, key: &str, work: F) -> T
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = T>,
    {
        if self.refuses_background(key) {
            return pending().await;
        }
        let (dialogue, key) = (&self.root().dialogue, self.key(key));
        let done = match dialogue.remembered(&key) {
            Some(remembered) => remembered,
            None => {
                let once = dialogue.begin_once();
                let mut work = pin!(work);
                let value = poll_fn(|task| Once::polling(|| work.as_mut().poll(task))).await;
                once.remember(&key, &value).map(|()| value)
            }
        };
        match done {
            Ok(value) => value,
            Err(error) => {
                self.fail(error);
                pending().await
            }
        }
    }

    /// Asks the user to confirm `text`, and returns whether the user accepted; the code before it runs again when the answer
    /// arrives.
    ///
    /// `key` and rounds are as for [`Context::ask`]. In a loop, `None` is the safe key: each text is a question of its own.
    ///
    /// ```
    /// # use anyport_server::Context;
    /// async fn delete(names: Vec<String>, context: &Context) -> usize {
    ///     let mut deleted = 0;
    ///     for name in names {
    ///         if context.confirm(None, format!("Delete {name}?")).await {
    ///             deleted += 1;
    ///         }
    ///     }
    ///     deleted
    /// }
    /// ```
    pub async fn confirm<'k>(&self, key: impl Into<QuestionKey<'k>>, text: impl Into<String>) -> bool {
        self.ask(key, Confirmation::new(text)).await
    }

    /// Asks the user to fill in a form with the fields of `T` (elicitation); the code before it runs again when the answer
    /// arrives.
    ///
    /// `message` tells the user why. `key` and rounds are as for [`Context::ask`], and the fields as for [`Form`].
    ///
    /// ```
    /// use anyport_server::{Context, Elicited};
    ///
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Order {
    ///     /// How many
    ///     count: u8,
    /// }
    ///
    /// async fn order(context: &Context) -> String {
    ///     match context.elicit::<Order>("order", "What shall it be?").await {
    ///         Elicited::Accepted(Order { count }) => format!("{count} are on their way"),
    ///         Elicited::Declined | Elicited::Cancelled => "nothing was ordered".to_owned(),
    ///     }
    /// }
    /// ```
    ///
    /// 2026-07-28, client/elicitation: "Servers MUST NOT use form mode elicitation to request sensitive information";
    /// use [`Context::elicit_url`] for that.
    pub async fn elicit<'k, T: DeserializeOwned + JsonSchema>(
        &self,
        key: impl Into<QuestionKey<'k>>,
        message: impl Into<String>,
    ) -> Elicited<T> {
        self.ask(key, Form::new(message)).await
    }

    /// Asks the user to visit `url` (URL mode elicitation); the code before it runs again when the answer arrives.
    ///
    /// The answer says whether the user agreed to visit it, not what happened there. `message` tells the user why. `key`
    /// and rounds are as for [`Context::ask`].
    pub async fn elicit_url<'k>(
        &self,
        key: impl Into<QuestionKey<'k>>,
        message: impl Into<String>,
        url: impl Into<String>,
    ) -> ElicitAction {
        self.ask(key, ElicitRequest::url(message, url)).await.action
    }

    /// Asks the client's model for a message (sampling); the code before it runs again when the answer arrives.
    ///
    /// `key` and rounds are as for [`Context::ask`].
    pub async fn sample<'k>(
        &self,
        key: impl Into<QuestionKey<'k>>,
        request: CreateMessageRequest,
    ) -> CreateMessageResult {
        self.ask(key, request).await
    }

    /// Asks the client for its roots; the code before it runs again when the answer arrives.
    ///
    /// The request has the key `roots`, which no other question of the handler may have. Rounds are as for
    /// [`Context::ask`].
    pub async fn list_roots(&self) -> Vec<Root> {
        self.ask("roots", ListRootsRequest::default()).await.roots
    }

    /// Ends the call with -32603 for a fault of the handler's own.
    fn fail(&self, error: Error) {
        tracing::error!(method = self.0.method.as_str(), error = &*error.message, "a handler is at fault");
        self.root().dialogue.fail(Outcome::Error(error));
    }

    fn lacking(&self, required: &Raw) -> Outcome {
        let error = Error::missing_capability(required);
        if self.revision().has_reserved_error_codes() {
            return Outcome::Error(error);
        }
        match self.root().method {
            Method::ToolsCall => ToolResult::error(error.message).write(&self.0.env.identity).into(),
            _ => Outcome::Error(Error::invalid_request(error.message)),
        }
    }

    /// Whether background work asks or remembers under `key`, which it cannot: this much of it is dropped.
    fn refuses_background(&self, key: &str) -> bool {
        let called = self.nested().is_some_and(|nested| nested.awaiter.background);
        let refused = background::is_polling() || called;
        if refused {
            tracing::error!(key, "background work can neither ask nor use `once`: it is dropped");
            if !background::mark_stuck() {
                // It is a tool that the work called, on a thread of its own.
                self.end();
            }
        }
        refused
    }

    /// The handler's own `key`, as it stands on the wire.
    fn key<'a>(&self, key: &'a str) -> Cow<'a, str> {
        match self.nested() {
            None => Cow::Borrowed(key),
            Some(nested) => Cow::Owned(format!("{}{key}", nested.prefix)),
        }
    }
}
