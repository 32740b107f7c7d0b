use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::MutexGuard,
    task::{Context as Task, Waker},
};

use anyport_protocol::{Error, Method, Raw, capability::ClientProfile, json::string, jsonrpc::Reason};
use anyport_service::{Outcome, sync::Lock};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Question,
    key::{QuestionDigest, QuestionKey},
    replay::{Replay, Running},
    state::{Binding, KnownQuestion, State, StateScope},
};
use crate::{
    params::Params,
    write::{Identity, ResultWriter},
};

/// The server requests and answers of one call, so far and in this round.
#[derive(Debug, Default)]
pub(crate) struct Dialogue(Lock<Round>);

#[derive(Debug, Default)]
struct Round {
    /// The client's answers of this round, by key.
    responses: Option<Raw>,
    state: State,
    /// The open server requests.
    questions: Vec<OpenQuestion>,
    /// Why the call cannot go on at all.
    failure: Option<Outcome>,
    /// How many futures given to `once` are under way: the handler is not dropped in the middle of one.
    once: usize,
    /// Whether one of these will never end, because it sent a server request.
    stuck: bool,
    /// Of tools that the handler called, and of questions without a key. Most have none, and a round is moved: so it is
    /// small.
    uses: Option<Box<Uses>>,
    /// Wakes the reply when a question is recorded by a task of the handler's.
    waker: Option<Waker>,
}

/// A server request of this round.
#[derive(Debug)]
struct OpenQuestion {
    key: String,
    method: Method,
    params: Raw,
    digest: QuestionDigest,
}

/// How often each key was used in this round that need not be unique: names of tools that the handler called, and that
/// these called, and keys derived from questions.
#[derive(Debug, Default)]
struct Uses(BTreeMap<String, u32>);

/// How a request begins.
pub(crate) enum DialogueStart {
    /// With this dialogue. Where a state can be used but once, its use is noted.
    Open(Dialogue, Option<Running>),
    /// It was made before just so, and ended like this.
    Ended(Outcome),
}

/// The state of a server request.
pub(crate) enum AskOutcome<A> {
    /// It was answered.
    Answer(A),
    /// It is recorded, and waits for the next round.
    Open,
    /// Not allowed: the client did not declare the capability.
    Lacking(Raw),
    /// The request cannot be sent.
    Impossible(Error),
}

