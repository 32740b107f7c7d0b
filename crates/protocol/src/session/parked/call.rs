use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use serde_json::{Map, Value};

use super::{
    CallRecord, Fault, Full,
    call_record::{REPLAY_BYTES, refused, size},
    check,
};
use crate::{
    Error, Method, Raw,
    capability::ClientProfile,
    json::Splice,
    jsonrpc::{Reason, RpcResult, code},
    meta::LogLevel,
};

/// Names a question: the N of its key `qN`. It counts through the call and is never used again.
pub type Key = u32;
/// Names a request that is attached to the call.
pub type Attachment = u64;

/// The limits of one call; the names are those of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long further server requests are collected before the caller receives them.
    pub batch_window: Duration,
    /// How long the call waits without an attached request.
    pub park_ttl: Duration,
    /// The largest size of stored server requests and outcome.
    pub parked_bytes: usize,
    /// Questions that may be open at once.
    pub questions: usize,
    /// Rounds of questions.
    pub rounds: u32,
    /// How often one server request is repeated.
    pub max_reprompts: u32,
    /// How long an outcome is given out again.
    pub replay: Duration,
    /// How long the call may run; the time in which it is parked does not count. `None`: as long as it likes.
    pub call_timeout_max: Option<Duration>,
}

/// The wishes of an attached request, and its client's capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The capabilities of the client for server requests.
    pub profile: ClientProfile,
    /// From which severity on it wants log messages.
    pub log_level: Option<LogLevel>,
    /// Whether it wants progress notifications.
    pub progress: bool,
}

/// A request with a state of this call.
#[derive(Clone, Debug)]
pub struct Retry {
    /// Its name.
    pub attachment: Attachment,
    /// The round that its state was given out in.
    pub round: u32,
    /// Its `inputResponses`.
    pub answers: Option<Raw>,
    /// The digest of these, whatever the order of their keys.
    pub digest: [u8; 32],
    /// The caller: its capabilities, and the notifications that it requested.
    pub caller: Caller,
}

/// An event.
#[derive(Clone, Debug)]
pub enum Event {
    /// The server asks.
    ServerRequest {
        /// A key that was never used in this call.
        key: Key,
        /// The question.
        method: Method,
        /// Its params.
        params: Raw,
    },
    /// The server does not want an answer any more.
    Withdrawn(Key),
    /// The server sent a notification.
    Notification {
        /// Which notification.
        method: Method,
        /// Its params.
        params: Raw,
    },
    /// The server is done.
    Outcome(RpcResult),
    /// The connection to the server is lost, with the error for those who are attached.
    Lost(Error),
    /// The caller came back.
    Retry(Retry),
    /// A request is gone: cancelled, or its client disconnected.
    Detached(Attachment),
    /// The slot that [`Effect::Place`] requested is taken.
    Placed,
    /// There is no place.
    Full(Full),
    /// The program stops.
    Drain,
    /// Time has passed, perhaps until [`Call::wakes`].
    Tick,
}

/// The actions, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Give the server an answer.
    Answer(Key, Raw),
    /// Give the server an error for its question.
    Refuse(Key, Error),
    /// Cancel the call at the server; before what follows.
    Cancel,
    /// Send a notification to a request.
    Tell(Attachment, Method, Raw),
    /// Take a place among those that are parked, and say [`Event::Placed`] or [`Event::Full`]. Nothing else follows.
    Place,
    /// Answer a request by `input_required`, with the state of this round and these `inputRequests`.
    Ask(Attachment, u32, Raw),
    /// Answer a request.
    End(Attachment, RpcResult),
    /// Answer a request whose call took longer than `call_timeout_max`.
    Late(Attachment),
    /// Count a refusal by this limit.
    Count(&'static str),
    /// The call is over, and this is how. Nothing follows.
    Over(CallRecord),
}

/// One call to a server with inline requests, for a caller that retries.
#[derive(Debug)]
pub struct Call {
    limits: Limits,
    /// The name of the called tool, prompt or resource, for people.
    name: String,
    phase: Phase,
    /// The round in which the latest state was given out.
    round: u32,
    /// The retry that the attached requests made.
    retry: Option<(u32, [u8; 32])>,
    attached: Vec<(Attachment, Caller)>,
    profile: ClientProfile,
    questions: BTreeMap<Key, Open>,
    /// How long it had run when it was parked.
    ran: Duration,
    progress: Progress,
    logs: VecDeque<Raw>,
    log_bytes: usize,
    /// The capabilities that the refused server requests needed.
    lacking: Option<Value>,
}

