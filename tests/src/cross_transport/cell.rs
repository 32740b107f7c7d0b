use std::{
    fmt,
    future::{Future, IntoFuture as _, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use anyport::{
    Client, Revision,
    client::{Change, ElicitAnswer, Target},
    types::{CreateMessageResult, Role},
};
use serde_json::json;
use tokio::time::timeout;

/// Whatever went wrong.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// How long a whole cell may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client that answers everything, at a server that asks everything.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The client.
    pub client: Client,
    /// Whether a user can be asked: since 2025-06-18 on every hop.
    pub elicits: bool,
}

impl Cell {
    /// Connects to `target`; what is spoken there is demanded, if it is given.
    ///
    /// # Errors
    /// When that fails.
    pub async fn open(target: Target, revision: Option<Revision>, elicits: bool) -> Result<Self, Fault> {
        let mut builder = Client::connect(target)
            .on_elicit(async |_| ElicitAnswer::accept(json!({"name": "Ada"})))
            .on_sampling(async |_| {
                Ok(CreateMessageResult {
                    role: Role::Assistant,
                    content: "indeed".into(),
                    model: "a-model".to_owned(),
                    stop_reason: None,
                    meta: None,
                    extra: Default::default(),
                })
            })
            .roots(["file:///work"]);
        if let Some(revision) = revision {
            builder = builder.revision(revision);
        }
        Ok(Self { client: builder.await?, elicits })
    }

    /// What was spoken on the client's own hop.
    pub fn revision(&self) -> Option<Revision> {
        self.client.connection().map(|connection| connection.revision())
    }

    async fn says(&self, tool: &str, expected: &str) -> Result<(), Fault> {
        let said = self.client.call(tool, ()).await?;
        same(tool, &said.text(), expected)
    }

    /// Lists, a read, a prompt, and an error: what is asked and answered at once.
    ///
    /// # Errors
    /// What was otherwise.
    pub async fn answers(&self) -> Result<(), Fault> {
        let names: Vec<String> = self.client.tools().await?.into_iter().map(|tool| tool.name).collect();
        let expected = ["greet", "sample", "roots", "count", "wait", "until", "change"];
        same("tools", &names, &expected.map(str::to_owned).to_vec())?;
        same("instructions", &self.client.instructions(), &Some("Cross."))?;
        same("server", &self.client.server_info().map(|info| info.name.as_str()), &Some("cross_transport"))?;
        let note = self.client.read("test:///note").await?;
        same("contents", &note.contents.len(), &1)?;
        same("messages", &self.client.prompt("hello", ()).await?.messages.len(), &1)?;
        let missing = self.client.read("test:///none").await.err().and_then(|error| error.code());
        same("code", &missing, &Some(-32602))?;
        let unknown = self.client.call("nothing", ()).await.err().and_then(|error| error.code());
        same("code", &unknown, &Some(-32602))
    }

    /// Progress of a call.
    ///
    /// # Errors
    /// What was otherwise.
    pub async fn tells_how_far_it_is(&self) -> Result<(), Fault> {
        let steps = Arc::new(Mutex::new(Vec::new()));
        let heard = steps.clone();
        let hear = move |step: anyport::client::Progress| {
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(step.progress);
        };
        let counted = self.client.call("count", ()).progress(hear).await?;
        same("count", &counted.text(), "counted")?;
        same("progress", &*steps.lock().unwrap_or_else(PoisonError::into_inner), &vec![1.0, 2.0, 3.0])
    }

    /// A call that is dropped is cancelled where it runs.
    ///
    /// # Errors
    /// What was otherwise.
    pub async fn is_cancelled_by_dropping(&self) -> Result<(), Fault> {
        let mut waiting = Box::pin(self.client.call("wait", ()).into_future());
        let begun = self.client.call("until", json!({"begun": 1, "dropped": 0}));
        tokio::select! {
            ended = &mut waiting => return Err(format!("wait ended: {ended:?}").into()),
            begun = begun.into_future() => same("until", &begun?.text(), "1 begun, 0 dropped")?,
        }
        drop(waiting);
        let dropped = self.client.call("until", json!({"begun": 1, "dropped": 1})).await?;
        same("until", &dropped.text(), "1 begun, 1 dropped")
    }

    /// The user, the client's model and its folders are asked in the middle of a call.
    ///
    /// # Errors
    /// What was otherwise.
    pub async fn asks(&self) -> Result<(), Fault> {
        self.says("sample", "indeed").await?;
        self.says("roots", "file:///work").await?;
        match self.elicits {
            true => self.says("greet", "Hello, Ada!").await,
            false => {
                // An older revision cannot ask a user, and the call says so.
                let greeted = self.client.call("greet", ()).await;
                match greeted {
                    Ok(result) if result.is_error() => Ok(()),
                    Err(error) if error.code().is_some() => Ok(()),
                    other => Err(format!("asked in a revision that cannot: {other:?}").into()),
                }
            }
        }
    }

    /// Changes of a resource that is subscribed to, and of a list.
    ///
    /// # Errors
    /// What was otherwise.
    pub async fn hears_of_changes(&self) -> Result<(), Fault> {
        let mut changes = self.client.listen().tools().resource("test:///note").open().await?;
        let agreed = changes.agreed().clone();
        same("subscriptions", &agreed.resource_subscriptions, &Some(vec!["test:///note".to_owned()]))?;
        same("tools", &agreed.tools_list_changed, &Some(true))?;
        // Of another resource nothing is told.
        self.client.call("change", json!({"uri": "test:///other"})).await?;
        same("change", &changes.next().await.transpose()?, &Some(Change::Tools))?;
        self.client.call("change", json!({"uri": "test:///note"})).await?;
        let mut heard = Vec::new();
        for _ in 0..2 {
            heard.extend(changes.next().await.transpose()?);
        }
        let both = heard.contains(&Change::Tools) && heard.contains(&Change::Resource("test:///note".into()));
        if both { Ok(()) } else { Err(format!("heard {heard:?}").into()) }
    }

    /// All of these, and which of them failed.
    ///
    /// # Errors
    /// The first that failed, with its name.
    pub async fn holds(&self) -> Result<(), Fault> {
        named("answers", self.answers()).await?;
        named("progress", self.tells_how_far_it_is()).await?;
        named("questions", self.asks()).await?;
        named("cancelling", self.is_cancelled_by_dropping()).await?;
        named("changes", self.hears_of_changes()).await?;
        // And all of it leaves the connection as it was.
        named("afterwards", self.answers()).await
    }
}

/// Runs every cell, one after the other.
///
/// # Panics
/// When any of them failed; the message names all that did.
pub async fn run<N: fmt::Debug, F: Future<Output = Result<(), Fault>>>(
    cells: impl IntoIterator<Item = (N, F)>,
) {
    let (mut failures, mut count) = (Vec::new(), 0);
    for (name, cell) in cells {
        count += 1;
        let ended = timeout(PATIENCE, caught(cell)).await;
        if let Err(failure) = ended.unwrap_or_else(|_| Err("it takes too long".into())) {
            failures.push(format!("{name:?}: {failure}"));
        }
    }
    assert!(failures.is_empty(), "{} of {count} failed:\n{}", failures.len(), failures.join("\n"));
}

async fn named(name: &str, check: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
    let checked = timeout(PATIENCE / 4, check).await;
    let checked = checked.unwrap_or_else(|_| Err("nothing comes".into()));
    checked.map_err(|fault| format!("{name}: {fault}").into())
}

fn same<A: fmt::Debug + PartialEq<B> + ?Sized, B: fmt::Debug + ?Sized>(
    what: &str,
    found: &A,
    expected: &B,
) -> Result<(), Fault> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, not {expected:?}").into()) }
}

/// Runs `cell`, and makes a panic in it a failure in words.
async fn caught(cell: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
    let mut cell = pin!(cell);
    poll_fn(|task| match catch_unwind(AssertUnwindSafe(|| cell.as_mut().poll(task))) {
        Ok(poll) => poll,
        Err(_) => Poll::Ready(Err("a panic".into())),
    })
    .await
}