impl Dialogue {
    /// The dialogue that a request begins or continues.
    ///
    /// # Errors
    /// -32602 for a state that does not verify or was used up.
    pub(crate) fn open(
        scope: &StateScope,
        method: Method,
        service: &anyport_service::Context,
        params: &Params<'_>,
        raw: &Raw,
    ) -> Result<DialogueStart, Error> {
        let mut round = Round { responses: params.responses.map(|text| raw.slice(text)), ..Round::default() };
        let Some(token) = &params.state else {
            return Ok(DialogueStart::Open(Self(Lock::new(round)), None));
        };
        let binding = Binding::of(scope, service.principal(), method, params);
        let store = &scope.store;
        let opened = store.open(token, &binding)?;
        round.state = opened.state;
        if round.state.once.is_empty() {
            return Ok(DialogueStart::Open(Self(Lock::new(round)), None));
        }
        let answers = anyport_seal::digest(params.responses.unwrap_or("{}"));
        let entered = store.replays.enter(opened.id, opened.expires, answers, store.now());
        let entered = entered.inspect_err(|error| {
            if error.reason == Some(Reason::Overloaded) {
                store.too_many_replays.increment();
            }
        })?;
        Ok(match entered {
            Replay::Known(outcome) => DialogueStart::Ended(outcome),
            Replay::Run(running) => DialogueStart::Open(Self(Lock::new(round)), Some(running)),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Round> {
        self.0.lock()
    }

    /// Answers `question` from what the client sent, or records it. Its key is `key` after `prefix`.
    ///
    /// An answer is given to its own question only: another one under the same key ends the call. Else the consent to
    /// "delete a?" would be taken for that to "delete b?".
    ///
    /// 2026-07-28, patterns/mrtr §Error Handling: if necessary information is missing, "the server SHOULD respond with
    /// a new `InputRequiredResult` requesting the missing information again"; what it does not need "the server SHOULD
    /// ignore". An answer that does not fit is as good as missing.
    pub(crate) fn ask<Q: Question>(
        &self,
        prefix: &str,
        key: &QuestionKey<'_>,
        question: &Q,
        profile: ClientProfile,
    ) -> AskOutcome<Q::Answer> {
        if IN_ONCE.get() {
            let message = format!("the question {key} is asked inside of `once`; ask before it");
            return AskOutcome::Impossible(Error::internal(message));
        }
        let (method, params) = match question.params() {
            Ok(params) => (question.method(), params),
            Err(unfit) => {
                return AskOutcome::Impossible(Error::internal(format!("the question {key}: {unfit}")));
            }
        };
        let digest = QuestionDigest::of(method, &params);
        let mut round = self.lock();
        let key = match key.given() {
            Some(key) => format!("{prefix}{key}"),
            None => round.numbered(format!("{prefix}{}", digest.key())),
        };
        match round.answer(&key, &digest, question) {
            Ok(Some(answer)) => return AskOutcome::Answer(answer),
            Ok(None) => {}
            Err(ambiguous) => return AskOutcome::Impossible(ambiguous),
        }
        if let Some(required) = profile.lacks(method, &params) {
            return AskOutcome::Lacking(required);
        }
        if round.questions.iter().all(|open| open.key != key) {
            round.questions.push(OpenQuestion { key, method, params, digest });
        }
        round.wake();
        AskOutcome::Open
    }

    /// The stored result of a `once` of an earlier round.
    pub(crate) fn remembered<T: DeserializeOwned>(&self, key: &str) -> Option<Result<T, Error>> {
        let round = self.lock();
        let raw = round.state.once.get(key)?;
        Some(raw.decode().map_err(|error| {
            Error::internal(format!("what `once` remembers as {key:?} cannot be read: {error}"))
        }))
    }

    /// A prefix for the keys of the tool `name` that is called by the one whose keys begin with `outer`: `outer`, then
    /// `name/`; where that is taken, since the tool is called again, `name#2/` and so on. Tools have no `#` in their
    /// names.
    pub(crate) fn prefix(&self, outer: &str, name: &str) -> String {
        self.lock().numbered(format!("{outer}{name}")) + "/"
    }

    /// Begins a `once`.
    pub(crate) fn begin_once(&self) -> Once<'_> {
        self.lock().once += 1;
        Once(self)
    }

    /// Ends the call with `outcome` as soon as the handler cannot go on.
    pub(crate) fn fail(&self, outcome: Outcome) {
        let mut round = self.lock();
        round.failure.get_or_insert(outcome);
        round.stuck |= IN_ONCE.get();
        round.wake();
    }

    /// Has `task` woken when a question is recorded.
    pub(crate) fn watch(&self, task: &Task<'_>) {
        let mut round = self.lock();
        match &mut round.waker {
            Some(waker) => waker.clone_from(task.waker()),
            none => *none = Some(task.waker().clone()),
        }
    }

    /// Whether there may be a verdict: most often a handler waits for something of its own.
    pub(crate) fn is_due(&self) -> bool {
        let round = self.lock();
        round.failure.is_some() || !round.questions.is_empty()
    }

    /// How the call ends, now that its handler cannot go on; `None` when it waits for something else than answers.
    pub(crate) fn verdict(&self, binding: &Binding<'_>, identity: &Identity) -> Option<Outcome> {
        let mut round = self.lock();
        if round.once > 0 && !round.stuck {
            return None;
        }
        if let Some(failure) = round.failure.take() {
            return Some(failure);
        }
        if round.questions.is_empty() {
            return None;
        }
        if !binding.method.may_ask() {
            // 2026-07-28, patterns/mrtr §Supported Requests: "Servers MUST NOT send `InputRequiredResult` responses on
            // any other client requests."
            let message = format!("{} must not ask its caller", binding.method.as_str());
            return Some(Outcome::Error(Error::internal(message)));
        }
        let required = round.required(binding, identity);
        Some(required.map_or_else(Outcome::Error, Outcome::InputRequired))
    }
}

impl Round {
    /// The answer to `question`, whose key is `key`, if the client gave one that fits.
    ///
    /// # Errors
    /// If the key belongs to another question: one that is open, that was asked in the last round, or that was answered.
    fn answer<Q: Question>(
        &mut self,
        key: &str,
        digest: &QuestionDigest,
        question: &Q,
    ) -> Result<Option<Q::Answer>, Error> {
        let known = self.state.questions.get(key);
        let open = self.questions.iter().find(|open| open.key == key).map(|open| &open.digest);
        if known.map(|known| &known.digest).into_iter().chain(open).any(|other| other != digest) {
            let message = format!(
                "two different questions have the key {key:?}; give each a key of its own, or `None` for a derived one"
            );
            return Err(Error::internal(message));
        }
        let answer = known.and_then(|known| question.read(known.answer.as_ref()?).ok());
        if answer.is_some() {
            return Ok(answer);
        }
        let Some(response) = self.responses.as_ref().and_then(|all| all.member(key)) else { return Ok(None) };
        let Ok(answer) = question.read(&response) else { return Ok(None) };
        let known = KnownQuestion { digest: digest.clone(), answer: Some(response) };
        self.state.questions.insert(key.to_owned(), known);
        Ok(Some(answer))
    }

    /// `key` where it is used for the first time in this round, then `key#2` and so on.
    fn numbered(&mut self, key: String) -> String {
        let uses = self.uses.get_or_insert_default().0.entry(key.clone()).or_default();
        *uses += 1;
        if *uses == 1 { key } else { format!("{key}#{uses}") }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// All questions of the round, and what must be known when their answers come.
    fn required(&self, binding: &Binding<'_>, identity: &Identity) -> Result<Raw, Error> {
        let open = self.questions.iter().map(|open| (open.key.clone(), open.digest.clone()));
        let state = binding.scope.store.seal(&self.state, open, binding)?;
        let size = self.questions.iter().map(|open| open.key.len() + open.params.as_str().len() + 64);
        let mut result = ResultWriter::input_required(state.len() + size.sum::<usize>());
        let out = result.member("inputRequests");
        for (index, OpenQuestion { key, method, params, .. }) in self.questions.iter().enumerate() {
            out.push(if index == 0 { b'{' } else { b',' });
            string::write(out, key);
            out.extend_from_slice(b":{\"method\":\"");
            out.extend_from_slice(method.as_str().as_bytes());
            out.extend_from_slice(b"\",\"params\":");
            out.extend_from_slice(params.as_str().as_bytes());
            out.push(b'}');
        }
        out.push(b'}');
        result.text("requestState", &state);
        result.finish(identity, None)
    }
}

/// A future given to `once` that is under way.
pub(crate) struct Once<'a>(&'a Dialogue);

impl Once<'_> {
    /// Remembers the result.
    pub(crate) fn remember<T: Serialize>(&self, key: &str, value: &T) -> Result<(), Error> {
        let raw = Raw::of(value).map_err(|error| {
            Error::internal(format!("`once` cannot remember {key:?}: it is no JSON: {error}"))
        })?;
        self.0.lock().state.once.insert(key.to_owned(), raw);
        Ok(())
    }

    /// Whether this thread polls a future that was given to `once`.
    pub(crate) fn is_polling() -> bool {
        IN_ONCE.get()
    }

    /// Runs `poll`, in which no server request is allowed: the call could never continue.
    pub(crate) fn polling<T>(poll: impl FnOnce() -> T) -> T {
        let _restore = Restore(IN_ONCE.replace(true));
        poll()
    }
}

impl Drop for Once<'_> {
    fn drop(&mut self) {
        self.0.lock().once -= 1;
    }
}

thread_local! {
    /// Whether this thread polls a future that was given to `once`.
    static IN_ONCE: Cell<bool> = const { Cell::new(false) };
}

struct Restore(bool);

impl Drop for Restore {
    fn drop(&mut self) {
        IN_ONCE.set(self.0);
    }
}
