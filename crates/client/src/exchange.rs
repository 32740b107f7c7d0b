//! A request in flight: its notifications, its server requests, and its timeout.

use std::{sync::atomic::Ordering, time::Duration};

use anyport_protocol::{
    Method, Raw,
    meta::Meta,
    types::{LoggingMessageNotificationParams, ProgressNotificationParams},
};
use anyport_service::{Context, Event, InputMode, Notification, Outcome, Reply, Request, ServerRequest};
use bytestring::ByteString;
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::{self, Instant};

use crate::{Error, core::Core, decode};

/// The settings of one request.
#[derive(Default)]
pub(crate) struct Options {
    /// How long without an answer or progress; `None`: as the client has it.
    pub(crate) timeout: Option<Duration>,
    /// How long in all; `None`: as the client has it.
    pub(crate) timeout_max: Option<Duration>,
    /// The function for progress; it also requests progress.
    pub(crate) progress: Option<Box<dyn FnMut(Progress) + Send>>,
    /// Whether the cache is skipped.
    pub(crate) fresh: bool,
    /// Whether results are taken that do not fit their schema.
    pub(crate) unchecked: bool,
    /// Whether the server has told or asked anything about the request, so that it began to process it.
    pub(crate) has_begun: bool,
}

/// How far a call is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// How far, in whatever unit. It only grows.
    pub progress: f64,
    /// How far it has to go, when the server knows.
    pub total: Option<f64>,
    /// The progress message.
    pub message: Option<String>,
}

impl Progress {
    pub(crate) fn of(told: &ProgressNotificationParams) -> Self {
        Self {
            progress: told.progress.as_f64().unwrap_or_default(),
            total: told.total.as_ref().and_then(serde_json::Number::as_f64),
            message: told.message.clone(),
        }
    }
}

/// A result, and whether the server sent requests before it.
pub(crate) struct Answered {
    pub(crate) result: Raw,
    pub(crate) asked: bool,
}

impl Core {
    /// The context of a call; `token` asks for progress under it.
    pub(crate) fn context(&self, token: Option<u64>) -> Context {
        let context = Context::new(self.principal.clone(), anyport_protocol::Revision::NEWEST)
            .with_client(self.capabilities.clone(), Some(self.info.clone()))
            .with_input_mode(InputMode::Inline)
            .with_log_level(self.functions.log.as_ref().map(|(level, _)| *level));
        match token {
            None => context,
            Some(token) => {
                let token = Raw::from(serde_json::Value::from(token));
                let meta = Meta { progress_token: Some(token), ..Meta::default() };
                // A number is always a token, and no level is given.
                context.clone().with_meta(meta).unwrap_or(context)
            }
        }
    }

    /// Sends a request and waits for its result. Dropping the future cancels the request.
    pub(crate) async fn exchange(&self, request: &Request, options: &mut Options) -> Result<Answered, Error> {
        let method = &request.method;
        let wanted = options.progress.is_some() || options.timeout_max.is_some();
        let token = wanted.then(|| self.tokens.fetch_add(1, Ordering::Relaxed));
        let context = match self.is_connecting() {
            true => self.context(token),
            false => self.tools.with_headers(request, self.context(token)),
        };
        let reply = match self.service.call(request.clone(), context).into_ready() {
            Ok(outcome) => return self.end(method, outcome, false),
            Err(reply) => reply,
        };
        let clock = Clock::new(
            options.timeout.unwrap_or(self.timeout),
            options.timeout_max.or(options.timeout).unwrap_or(self.timeout_max),
        );
        let exchange = Running { core: self, method, token, clock, asked: false };
        exchange.run(reply, options).await
    }

    fn end(&self, method: &str, outcome: Outcome, asked: bool) -> Result<Answered, Error> {
        match outcome {
            Outcome::Result(result) => Ok(Answered { result: decode::complete(method, result)?, asked }),
            // 2026-07-28, mrtr §Supported Requests: only three methods may ask, and those are answered beneath.
            Outcome::InputRequired(result) => {
                decode::complete(method, result).map(|result| Answered { result, asked })
            }
            Outcome::Error(error) => Err(Error::of_server(method, error)),
            Outcome::Failed(failure) => Err(Error::of_failure(method, &failure)),
        }
    }
}

struct Running<'a> {
    core: &'a Core,
    method: &'a ByteString,
    token: Option<u64>,
    clock: Clock,
    asked: bool,
}