#[derive(Debug, PartialEq)]
enum Phase {
    Running { since: Duration },
    Gathering { since: Duration, until: Duration },
    Parked { until: Duration },
    Kept { until: Duration, outcome: RpcResult },
    Over,
}

/// A question that waits for its answer.
#[derive(Debug)]
struct Open {
    method: Method,
    params: Raw,
    /// Whether the caller has received it.
    asked: bool,
    /// How often it was repeated.
    reprompts: u32,
}

/// The progress of the call: the last value that was sent, and the value to send.
#[derive(Debug, Default)]
struct Progress {
    told: Option<f64>,
    held: Option<(f64, Raw)>,
}

/// The bound of stored log messages while no request is attached.
const LOG_BYTES: usize = 64 << 10;

impl Call {
    /// A call of `name` that begins to run at `now`, for a request that wants what `caller` says.
    pub fn new(limits: Limits, name: String, now: Duration, attachment: Attachment, caller: Caller) -> Self {
        Self {
            limits,
            name,
            phase: Phase::Running { since: now },
            round: 0,
            retry: None,
            attached: vec![(attachment, caller)],
            profile: caller.profile,
            questions: BTreeMap::new(),
            ran: Duration::ZERO,
            progress: Progress::default(),
            logs: VecDeque::new(),
            log_bytes: 0,
            lacking: None,
        }
    }

    /// Says what to do now that `event` happened.
    pub fn handle(&mut self, now: Duration, event: Event) -> Vec<Effect> {
        let mut out = Vec::new();
        match event {
            Event::ServerRequest { key, method, params } => {
                self.question(now, key, method, &params, &mut out)
            }
            Event::Withdrawn(key) => self.withdrawn(key),
            Event::Notification { method, params } => self.notification(method, params, &mut out),
            Event::Outcome(outcome) => self.outcome(now, outcome, &mut out),
            Event::Lost(error) => self.lost(now, error, &mut out),
            Event::Retry(retry) => self.retried(now, retry, &mut out),
            Event::Detached(attachment) => self.detached(attachment, &mut out),
            Event::Placed => self.placed(now, &mut out),
            Event::Full(full) => self.full(full, &mut out),
            Event::Drain => self.drain(&mut out),
            Event::Tick => self.tick(now, &mut out),
        }
        out
    }

    /// When [`Event::Tick`] is due.
    pub fn wakes(&self) -> Option<Duration> {
        let timeout = |since: Duration| {
            // A time beyond the clock's range is no limit.
            self.limits
                .call_timeout_max
                .and_then(|timeout| since.checked_add(timeout.saturating_sub(self.ran)))
        };
        match &self.phase {
            Phase::Running { since } => timeout(*since),
            Phase::Gathering { since, until } => {
                Some(timeout(*since).map_or(*until, |timeout| timeout.min(*until)))
            }
            Phase::Parked { until } | Phase::Kept { until, .. } => Some(*until),
            Phase::Over => None,
        }
    }

    /// How many bytes of questions and outcome are held.
    pub fn held(&self) -> usize {
        let outcome = match &self.phase {
            Phase::Kept { outcome, .. } => size(outcome),
            _ => 0,
        };
        outcome + self.questions.values().map(|open| open.params.as_str().len()).sum::<usize>()
    }

    /// The questions that wait for answers.
    pub fn questions(&self) -> impl Iterator<Item = Key> {
        self.questions.keys().copied()
    }

    /// Whether nothing more will happen.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }
}

/// Events of the server.
impl Call {
    fn question(&mut self, now: Duration, key: Key, method: Method, params: &Raw, out: &mut Vec<Effect>) {
        let params = relayed(method, params, self.profile);
        if let Err(error) = self.may_ask(method, &params, out) {
            return out.push(Effect::Refuse(key, error));
        }
        self.questions.insert(key, Open { method, params, asked: false, reprompts: 0 });
        if let Phase::Running { since } = self.phase {
            self.phase = Phase::Gathering { since, until: now.saturating_add(self.limits.batch_window) };
        }
    }

