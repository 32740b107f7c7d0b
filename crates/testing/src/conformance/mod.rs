//! Holding a server against the specification: see [`assert_conforms`].

mod answers;
mod offers;
mod rule;
mod schema;
#[cfg(test)]
mod tests;

use std::{fmt::Display, sync::Arc, time::Duration};

use anyport_adapters::LegacyClientAdapter;
use anyport_protocol::Revision;
use anyport_service::Service;
use serde_json::{Value, json};

pub use rule::{Breach, Rule};
pub use schema::Schema;

use crate::{Answer, Link, Lost, Wire};

/// Holds `server` against the specification, in every revision, over standard streams and over HTTP.
///
/// It opens every revision and lists all that there is. It reads every resource and gets every prompt, but calls no tool:
/// only an author knows which of them may be called. What is wrong with a request is told by the code that
/// the specification gives it, requests that are almost valid are answered with errors, and each message
/// fits the schema of its revision. [`Conformance`] can be told more: what can be cancelled, which revisions, and another
/// way to the server.
///
/// ```
/// # use anyport_server::{Context, NoArguments, Server, Tool};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hello = Tool::new("hello").run(async |_: NoArguments, _: Context| "Hello!");
/// let server = Server::builder("hello", "1.0.0").add(hello).build()?;
/// anyport_testing::conformance::assert_conforms(server).await;
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// When the server breaks a rule. The message has every one that it breaks, with its page and section.
pub async fn assert_conforms(server: impl Service) {
    // Who is asked by result needs this around it for clients that can only be asked live.
    let server: Arc<dyn Service> = Arc::new(LegacyClientAdapter::new(server, Default::default()));
    let check = Conformance::new();
    let mut breaches = check.breaches(async || Ok(Link::stdio(server.clone()))).await;
    breaches.extend(check.breaches(async || Link::http(server.clone(), Default::default()).await).await);
    assert_none(&breaches);
}

/// Panics with the list of `breaches`, if there are any.
///
/// # Panics
/// When there are.
pub fn assert_none(breaches: &[Breach]) {
    let told: Vec<String> = breaches.iter().map(Breach::to_string).collect();
    assert!(told.is_empty(), "the specification is not kept in {} places\n{}", told.len(), told.join("\n"));
}

/// What a server is held against, for servers in other processes, and where more is known of one.
///
/// ```no_run
/// # use anyport_protocol::Revision;
/// # use anyport_testing::{Link, conformance::{Conformance, assert_none}};
/// # use serde_json::json;
/// # async fn visit() {
/// let check = Conformance::new().revisions(&[Revision::V2025_11_25]).cancelling("sleep", json!({"seconds": 60}));
/// let start = || {
///     let mut command = tokio::process::Command::new("uvx");
///     command.arg("mcp-server-time");
///     Link::command(command)
/// };
/// assert_none(&check.breaches(async || start()).await);
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is checked before `breaches`"]
pub struct Conformance {
    revisions: Vec<Revision>,
    patience: Duration,
    most: usize,
    slow: Option<(String, Value)>,
    except: Vec<String>,
}

impl Default for Conformance {
    fn default() -> Self {
        Self {
            revisions: Revision::ALL.to_vec(),
            patience: Duration::from_secs(5),
            most: 50,
            slow: None,
            except: Vec::new(),
        }
    }
}

impl Conformance {
    /// All of it, in every revision.
    pub fn new() -> Self {
        Self::default()
    }

    /// In these revisions only.
    pub fn revisions(mut self, revisions: &[Revision]) -> Self {
        self.revisions = revisions.to_vec();
        self
    }

    /// Waits for each answer at most this long. Unless set, 5 s.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Reads at most so many resources, and gets at most so many prompts, in each revision. Unless set, 50.
    pub fn at_most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// Does not read these resources, nor get these prompts, by their URIs and names: they fail on purpose.
    pub fn except(mut self, these: &[&str]) -> Self {
        self.except.extend(these.iter().map(|one| (*one).to_owned()));
        self
    }

    /// Calls this tool, which takes longer than the patience, and cancels it.
    pub fn cancelling(mut self, tool: impl Into<String>, arguments: Value) -> Self {
        self.slow = Some((tool.into(), arguments));
        self
    }

    /// Those of a list that are to be read or got, by their name or URI.
    fn tried<'l>(&self, list: &'l [Value], by: &'static str) -> impl Iterator<Item = &'l Value> {
        let tried = move |one: &&Value| !self.except.iter().any(|except| one[by] == except.as_str());
        list.iter().filter(tried).take(self.most)
    }

    /// Where the server that `reach` leads to breaks rules. It is reached anew for each revision.
    pub async fn breaches(&self, reach: impl AsyncFn() -> Result<Link, Lost>) -> Vec<Breach> {
        let mut all = Vec::new();
        for &revision in &self.revisions {
            let mut visit = match reach().await {
                Ok(link) => Visit::new(self, revision, link),
                Err(lost) => {
                    all.push(Breach {
                        revision,
                        rule: rule::OPENS,
                        found: format!("it cannot be reached: {lost}"),
                    });
                    continue;
                }
            };
            // What was lost has been told of; nothing more can be asked on that connection.
            let _ = visit.run().await;
            all.append(&mut visit.breaches);
        }
        all
    }
}