impl Running<'_> {
    async fn run(mut self, mut reply: Reply, options: &mut Options) -> Result<Answered, Error> {
        let mut questions = FuturesUnordered::new();
        let mut last = None;
        loop {
            // A server that never stops telling must not keep the clock from being looked at.
            tokio::task::consume_budget().await;
            tokio::select! {
                biased;
                () = self.clock.expired() => {
                    return Err(Error::Timeout { method: self.method.to_string(), after: self.clock.spent() });
                }
                Some(answered) = questions.next(), if !questions.is_empty() => {
                    let () = answered?;
                    if questions.is_empty() {
                        self.clock.go_on();
                    }
                }
                event = reply.next() => match event {
                    Event::Outcome(outcome) => return self.core.end(self.method, outcome, self.asked),
                    Event::Notification(told) => {
                        options.has_begun = true;
                        self.told(&told, &mut last, options);
                    }
                    Event::ServerRequest(question) => {
                        options.has_begun = true;
                        // A person's time is not the server's.
                        self.clock.stand_still();
                        self.asked = true;
                        questions.push(answer(self.core, self.method, question));
                    }
                    Event::Unknown { .. } | Event::Disconnect { .. } => {}
                },
            }
        }
    }

    fn told(&mut self, told: &Notification, last: &mut Option<f64>, options: &mut Options) {
        match told.method {
            Method::Progress => {
                let Ok(progress) = told.params.decode::<ProgressNotificationParams>() else { return };
                let ours = self.token.is_some_and(|token| progress.progress_token == token.into());
                let amount = progress.progress.as_f64();
                // 2026-07-28, progress §Progress Flow: "The `progress` value MUST increase with each notification".
                if !ours || amount.is_none() || amount <= *last {
                    return;
                }
                *last = amount;
                self.clock.extend();
                if let Some(hear) = &mut options.progress {
                    hear(Progress::of(&progress));
                }
            }
            Method::LogMessage => {
                let Some((level, log)) = &self.core.functions.log else { return };
                if let Ok(message) = told.params.decode::<LoggingMessageNotificationParams>()
                    && message.level >= *level
                {
                    log(message);
                }
            }
            _ => self.core.cache.heard(told),
        }
    }
}

/// Answers a question, unless the server takes it back first.
async fn answer(core: &Core, method: &str, question: ServerRequest) -> Result<(), Error> {
    let ServerRequest { method: asked, params, mut responder } = question;
    let answered = tokio::select! {
        biased;
        () = responder.withdrawn() => return Ok(()),
        answered = core.functions.answer(&core.server, asked, &params) => answered,
    };
    match answered {
        Ok(answered) => {
            responder.answer(answered);
            Ok(())
        }
        Err(fault) => {
            let message = params.member("message").and_then(|message| message.as_string());
            let question = message.unwrap_or_else(|| asked.as_str().into()).to_string();
            Err(Error::Answer { method: method.into(), question, fault })
        }
    }
}

/// How long a call may still take.
struct Clock {
    begun: Instant,
    timeout: Duration,
    /// `None`: beyond what the clock can tell.
    deadline: Option<Instant>,
    limit: Option<Instant>,
    still_since: Option<Instant>,
}

impl Clock {
    fn new(timeout: Duration, max: Duration) -> Self {
        let begun = Instant::now();
        let limit = begun.checked_add(max);
        let deadline = soonest(begun.checked_add(timeout), limit);
        Self { begun, timeout, deadline, limit, still_since: None }
    }

    /// Progress was made: the time begins anew, within the limit.
    fn extend(&mut self) {
        self.deadline = soonest(Instant::now().checked_add(self.timeout), self.limit);
    }

    fn stand_still(&mut self) {
        self.still_since.get_or_insert_with(Instant::now);
    }

    fn go_on(&mut self) {
        if let Some(since) = self.still_since.take() {
            let still = since.elapsed();
            let later = |time: Instant| time.checked_add(still);
            self.deadline = self.deadline.and_then(later);
            self.limit = self.limit.and_then(later);
            self.begun += still;
        }
    }

    fn spent(&self) -> Duration {
        self.begun.elapsed()
    }

    async fn expired(&self) {
        match self.deadline {
            Some(deadline) if self.still_since.is_none() => time::sleep_until(deadline).await,
            _ => std::future::pending().await,
        }
    }
}

fn soonest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