    /// Why a question cannot be put to the caller, in words for the server.
    fn may_ask(&mut self, method: Method, params: &Raw, out: &mut Vec<Effect>) -> Result<(), Error> {
        if matches!(self.phase, Phase::Kept { .. } | Phase::Over) {
            return Err(Error::internal("the call is over"));
        }
        if !matches!(method, Method::Elicit | Method::CreateMessage | Method::ListRoots) {
            return Err(Error::method_not_found(method.as_str()));
        }
        if let Some(error) = self.lacks(method, params) {
            return Err(error);
        }
        let limits = self.limits;
        let (limit, message) = if self.questions.len() >= limits.questions {
            ("questions", format!("more than {} questions are open (questions)", limits.questions))
        } else if self.round >= limits.rounds {
            ("rounds", format!("the call asked in more than {} rounds (rounds)", limits.rounds))
        } else if self.held() + params.as_str().len() > limits.parked_bytes {
            ("parked_bytes", format!("the questions are over {} bytes (parked_bytes)", limits.parked_bytes))
        } else {
            return Ok(());
        };
        out.push(Effect::Count(limit));
        Err(Error::internal(message))
    }

    /// Returns the error for a server request without the client's capability, and records that it was refused.
    ///
    /// 2025-11-25, client/elicitation §Error Handling: "Clients MUST return standard JSON-RPC errors": -32602 for a mode
    /// that was not declared.
    fn lacks(&mut self, method: Method, params: &Raw) -> Option<Error> {
        let required = self.profile.lacks(method, params)?;
        let profile = self.profile;
        let known = match method {
            Method::Elicit => profile.elicitation_form || profile.elicitation_url,
            Method::CreateMessage => profile.sampling,
            _ => false,
        };
        let code = if known { code::INVALID_PARAMS } else { code::METHOD_NOT_FOUND };
        let error = Error::new(code, format!("the client did not declare {required}"));
        if let Ok(required) = required.decode() {
            merge(self.lacking.get_or_insert_with(|| Value::Object(Map::new())), required);
        }
        Some(error)
    }

    fn withdrawn(&mut self, key: Key) {
        self.questions.remove(&key);
        if let Phase::Gathering { since, .. } = self.phase
            && self.questions.is_empty()
        {
            self.phase = Phase::Running { since };
        }
    }

    fn notification(&mut self, method: Method, params: Raw, out: &mut Vec<Effect>) {
        match method {
            Method::Progress => {
                let Some(progress) = params.member("progress").and_then(|told| told.decode().ok()) else {
                    return;
                };
                self.progress.hold(progress, params);
                self.tell_progress(out);
            }
            Method::LogMessage if self.attached.is_empty() => self.keep_log(params, out),
            Method::LogMessage => self.tell_log(&params, out),
            _ => {
                let told = self.attached.iter().map(|(to, _)| Effect::Tell(*to, method, params.clone()));
                out.extend(told);
            }
        }
    }

    fn lost(&mut self, now: Duration, error: Error, out: &mut Vec<Effect>) {
        if let Phase::Parked { .. } = self.phase {
            self.refuse_open("the call is over", out);
            return self.over(CallRecord::Abandoned(Reason::UpstreamLost), out);
        }
        self.outcome(now, Err(error), out);
    }

    fn outcome(&mut self, now: Duration, outcome: RpcResult, out: &mut Vec<Effect>) {
        let outcome = self.told(outcome);
        match self.phase {
            Phase::Running { .. } | Phase::Gathering { .. } => self.done(now, outcome, out),
            Phase::Parked { until } => {
                self.refuse_open("the call is over", out);
                match &outcome {
                    _ if size(&outcome) > self.limits.parked_bytes => {
                        out.push(Effect::Count("parked_bytes"));
                        self.over(CallRecord::Abandoned(Reason::TooLarge), out);
                    }
                    _ => self.phase = Phase::Kept { until, outcome },
                }
            }
            Phase::Kept { .. } | Phase::Over => {}
        }
    }

    /// The outcome for the caller. An error that follows a refused server request becomes -32021.
    ///
    /// 2026-07-28, basic §_meta: "If processing a request requires a capability the client did not include in
    /// `io.modelcontextprotocol/clientCapabilities`, the server MUST return a `MissingRequiredClientCapabilityError`". A result passes: the server found another way.
    fn told(&self, outcome: RpcResult) -> RpcResult {
        match (&self.lacking, outcome) {
            (Some(lacking), Err(error)) if error.reason.is_none() => {
                Err(Error::missing_capability(&lacking.clone().into()))
            }
            (_, outcome) => outcome,
        }
    }

    /// Ends the call with an outcome for those who are attached.
    fn done(&mut self, now: Duration, outcome: RpcResult, out: &mut Vec<Effect>) {
        let retry = self.retry;
        self.end_all(&outcome, out);
        self.refuse_open("the call is over", out);
        let small = retry.is_some() && size(&outcome) <= REPLAY_BYTES;
        let until = now.saturating_add(self.limits.replay);
        self.over(CallRecord::Done { retry, outcome: small.then_some(outcome), until }, out);
    }
}