/// One connection that speaks one revision.
struct Visit<'c> {
    check: &'c Conformance,
    revision: Revision,
    wire: Wire,
    breaches: Vec<Breach>,
}

/// The dialogue cannot go on; the breach was told.
#[derive(Debug)]
struct Over;

impl<'c> Visit<'c> {
    fn new(check: &'c Conformance, revision: Revision, link: Link) -> Self {
        Self { check, revision, wire: Wire::over(link).patience(check.patience), breaches: Vec::new() }
    }

    async fn run(&mut self) -> Result<(), Over> {
        let ran = self.visit().await;
        self.messages_fit();
        ran
    }

    async fn visit(&mut self) -> Result<(), Over> {
        let capabilities = self.open().await?;
        self.refusals().await?;
        let tools = self.tools(&capabilities).await?;
        self.resources(&capabilities).await?;
        self.prompts(&capabilities).await?;
        self.cancellation().await?;
        self.almost_valid(tools).await
    }

    /// Opens the dialogue, and returns the server's capabilities.
    async fn open(&mut self) -> Result<Value, Over> {
        if let Err(lost) = self.wire.open(self.revision).await {
            return Err(self.over(rule::OPENS, format!("it cannot be opened: {lost}")));
        }
        if self.wire.revision() != self.revision {
            let other = self.wire.revision();
            return Err(self.over(rule::OPENS, format!("it speaks {other} in place of it")));
        }
        let discovered = match self.wire.discover().await {
            Ok(discovered) => discovered,
            Err(lost) => return Err(self.over(rule::OPENS, format!("it does not say what it is: {lost}"))),
        };
        let versions = discovered["supportedVersions"].as_array();
        if self.revision.is_stateless()
            && !versions
                .is_some_and(|versions| versions.iter().any(|version| version == self.revision.as_str()))
        {
            self.breach(
                rule::DISCOVERS,
                format!("its supportedVersions are {}", discovered["supportedVersions"]),
            );
        }
        Ok(discovered["capabilities"].clone())
    }

    /// Holds all that was heard against the schema of the revision.
    fn messages_fit(&mut self) {
        let schema = match Schema::of(self.revision) {
            Ok(schema) => schema,
            Err(error) => return self.breach(rule::SCHEMA, format!("the schema cannot be read: {error}")),
        };
        let mut faults: Vec<String> =
            self.wire.heard().iter().flat_map(|heard| schema.faults(heard)).collect();
        faults.dedup();
        for fault in faults {
            self.breach(rule::SCHEMA, fault);
        }
    }

    /// Calls, where an answer must come.
    async fn call(&mut self, method: &str, params: Value) -> Result<Answer, Over> {
        match self.wire.call(method, params.clone()).await {
            Ok(answer) => Ok(answer),
            Err(lost) => Err(self.over(rule::ANSWERS, format!("{method} {params}: {lost}"))),
        }
    }

    /// Calls, where the answer must be an error of one of `codes`.
    async fn refused(&mut self, rule: Rule, method: &str, params: Value, codes: &[i64]) -> Result<(), Over> {
        let answer = self.call(method, params.clone()).await?;
        if !answer.code().is_some_and(|code| codes.contains(&code)) {
            let said = said(&answer);
            self.breach(
                rule,
                format!("{method} {params} is answered with {said} in place of the error {}", any(codes)),
            );
        }
        Ok(())
    }

    /// Something that every server must answer, whatever it offers: the dialogue goes on.
    async fn goes_on(&mut self, rule: Rule, after: impl Display) -> Result<(), Over> {
        let method = if self.revision.is_stateless() { "server/discover" } else { "ping" };
        match self.wire.call(method, json!({})).await {
            Ok(answer) if answer.outcome.is_ok() => Ok(()),
            Ok(answer) => {
                self.breach(rule, format!("after {after}, {method} is answered with {}", said(&answer)));
                Ok(())
            }
            Err(lost) => Err(self.over(rule, format!("after {after}, {method}: {lost}"))),
        }
    }

    fn breach(&mut self, rule: Rule, found: String) {
        self.breaches.push(Breach { revision: self.revision, rule, found });
    }

    fn over(&mut self, rule: Rule, found: String) -> Over {
        self.breach(rule, found);
        Over
    }
}

/// An answer in a few words.
fn said(answer: &Answer) -> String {
    match &answer.outcome {
        Ok(result) => format!("the result {}", short(&result.to_string())),
        Err(refusal) => format!("the error {}: {}", refusal.code, short(&refusal.message)),
    }
}

fn any(codes: &[i64]) -> String {
    codes.iter().map(i64::to_string).collect::<Vec<_>>().join(" or ")
}

/// At most 200 characters of `text`.
fn short(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
