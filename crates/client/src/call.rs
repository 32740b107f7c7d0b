use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll},
    time::Duration,
};

use anyport_protocol::{
    Raw,
    json::Splice,
    types::{CompleteResult, JsonObject},
};
use anyport_service::Request;
use bytestring::ByteString;
use futures_core::Stream;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{
    Error,
    core::Core,
    exchange::{Options, Progress},
};

/// A request that is about to be sent. Awaiting it sends it; dropping what is awaited cancels it.
///
/// ```
/// # use anyport_client::{Client, Error};
/// # use serde_json::json;
/// # use std::time::Duration;
/// # async fn import(client: &Client) -> Result<(), Error> {
/// let done = client
///     .call("import", json!({"file": "a.csv"}))
///     .progress(|step| println!("{} of {:?}", step.progress, step.total))
///     .timeout(Duration::from_secs(10))
///     .timeout_max(Duration::from_secs(3600))
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a call is made by awaiting it"]
pub struct Call<T> {
    core: Arc<Core>,
    method: ByteString,
    params: Result<Raw, Error>,
    meta: Option<JsonObject>,
    options: Options,
    finish: Finish<T>,
}

/// How a call is made, beyond sending its request once, and its answer read.
type Finish<T> = fn(Arc<Core>, Request, Options) -> Made<T>;

/// A call that is being made.
pub(crate) type Made<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

impl<T: Send + 'static> Call<T> {
    pub(crate) fn new(
        core: Arc<Core>,
        method: ByteString,
        params: Result<Raw, Error>,
        finish: Finish<T>,
    ) -> Self {
        Self { core, method, params, meta: None, options: Options::default(), finish }
    }

    /// Requests progress notifications, and passes them to `hear`, which must not block.
    pub fn progress(mut self, hear: impl FnMut(Progress) + Send + 'static) -> Self {
        self.options.progress = Some(Box::new(hear));
        self
    }

    /// Sets the timeout. If the call requests progress, each progress notification restarts the timeout, up to
    /// [`Call::timeout_max`]. The time in which server requests are open does not count.
    ///
    /// Unless the hard limit is set too, it is this.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// How long to wait in all, whatever progress there is. Asks the server to tell of it.
    ///
    /// 2025-11-25, lifecycle §Timeouts: "implementations SHOULD always enforce a maximum timeout, regardless of progress
    /// notifications".
    pub fn timeout_max(mut self, timeout: Duration) -> Self {
        self.options.timeout_max = Some(timeout);
        self
    }

    /// Sends these members in `_meta`, beside those that belong to the protocol.
    pub fn meta(mut self, meta: JsonObject) -> Self {
        self.meta = Some(meta);
        self
    }

    /// Skips the cache.
    pub fn fresh(mut self) -> Self {
        self.options.fresh = true;
        self
    }

    /// Takes a tool's result though it does not fit the tool's output schema.
    pub fn unchecked(mut self) -> Self {
        self.options.unchecked = true;
        self
    }

    /// The call step by step: its progress, then its answer.
    pub fn steps(mut self) -> Steps<T> {
        let (sender, progress) = mpsc::unbounded_channel();
        let mut also = self.options.progress.take();
        self.options.progress = Some(Box::new(move |step| {
            if let Some(also) = &mut also {
                also(step.clone());
            }
            let _ = sender.send(step);
        }));
        Steps { call: Some(self.into_future()), progress, answer: None }
    }
}

impl Call<CompleteResult> {
    /// Says what is known of the other arguments.
    pub fn knowing<N: Into<String>, V: Into<String>>(
        mut self,
        arguments: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let arguments: JsonObject =
            arguments.into_iter().map(|(name, value)| (name.into(), Value::String(value.into()))).collect();
        let context = Raw::from(serde_json::json!({ "arguments": arguments }));
        self.params = self
            .params
            .map(|params| Splice::retain(&params, |key| key != "context").with("context", &context).finish());
        self
    }
}

impl<T: Send + 'static> IntoFuture for Call<T> {
    type Output = Result<T, Error>;
    type IntoFuture = Made<T>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { core, method, params, meta, options, finish } = self;
        match params {
            Err(error) => Box::pin(std::future::ready(Err(error))),
            Ok(params) => {
                let params = match meta {
                    Some(meta) => {
                        let meta = Raw::from(Value::Object(meta));
                        Splice::retain(&params, |key| key != "_meta").with("_meta", &meta).finish()
                    }
                    None => params,
                };
                finish(core, Request { method, params: params.into() }, options)
            }
        }
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("params", &self.params)
            .finish_non_exhaustive()
    }
}

/// One step of a call.
#[derive(Debug)]
pub enum Step<T> {
    /// It has come this far.
    Progress(Progress),
    /// It has ended.
    Done(Result<T, Error>),
}

/// A call that is being made, as a stream of its steps; the last one is [`Step::Done`]. Dropping it cancels the call.
///
/// The call goes on while the next step is waited for, and only then.
#[must_use = "a call goes on while its steps are awaited"]
pub struct Steps<T> {
    call: Option<Made<T>>,
    progress: mpsc::UnboundedReceiver<Progress>,
    answer: Option<Result<T, Error>>,
}

impl<T> Steps<T> {
    /// The next step; `None` after the last one.
    pub async fn next(&mut self) -> Option<Step<T>> {
        std::future::poll_fn(|task| self.poll(task)).await
    }

    fn poll(&mut self, task: &mut Task<'_>) -> Poll<Option<Step<T>>> {
        // Earlier notifications come first.
        if let Poll::Ready(Some(step)) = self.progress.poll_recv(task) {
            return Poll::Ready(Some(Step::Progress(step)));
        }
        if let Some(call) = &mut self.call
            && let Poll::Ready(answer) = call.as_mut().poll(task)
        {
            self.call = None;
            self.answer = Some(answer);
        }
        match self.progress.poll_recv(task) {
            Poll::Ready(Some(step)) => Poll::Ready(Some(Step::Progress(step))),
            _ if self.call.is_some() => Poll::Pending,
            _ => Poll::Ready(self.answer.take().map(Step::Done)),
        }
    }
}

impl<T> Unpin for Steps<T> {}

impl<T> Stream for Steps<T> {
    type Item = Step<T>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Step<T>>> {
        self.poll(task)
    }
}

impl<T> fmt::Debug for Steps<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps").field("done", &self.call.is_none()).finish_non_exhaustive()
    }
}