/// Events of the caller.
impl Call {
    fn retried(&mut self, now: Duration, retry: Retry, out: &mut Vec<Effect>) {
        let came = (retry.round, retry.digest);
        match &self.phase {
            Phase::Running { .. } | Phase::Gathering { .. } if self.retry == Some(came) => {
                self.attached.push((retry.attachment, retry.caller));
            }
            Phase::Parked { .. } if retry.round == self.round => self.resume(now, retry, out),
            Phase::Kept { outcome, .. } if retry.round == self.round => {
                let outcome = outcome.clone();
                self.attach(&retry, out);
                self.done(now, outcome, out);
            }
            _ => out.push(Effect::End(retry.attachment, Err(refused(Reason::Consumed, &self.name)))),
        }
    }

    /// Accepts the answers of a retry with the latest state.
    fn resume(&mut self, now: Duration, retry: Retry, out: &mut Vec<Effect>) {
        let sorted = match self.sort(&retry) {
            Ok(sorted) => sorted,
            Err(error) => return out.push(Effect::End(retry.attachment, Err(error))),
        };
        if sorted.is_idle() {
            let asked = self.asked();
            return out.push(Effect::Ask(retry.attachment, self.round, asked));
        }
        if let Some(error) = self.over_reprompted(&sorted) {
            out.push(Effect::Count("max_reprompts"));
            return out.push(Effect::End(retry.attachment, Err(error)));
        }
        self.attach(&retry, out);
        for (key, answer) in sorted.good {
            self.questions.remove(&key);
            out.push(Effect::Answer(key, answer));
        }
        for (key, _) in sorted.again {
            if let Some(open) = self.questions.get_mut(&key) {
                open.reprompts += 1;
            }
        }
        self.refuse_undeclared(out);
        if self.round >= self.limits.rounds && !self.questions.is_empty() {
            out.push(Effect::Count("rounds"));
            self.refuse_open(
                &format!("the call asked in more than {} rounds (rounds)", self.limits.rounds),
                out,
            );
        }
        self.phase = if self.questions.is_empty() {
            Phase::Running { since: now }
        } else {
            Phase::Gathering { since: now, until: now.saturating_add(self.limits.batch_window) }
        };
    }

    /// The retry's answers to the server requests.
    ///
    /// 2026-07-28, patterns/mrtr §Error Handling: "If additional, unexpected parameters are provided in the
    /// `InputResponses` object, the server SHOULD ignore any information it does not recognize or need."
    ///
    /// # Errors
    /// -32602 `malformed`.
    fn sort(&self, retry: &Retry) -> Result<Sorted, Error> {
        let malformed = |what: &str| Error::invalid_params(what.to_owned()).with_reason(Reason::Malformed);
        let answers = retry.answers.clone().unwrap_or(Raw::EMPTY_OBJECT);
        if !answers.is_object() {
            return Err(malformed("inputResponses is no object"));
        }
        let mut sorted = Sorted::default();
        for (key, open) in self.questions.iter().filter(|(_, open)| open.asked) {
            sorted.expected = true;
            let name = format!("q{key}");
            let Some(answer) = answers.member(&name) else {
                sorted.again.push((*key, format!("lacks {name:?}")));
                continue;
            };
            sorted.any = true;
            match check(open.method, &open.params, &answer) {
                Ok(()) => sorted.good.push((*key, answer)),
                Err(Fault::Unfit(why)) => sorted.again.push((*key, format!("{name:?} {why}"))),
                Err(Fault::Malformed(why)) => {
                    return Err(malformed(&format!("inputResponses: {name:?} {why}")));
                }
            }
        }
        Ok(sorted)
    }

    /// The error if a server request has been repeated too often. The call stays parked: a valid answer is still
    /// accepted.
    fn over_reprompted(&self, sorted: &Sorted) -> Option<Error> {
        let most = self.limits.max_reprompts;
        let over = |key| self.questions.get(key).is_some_and(|open| open.reprompts >= most);
        let (_, why) = sorted.again.iter().find(|(key, _)| over(key))?;
        let message = format!("inputResponses: {why}; it was asked again {most} times (max_reprompts)");
        Some(Error::invalid_params(message).with_reason(Reason::Malformed))
    }

