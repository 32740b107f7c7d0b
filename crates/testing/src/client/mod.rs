//! A client in the same process: what a test of a server usually wants.

mod answering;
mod direct;
#[cfg(test)]
mod tests;
mod transcript;

use std::{fmt, future::IntoFuture, pin::Pin, sync::Arc};

use anyport_adapters::{LegacyClientAdapter, LegacyClientLimits};
use anyport_protocol::{
    Revision,
    types::{Prompt, Resource, ResourceTemplate, Tool},
};
use anyport_server::Server;
use anyport_service::{Principal, Service};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{Answer, Link, Lost, Question, Refusal, Wire};
use answering::{Answerer, Answering, MAX_ROUNDS};
use direct::Direct;
pub use transcript::Transcript;

/// Gives a server a client for its tests: `server.client().await?`.
pub trait TestServer {
    /// A client of this server in the same process. Await it, or say first how it shall be.
    fn client(&self) -> Connect;
}

impl TestServer for Server {
    fn client(&self) -> Connect {
        Connect::to(self.clone())
    }
}

/// A client that is about to be. Awaiting it connects it.
#[must_use = "a client is connected by awaiting this"]
pub struct Connect {
    service: Arc<dyn Service>,
    principal: Principal,
    wire: Option<Revision>,
    /// `None`: all that there are.
    capabilities: Option<Value>,
    answerer: Box<Answerer>,
}

/// A client in the same process as its server.
///
/// It calls the server as a value, in the newest vocabulary and without bytes, threads or timers of its own, so that
/// tokio's clock can be paused and stepped. With [`Connect::wire`] the same calls go as messages of any revision.
///
/// Calls request progress and log messages; both are in the [`Answer`].
pub struct Client {
    way: Way,
    answering: Answering,
    transcript: Transcript,
    calls: u64,
}

#[expect(clippy::large_enum_variant, reason = "there is one in a client, and it stays where it is")]
enum Way {
    Direct(Direct),
    Wire(Wire),
}

impl Connect {
    /// A client of any service. What asks its callers by result needs nothing around it for this.
    pub fn to(service: impl Service) -> Self {
        Self {
            service: Arc::new(service),
            principal: Principal::local(),
            wire: None,
            capabilities: None,
            answerer: Box::new(|_| Err(Refusal::new(-1, "`Connect::answering` gives the client answers"))),
        }
    }

    /// Calls as `principal`. Unless set, as the local one. On the wire that stays the local one.
    pub fn principal(mut self, principal: Principal) -> Self {
        self.principal = principal;
        self
    }

    /// Sends messages of `revision` as bytes, as a client in another process would.
    pub fn wire(mut self, revision: Revision) -> Self {
        self.wire = Some(revision);
        self
    }

    /// Declares `capabilities`. By default a client declares everything that its revision has.
    pub fn declaring(mut self, capabilities: Value) -> Self {
        self.capabilities = Some(capabilities);
        self
    }

    /// Answers what the server asks with `answerer`: the result of the question, as its client would send it.
    ///
    /// An answer is checked as a client checks what its user enters: fields of a form that are left out get their default,
    /// and an answer that does not fit ends the call with [`Lost::Answer`]. A question that remains without an answer,
    /// because `answerer` refuses it or is not set, ends the call with [`Lost::Unanswered`]; a call that asks in more than
    /// ten rounds ends with [`Lost::Rounds`]. So it is in all revisions. A [`Wire`] sends any answer or refusal.
    pub fn answering(
        mut self,
        answerer: impl FnMut(&Question) -> Result<Value, Refusal> + Send + 'static,
    ) -> Self {
        self.answerer = Box::new(answerer);
        self
    }

    async fn connect(self) -> Result<Client, Lost> {
        let Self { service, principal, wire, capabilities, answerer } = self;
        let answering = Answering::new(answerer);
        let capabilities = capabilities.unwrap_or_else(|| everything(wire.unwrap_or(Revision::NEWEST)));
        let way = match wire {
            None => Way::Direct(Direct::new(service, principal, capabilities, answering.clone())),
            Some(revision) => {
                // One round more than the client answers: the adapter would end the call with a result.
                let limits = LegacyClientLimits::default().rounds(MAX_ROUNDS + 1);
                let live = LegacyClientAdapter::new(answering.counting(service), limits);
                let mut wire = Wire::over(Link::stdio(live)).declaring(capabilities);
                let answers = answering.clone();
                wire.answer_with(move |question| answers.answer(question));
                wire.open(revision).await?;
                wire.log_level("debug").await?;
                Way::Wire(wire)
            }
        };
        Ok(Client { way, answering, transcript: Transcript::default(), calls: 0 })
    }
}

impl IntoFuture for Connect {
    type Output = Result<Client, Lost>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.connect())
    }
}

impl Client {
    /// Calls the tool `name`.
    ///
    /// # Errors
    /// [`Lost`], when no answer came, the server asked what [`Connect::answering`] does not answer, or the arguments are no
    /// JSON. An error of the server's is an outcome.
    pub async fn call(&mut self, name: &str, arguments: impl Serialize) -> Result<Answer, Lost> {
        let arguments = serde_json::to_value(arguments).map_err(|error| Lost::Garbage(error.to_string()))?;
        self.request("tools/call", json!({"name": name, "arguments": arguments})).await
    }

