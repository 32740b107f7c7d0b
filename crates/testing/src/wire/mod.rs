mod incoming;
mod outgoing;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fmt,
    time::Duration,
};

use anyport_protocol::Revision;
use serde_json::{Value, json};

use crate::{Answer, Call, Link, Lost, Question, Refusal, link::Exchange};

/// A client that speaks one revision, message by message.
///
/// It says what every client of its revision must say (the handshake, the version and capabilities in `_meta`, HTTP
/// headers) and sorts what comes back; everything else is the test's. Nothing runs behind the test's back: messages are
/// read, and questions answered, while one of the methods here waits.
pub struct Wire {
    link: Link,
    revision: Revision,
    capabilities: Value,
    answerer: Option<Box<Answerer>>,
    log_level: Option<String>,
    patience: Duration,
    without_stream: bool,
    /// The result of `initialize`.
    initialized: Option<Value>,
    session: Option<String>,
    last_id: u64,
    open: Vec<Open>,
    exchanges: HashMap<Exchange, Head>,
    listening: Option<Call>,
    subscribed: BTreeSet<String>,
    changes: VecDeque<Value>,
    strays: Vec<Value>,
    heard: Vec<Heard>,
    /// How many of these [`Wire::hear`] has given.
    given: usize,
}

type Answerer = dyn FnMut(&Question) -> Result<Value, Refusal> + Send;

/// A message of the server's, as it came.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The message.
    pub message: Value,
    /// Its text, to the byte.
    pub text: String,
    /// The method of the request that it answers.
    pub answers: Option<String>,
}

/// A request that is under way.
struct Open {
    /// The id of its first round, by which the test knows it.
    call: u64,
    /// The id of this round.
    id: u64,
    round: usize,
    method: String,
    params: Value,
    exchange: Exchange,
    notifications: Vec<Value>,
    questions: Vec<Question>,
    response: Option<Value>,
}

/// The head of an HTTP response, and whether its body is over.
#[derive(Clone, Copy, Default)]
struct Head {
    status: Option<u16>,
    over: bool,
}

/// How long a [`Wire`] waits for anything, unless [`Wire::patience`] says otherwise.
const PATIENCE: Duration = Duration::from_secs(5);

impl Wire {
    /// A client at this end of `link`. It declares no capabilities and refuses all questions.
    pub fn over(link: Link) -> Self {
        Self {
            link,
            revision: Revision::NEWEST,
            capabilities: json!({}),
            answerer: Some(Box::new(|question| Err(Refusal::new(-1, format!("nobody answers {question}"))))),
            log_level: None,
            patience: PATIENCE,
            without_stream: false,
            initialized: None,
            session: None,
            last_id: 0,
            open: Vec::new(),
            exchanges: HashMap::new(),
            listening: None,
            subscribed: BTreeSet::new(),
            changes: VecDeque::new(),
            strays: Vec::new(),
            heard: Vec::new(),
            given: 0,
        }
    }

    /// Declares `capabilities`, as the revision that will be opened writes them.
    #[must_use]
    pub fn declaring(mut self, capabilities: Value) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// Answers questions with `answerer`, from now on.
    ///
    /// A refusal is sent as it is to a legacy server. A modern one cannot be told, so the call is not taken up again
    /// and its outcome is the `InputRequiredResult`.
    pub fn answer_with(
        &mut self,
        answerer: impl FnMut(&Question) -> Result<Value, Refusal> + Send + 'static,
    ) {
        self.answerer = Some(Box::new(answerer));
    }

    /// Leaves questions open, from now on.
    pub fn leave_open(&mut self) {
        self.answerer = None;
    }