    /// Attaches the retry, and sends it the notifications that waited.
    fn attach(&mut self, retry: &Retry, out: &mut Vec<Effect>) {
        self.attached.push((retry.attachment, retry.caller));
        self.retry = Some((retry.round, retry.digest));
        self.profile = retry.caller.profile;
        self.tell_progress(out);
        self.log_bytes = 0;
        for log in std::mem::take(&mut self.logs) {
            self.tell_log(&log, out);
        }
    }

    /// Refuses server requests whose capability the retry no longer declares.
    fn refuse_undeclared(&mut self, out: &mut Vec<Effect>) {
        let keys: Vec<Key> = self.questions().collect();
        for key in keys {
            let Some(open) = self.questions.remove(&key) else { continue };
            match self.lacks(open.method, &open.params) {
                Some(error) => out.push(Effect::Refuse(key, error)),
                None => drop(self.questions.insert(key, open)),
            }
        }
    }

    fn detached(&mut self, attachment: Attachment, out: &mut Vec<Effect>) {
        self.attached.retain(|(attached, _)| *attached != attachment);
        let running = matches!(self.phase, Phase::Running { .. } | Phase::Gathering { .. });
        if running && self.attached.is_empty() {
            self.abandon(Reason::Cancelled, out);
        }
    }
}

/// Events of the clock and of the program.
impl Call {
    fn tick(&mut self, now: Duration, out: &mut Vec<Effect>) {
        match self.phase {
            Phase::Running { since } | Phase::Gathering { since, .. } if self.is_late(now, since) => {
                out.push(Effect::Count("call_timeout_max"));
                self.fail(Effect::Late, Reason::Cancelled, out);
            }
            Phase::Gathering { until, .. } if until <= now => out.push(Effect::Place),
            Phase::Parked { until } | Phase::Kept { until, .. } if until <= now => {
                out.push(Effect::Count("park_ttl"));
                self.abandon(Reason::Expired, out);
            }
            _ => {}
        }
    }

    fn is_late(&self, now: Duration, since: Duration) -> bool {
        let ran = self.ran.saturating_add(now.saturating_sub(since));
        self.limits.call_timeout_max.is_some_and(|timeout| ran >= timeout)
    }

    fn placed(&mut self, now: Duration, out: &mut Vec<Effect>) {
        let Phase::Gathering { since, .. } = self.phase else { return };
        self.ran = self.ran.saturating_add(now.saturating_sub(since));
        self.round += 1;
        let asked = self.asked();
        let attached = std::mem::take(&mut self.attached).into_iter();
        out.extend(attached.map(|(to, _)| Effect::Ask(to, self.round, asked.clone())));
        self.retry = None;
        self.phase = Phase::Parked { until: now.saturating_add(self.limits.park_ttl) };
    }

    fn full(&mut self, full: Full, out: &mut Vec<Effect>) {
        out.extend(full.limit().map(Effect::Count));
        let error = match full.limit() {
            Some(limit) => {
                Error::internal(format!("too many calls wait for their callers' answers ({limit})"))
                    .with_reason(Reason::Overloaded)
            }
            None => Error::internal("the program stops").with_reason(Reason::ShuttingDown),
        };
        self.fail(|to| Effect::End(to, Err(error.clone())), Reason::Cancelled, out);
    }

    fn drain(&mut self, out: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Parked { .. } | Phase::Kept { .. }) {
            self.abandon(Reason::Cancelled, out);
        }
    }
}

/// Helpers.
impl Call {
    /// Returns the open server requests as `inputRequests`, and marks them as received by the caller.
    fn asked(&mut self) -> Raw {
        let mut requests = Splice::new();
        for (key, open) in &mut self.questions {
            open.asked = true;
            let method = Raw::string(open.method.as_str());
            let request = Splice::new().with("method", &method).with("params", &open.params).finish();
            requests = requests.with(&format!("q{key}"), &request);
        }
        requests.finish()
    }

    /// Ends the call for the server with `error` for those who are attached.
    fn fail(&mut self, end: impl Fn(Attachment) -> Effect, reason: Reason, out: &mut Vec<Effect>) {
        let attached = std::mem::take(&mut self.attached);
        self.abandon(reason, out);
        let over = out.pop();
        out.extend(attached.into_iter().map(|(to, _)| end(to)));
        out.extend(over);
    }