    /// Reads the resource at `uri`.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn read(&mut self, uri: &str) -> Result<Answer, Lost> {
        self.request("resources/read", json!({ "uri": uri })).await
    }

    /// Gets the prompt `name`.
    ///
    /// # Errors
    /// [`Lost`], also when the arguments are no JSON.
    pub async fn prompt(&mut self, name: &str, arguments: impl Serialize) -> Result<Answer, Lost> {
        let arguments = serde_json::to_value(arguments).map_err(|error| Lost::Garbage(error.to_string()))?;
        self.request("prompts/get", json!({"name": name, "arguments": arguments})).await
    }

    /// Returns the completions of `value` for the argument `argument` of a prompt, or the variable of a template: a
    /// name with a `:` is a template.
    ///
    /// # Errors
    /// [`Lost`]; also when the server refuses.
    pub async fn complete(&mut self, of: &str, argument: &str, value: &str) -> Result<Vec<String>, Lost> {
        let reference = match of.contains(':') {
            true => json!({"type": "ref/resource", "uri": of}),
            false => json!({"type": "ref/prompt", "name": of}),
        };
        let params = json!({"ref": reference, "argument": {"name": argument, "value": value}});
        let mut result = self.request("completion/complete", params).await?.outcome?;
        decode(result["completion"]["values"].take())
    }

    /// All tools, whatever the number of pages.
    ///
    /// # Errors
    /// [`Lost`]; also when the server refuses.
    pub async fn tools(&mut self) -> Result<Vec<Tool>, Lost> {
        self.list("tools/list", "tools").await
    }

    /// All resources.
    ///
    /// # Errors
    /// [`Lost`]; also when the server refuses.
    pub async fn resources(&mut self) -> Result<Vec<Resource>, Lost> {
        self.list("resources/list", "resources").await
    }

    /// All templates of resources.
    ///
    /// # Errors
    /// [`Lost`]; also when the server refuses.
    pub async fn templates(&mut self) -> Result<Vec<ResourceTemplate>, Lost> {
        self.list("resources/templates/list", "resourceTemplates").await
    }

    /// All prompts.
    ///
    /// # Errors
    /// [`Lost`]; also when the server refuses.
    pub async fn prompts(&mut self) -> Result<Vec<Prompt>, Lost> {
        self.list("prompts/list", "prompts").await
    }

    /// Sends any request.
    ///
    /// # Errors
    /// [`Lost`]. An error of the server's is an outcome.
    pub async fn request(&mut self, method: &str, mut params: Value) -> Result<Answer, Lost> {
        self.calls += 1;
        let sent = params.clone();
        if let Some(params) = params.as_object_mut() {
            let meta = params.entry("_meta").or_insert_with(|| json!({}));
            if let Some(meta) = meta.as_object_mut() {
                meta.entry("progressToken").or_insert(self.calls.into());
            }
        }
        self.answering.begin();
        let answer = match &mut self.way {
            Way::Direct(direct) => direct.call(method, params).await,
            Way::Wire(wire) => wire.call(method, params).await,
        };
        if let Some(fault) = self.answering.fault() {
            return Err(fault);
        }
        let answer = answer?;
        self.transcript.record(method, &sent, &answer);
        Ok(answer)
    }

    /// Listens to all changes of lists, and to changes of exactly these resources. Returns those of them that the
    /// server agreed to.
    ///
    /// # Errors
    /// [`Lost`]; also when the server refuses.
    pub async fn listen(&mut self, uris: &[&str]) -> Result<Vec<String>, Lost> {
        match &mut self.way {
            Way::Direct(direct) => direct.listen(uris).await,
            Way::Wire(wire) => wire.listen(uris).await,
        }
    }

    /// Returns the next change notification. Waits for 5 s at most, by tokio's clock.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn change(&mut self) -> Result<Value, Lost> {
        let change = match &mut self.way {
            Way::Direct(direct) => direct.change().await?,
            Way::Wire(wire) => wire.change().await?,
        };
        self.transcript.told(&change);
        Ok(change)
    }

    /// All that was said so far.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    async fn list<T: DeserializeOwned>(&mut self, method: &str, member: &str) -> Result<Vec<T>, Lost> {
        let mut all = Vec::new();
        let mut params = json!({});
        loop {
            let mut result = self.request(method, params).await?.outcome?;
            all.extend(decode::<Vec<T>>(result[member].take())?);
            match result.get("nextCursor") {
                Some(cursor) => params = json!({ "cursor": cursor }),
                None => return Ok(all),
            }
        }
    }
}

/// All capabilities of a client.
fn everything(revision: Revision) -> Value {
    let mut all = json!({"sampling": {"tools": {}}, "roots": {}});
    if revision.has_elicitation() {
        all["elicitation"] = json!({"form": {}, "url": {}});
    }
    all
}

fn decode<T: DeserializeOwned>(value: Value) -> Result<T, Lost> {
    let text = value.to_string();
    serde_json::from_value(value).map_err(|error| Lost::Garbage(format!("{error}: {text}")))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match &self.way {
            Way::Direct(_) => "in memory".to_owned(),
            Way::Wire(wire) => format!("messages of {}", wire.revision()),
        };
        f.debug_struct("Client").field("way", &way).field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("principal", &self.principal)
            .field("wire", &self.wire)
            .finish_non_exhaustive()
    }
}