    /// What `call` was asked, as soon as there are `count` questions, or it has come to its end.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn questions(&mut self, call: &Call, count: usize) -> Result<Vec<Question>, Lost> {
        loop {
            let open = self.open.iter().find(|open| open.call == call.id);
            let Some(open) = open else { return Ok(Vec::new()) };
            if open.questions.len() >= count || open.response.is_some() {
                return Ok(open.questions.clone());
            }
            self.pull("a question").await?;
        }
    }

    /// Waits for anything at most this long. Unless set, 5 s.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Opens the dialogue: `initialize` and `initialized`, and over HTTP the stream for what belongs to no call. There
    /// is nothing to say for a modern revision.
    ///
    /// # Errors
    /// [`Lost`]; also when the server refuses.
    pub async fn open(&mut self, revision: Revision) -> Result<(), Lost> {
        self.revision = revision;
        if revision.is_stateless() {
            return Ok(());
        }
        let params = json!({
            "protocolVersion": revision.as_str(),
            "capabilities": self.capabilities,
            "clientInfo": {"name": "anyport-testing", "version": env!("CARGO_PKG_VERSION")},
        });
        let result = self.call("initialize", params).await?.outcome?;
        let agreed = result["protocolVersion"].as_str().and_then(|version| version.parse().ok());
        self.revision = agreed.ok_or_else(|| Lost::Misfit(result.clone()))?;
        self.initialized = Some(result);
        self.notify("notifications/initialized", Value::Null).await?;
        if self.without_stream { Ok(()) } else { self.open_stream().await }
    }

    /// Leaves the stream for what belongs to no call to [`Wire::open_stream`], as many clients open none.
    #[must_use]
    pub fn without_stream(mut self) -> Self {
        self.without_stream = true;
        self
    }

    /// Opens the stream for what belongs to no call, where the transport has one. [`Wire::open`] does so by itself.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn open_stream(&mut self) -> Result<(), Lost> {
        if let Some(stream) = self.link.get(self.legacy_headers()) {
            while self.exchanges.get(&stream).and_then(|head| head.status).is_none() {
                self.pull("the head of the GET stream").await?;
            }
        }
        Ok(())
    }

    /// Writes headers and `_meta` as this revision does, and opens nothing.
    pub(crate) fn speak(&mut self, revision: Revision) {
        self.revision = revision;
    }

    /// Goes on in a session that was opened before, on another connection or by another client, as those do that keep its
    /// identifier. For Streamable HTTP; no other transport has one that outlives its connection.
    pub fn resume(&mut self, revision: Revision, session: impl Into<String>) {
        self.revision = revision;
        self.session = Some(session.into());
    }

    /// The identifier of the session, where there is one: `Mcp-Session-Id`.
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// The server's description of itself: the result of `initialize`, or of `server/discover`.
    ///
    /// # Errors
    /// [`Lost`]; also when the server refuses.
    pub async fn discover(&mut self) -> Result<Value, Lost> {
        match &self.initialized {
            Some(result) => Ok(result.clone()),
            None => Ok(self.call("server/discover", json!({})).await?.outcome?),
        }
    }

    /// The revision that is spoken.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The link.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Wants log messages from this severity on.
    ///
    /// # Errors
    /// [`Lost`]; also when the server refuses.
    pub async fn log_level(&mut self, level: &str) -> Result<(), Lost> {
        if self.revision.is_stateless() {
            self.log_level = Some(level.to_owned());
        } else {
            self.call("logging/setLevel", json!({ "level": level })).await?.outcome?;
        }
        Ok(())
    }

    /// Calls `method`, answers server requests meanwhile, and waits for the outcome. Null params are omitted.
    ///
    /// # Errors
    /// [`Lost`]. An error of the server's is an outcome.
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Answer, Lost> {
        let call = self.begin(method, params)?;
        self.end(call).await
    }

    /// Sends a request. [`Wire::end`] receives its response, and the server requests meanwhile.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn begin(&mut self, method: &str, params: Value) -> Result<Call, Lost> {
        let id = self.next_id();
        let message = self.request(id, method, &params);
        let exchange = self.send(&message)?;
        self.open.push(Open::new(id, method, params, exchange));
        Ok(Call { id })
    }

    /// Waits for the outcome of `call`.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn end(&mut self, call: Call) -> Result<Answer, Lost> {
        loop {
            self.response(&call).await?;
            let Some(place) = self.open.iter().position(|open| open.call == call.id) else {
                return Err(Lost::Ended(format!("the answer to call {}", call.id)));
            };
            let outcome = self.open[place].outcome()?;
            if let Some(params) = self.round(place, &outcome) {
                self.retry(place, params)?;
                continue;
            }
            let Open { notifications, questions, exchange, .. } = self.open.remove(place);
            let status = self.exchanges.get(&exchange).and_then(|head| head.status);
            return Ok(Answer { notifications, questions, outcome, status });
        }
    }

    /// Cancels `call` in the way of the revision and the transport. An answer that comes all the same is a stray.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn cancel(&mut self, call: Call) -> Result<(), Lost> {
        let Some(place) = self.open.iter().position(|open| open.call == call.id) else { return Ok(()) };
        let Open { id, exchange, .. } = self.open.remove(place);
        if self.revision.is_stateless() && self.link.cut(exchange) {
            return Ok(());
        }
        self.notify("notifications/cancelled", json!({ "requestId": id })).await
    }

    /// Sends a notification, and waits until it has arrived where that can be known.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn notify(&mut self, method: &str, params: Value) -> Result<(), Lost> {
        let mut message = json!({"jsonrpc": "2.0", "method": method});
        if !params.is_null() {
            message["params"] = params;
        }
        let exchange = self.send(&message)?;
        while self.link.is_http() && !self.head(exchange).over {
            self.pull("the response to a notification").await?;
        }
        Ok(())
    }

    /// Sends several requests as one array, which 2025-03-26 alone allows, and waits for all their outcomes.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn batch(&mut self, requests: &[(&str, Value)]) -> Result<Vec<Answer>, Lost> {
        let ids: Vec<u64> = requests.iter().map(|_| self.next_id()).collect();
        let messages =
            ids.iter().zip(requests).map(|(id, (method, params))| self.request(*id, method, params));
        let batch = Value::Array(messages.collect());
        let exchange = self.send(&batch)?;
        for (id, (method, params)) in ids.iter().zip(requests) {
            self.open.push(Open::new(*id, method, params.clone(), exchange));
        }
        let mut answers = Vec::new();
        for id in ids {
            answers.push(self.end(Call { id }).await?);
        }
        Ok(answers)
    }

    /// Listens to all changes of lists, and to changes of exactly these resources. Returns those of them that the
    /// server agreed to.
    ///
    /// # Errors
    /// [`Lost`]; also when a modern server refuses. A resource that a legacy server refuses is left out.
    pub async fn listen(&mut self, uris: &[&str]) -> Result<Vec<String>, Lost> {
        if self.revision.is_stateless() { self.listen_anew(uris).await } else { self.resubscribe(uris).await }
    }

    /// Returns the next change notification, which belongs to no call in flight.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn change(&mut self) -> Result<Value, Lost> {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return Ok(change);
            }
            self.pull("a change").await?;
        }
    }

    /// Sends any text, and waits for the message that comes next. Over HTTP there may be none, but there is a status.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn raw(&mut self, text: &str) -> Result<(Option<u16>, Option<Value>), Lost> {
        let headers = self.headers(&serde_json::from_str(text).unwrap_or_default());
        let exchange = self.link.send(text, headers)?;
        let before = self.strays.len();
        while self.strays.len() == before && !self.head(exchange).over {
            self.pull("the answer to a text").await?;
        }
        let message = if self.strays.len() > before { Some(self.strays.remove(before)) } else { None };
        Ok((self.head(exchange).status, message))
    }

    /// A request as this client would write it: to be changed, and sent as a text.
    pub fn message(&self, id: impl Into<Value>, method: &str, params: Value) -> Value {
        self.request(id.into(), method, &params)
    }

    /// Sends any text, and waits for nothing. What comes back for it is a stray.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn tell(&mut self, text: &str) -> Result<(), Lost> {
        let headers = self.headers(&serde_json::from_str(text).unwrap_or_default());
        self.link.send(text, headers).map(|_| ())
    }

    /// Responses that answered nothing, or what was cancelled.
    pub fn strays(&self) -> &[Value] {
        &self.strays
    }

    /// Every message that the server has sent so far.
    pub fn heard(&self) -> &[Heard] {
        &self.heard
    }

    /// The next message of the server's, whatever it is: each is given once, in the order in which they came.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn hear(&mut self) -> Result<Heard, Lost> {
        while self.heard.len() <= self.given {
            self.pull("a message").await?;
        }
        self.given += 1;
        Ok(self.heard[self.given - 1].clone())
    }

    /// Passes over what has come so far: [`Wire::hear`] gives what comes from now on.
    pub fn skip(&mut self) {
        self.given = self.heard.len();
    }

    /// Ends the connection, and waits until the service is no longer served.
    ///
    /// # Errors
    /// What serving ended with.
    pub async fn close(self) -> Result<(), Lost> {
        Ok(self.link.close().await?)
    }
}

impl Open {
    fn new(id: u64, method: &str, params: Value, exchange: Exchange) -> Self {
        let (notifications, questions) = (Vec::new(), Vec::new());
        let method = method.to_owned();
        Self { call: id, id, round: 0, method, params, exchange, notifications, questions, response: None }
    }

    fn outcome(&self) -> Result<Result<Value, Refusal>, Lost> {
        let response = self.response.as_ref().unwrap_or(&Value::Null);
        match (response.get("result"), response.get("error").and_then(Refusal::read)) {
            (Some(result), None) => Ok(Ok(result.clone())),
            (None, Some(refusal)) => Ok(Err(refusal)),
            _ => Err(Lost::Misfit(response.clone())),
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("revision", &self.revision)
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}