    /// Ends the call without an outcome: first it is cancelled, then its questions are answered. Never by `cancel`: no
    /// user chose that.
    fn abandon(&mut self, reason: Reason, out: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Running { .. } | Phase::Gathering { .. } | Phase::Parked { .. }) {
            out.push(Effect::Cancel);
        }
        self.refuse_open("the client did not answer", out);
        self.over(CallRecord::Abandoned(reason), out);
    }

    fn over(&mut self, ended: CallRecord, out: &mut Vec<Effect>) {
        self.phase = Phase::Over;
        out.push(Effect::Over(ended));
    }

    fn end_all(&mut self, outcome: &RpcResult, out: &mut Vec<Effect>) {
        let attached = std::mem::take(&mut self.attached).into_iter();
        out.extend(attached.map(|(to, _)| Effect::End(to, outcome.clone())));
    }

    fn refuse_open(&mut self, why: &str, out: &mut Vec<Effect>) {
        let open = std::mem::take(&mut self.questions).into_keys();
        out.extend(open.map(|key| Effect::Refuse(key, Error::internal(why.to_owned()))));
    }

    /// Sends the stored progress if a request is attached.
    fn tell_progress(&mut self, out: &mut Vec<Effect>) {
        if self.attached.is_empty() {
            return;
        }
        let Some((progress, params)) = self.progress.held.take() else { return };
        self.progress.told = Some(progress);
        let wanting = self.attached.iter().filter(|(_, caller)| caller.progress);
        out.extend(wanting.map(|(to, _)| Effect::Tell(*to, Method::Progress, params.clone())));
    }

    fn tell_log(&self, params: &Raw, out: &mut Vec<Effect>) {
        let level = params.member("level").and_then(|level| level.decode::<LogLevel>().ok());
        for (to, caller) in &self.attached {
            if caller.log_level.is_some_and(|wanted| level.is_none_or(|level| level >= wanted)) {
                out.push(Effect::Tell(*to, Method::LogMessage, params.clone()));
            }
        }
    }

    /// Keeps a log message; the oldest go when there are too many.
    fn keep_log(&mut self, params: Raw, out: &mut Vec<Effect>) {
        self.log_bytes += params.as_str().len();
        self.logs.push_back(params);
        while self.log_bytes > LOG_BYTES {
            let Some(oldest) = self.logs.pop_front() else { break };
            self.log_bytes -= oldest.as_str().len();
            out.push(Effect::Count("parked_log_bytes"));
        }
    }
}

impl Progress {
    /// Stores progress that exceeds the value sent before.
    ///
    /// 2026-07-28, progress §Progress Flow: "The `progress` value MUST increase with each notification".
    fn hold(&mut self, progress: f64, params: Raw) {
        let last = self.held.as_ref().map(|(progress, _)| *progress).or(self.told);
        if last.is_none_or(|last| progress > last) {
            self.held = Some((progress, params));
        }
    }
}

/// The answers of a retry, sorted.
#[derive(Default)]
struct Sorted {
    good: Vec<(Key, Raw)>,
    /// Server requests to repeat, with the reasons.
    again: Vec<(Key, String)>,
    /// Whether any answer was expected, and whether any came.
    expected: bool,
    any: bool,
}

impl Sorted {
    /// Whether the retry answers none of the server requests.
    fn is_idle(&self) -> bool {
        self.expected && !self.any
    }
}

/// A question's params for a client of 2026-07-28: without what belongs to the hop between the server and us, and without
/// what the client did not declare and may be left out.
///
/// 2026-07-28, client/sampling §Context Inclusion, of the client: it "MAY modify or ignore this field".
fn relayed(method: Method, params: &Raw, profile: ClientProfile) -> Raw {
    let hop = |key: &str| match key {
        "task" => true,
        "elicitationId" => method == Method::Elicit,
        "includeContext" => method == Method::CreateMessage && !profile.sampling_context,
        _ => false,
    };
    let token = params.member("_meta").filter(|meta| meta.member("progressToken").is_some());
    if token.is_none() && !params.members().any(|member| hop(&member.key())) {
        return params.clone();
    }
    let kept = Splice::retain(params, |key| !hop(key) && (key != "_meta" || token.is_none()));
    match token.map(|meta| Splice::retain(&meta, |key| key != "progressToken").finish()) {
        Some(meta) if meta.as_str() != "{}" => kept.with("_meta", &meta).finish(),
        _ => kept.finish(),
    }
}

/// Adds the members of `more` to those of `all`, at every depth.
fn merge(all: &mut Value, more: Value) {
    match (all, more) {
        (Value::Object(all), Value::Object(more)) => {
            for (key, value) in more {
                merge(all.entry(key).or_insert(Value::Null), value);
            }
        }
        (all, more) => *all = more,
    }
}
