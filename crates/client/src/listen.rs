use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll},
    time::Duration,
};

use anyport_protocol::{
    Method, Raw,
    jsonrpc::code,
    types::{SubscriptionFilter, SubscriptionsAcknowledgedNotificationParams},
};
use anyport_service::{Backoff, Event, Notification, Outcome, Reply, Request};
use futures_core::Stream;
use futures_util::stream;
use serde_json::json;
use tokio::time;

use crate::{Error, core::Core, decode::decode};

/// A subscription to build. Empty at first.
#[derive(Clone)]
#[must_use = "a stream of changes is opened by `open`"]
pub struct Listen {
    core: Arc<Core>,
    filter: SubscriptionFilter,
}

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// The list of tools.
    Tools,
    /// The list of prompts.
    Prompts,
    /// The lists of resources and templates.
    Resources,
    /// The resource at this URI, or what is a part of it.
    Resource(String),
}

impl Listen {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core, filter: SubscriptionFilter::default() }
    }

    /// Hears of changes of the list of tools.
    pub fn tools(mut self) -> Self {
        self.filter.tools_list_changed = Some(true);
        self
    }

    /// Hears of changes of the list of prompts.
    pub fn prompts(mut self) -> Self {
        self.filter.prompts_list_changed = Some(true);
        self
    }

    /// Hears of changes of the lists of resources and templates.
    pub fn resources(mut self) -> Self {
        self.filter.resources_list_changed = Some(true);
        self
    }

    /// Hears of changes of the resource at `uri`.
    pub fn resource(mut self, uri: impl Into<String>) -> Self {
        self.filter.resource_subscriptions.get_or_insert_default().push(uri.into());
        self
    }

    /// Opens the stream, and waits until the server says what it will tell of.
    ///
    /// # Errors
    /// As of any call.
    pub async fn open(self) -> Result<Changes, Error> {
        let (reply, agreed) = self.begin().await?;
        let running = Listening { listen: self, reply: Some(reply), missed: Vec::new(), lost: 0 };
        let stream = stream::unfold(Some(running), |running| async {
            let mut running = running?;
            match running.next().await {
                Ok(change) => Some((Ok(change), Some(running))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(Changes { stream: Box::pin(stream), agreed })
    }

    async fn begin(&self) -> Result<(Reply, SubscriptionFilter), Error> {
        let method = Method::Listen.as_str();
        let refused =
            |fault: &dyn ToString| Error::Arguments { method: method.into(), fault: fault.to_string() };
        let filter = serde_json::to_value(&self.filter).map_err(|error| refused(&error))?;
        let params = Raw::from(json!({ "notifications": filter }));
        let request = Request::new(Method::Listen, params);
        let mut reply = self.core.service.call(request, self.core.context(None));
        let timeout = self.core.timeout;
        let first = time::timeout(timeout, acknowledged(&mut reply)).await;
        let acknowledged = first.map_err(|_| Error::Timeout { method: method.into(), after: timeout })?;
        let read: SubscriptionsAcknowledgedNotificationParams = decode(method, &acknowledged?)?;
        Ok((reply, read.notifications))
    }
}

/// The params of the acknowledgement.
async fn acknowledged(reply: &mut Reply) -> Result<Raw, Error> {
    let method = Method::Listen.as_str();
    loop {
        match reply.next().await {
            // 2026-07-28, subscriptions §Acknowledgment: the server "MUST NOT send any notification on the subscription
            // before it".
            Event::Notification(told) if told.method == Method::Acknowledged => return Ok(told.params),
            Event::Outcome(Outcome::Error(error)) => return Err(Error::of_server(method, error)),
            Event::Outcome(Outcome::Failed(failure)) => return Err(Error::of_failure(method, &failure)),
            Event::Outcome(_) => {
                let fault = "the stream ended before it was acknowledged".into();
                return Err(Error::Closed { method: method.into(), fault, sent: true });
            }
            Event::Notification(_)
            | Event::Unknown { .. }
            | Event::ServerRequest(_)
            | Event::Disconnect { .. } => {}
        }
    }
}

/// Changes at a server, as a stream. Dropping it ends the subscription.
///
/// If the server ends the stream or the connection is lost, the stream is opened again, with growing delays. Changes in
/// between are unknown, so everything in the subscription is then reported as changed. The stream ends after an error:
/// the server refuses this client.
#[must_use = "changes are told as the stream is read"]
pub struct Changes {
    stream: Pin<Box<dyn Stream<Item = Result<Change, Error>> + Send>>,
    agreed: SubscriptionFilter,
}

impl Changes {
    /// The granted subscription, which may be a part of the requested one.
    ///
    /// 2026-07-28, subscriptions §Acknowledgment: "The client SHOULD check the acknowledged filter".
    pub fn agreed(&self) -> &SubscriptionFilter {
        &self.agreed
    }

    /// The next change; `None` after an error.
    pub async fn next(&mut self) -> Option<Result<Change, Error>> {
        std::future::poll_fn(|task| self.stream.as_mut().poll_next(task)).await
    }
}

impl Stream for Changes {
    type Item = Result<Change, Error>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        self.stream.as_mut().poll_next(task)
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("agreed", &self.agreed).finish_non_exhaustive()
    }
}

impl fmt::Debug for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listen").field(&self.filter).finish()
    }
}

struct Listening {
    listen: Listen,
    reply: Option<Reply>,
    /// The possible changes without a stream.
    missed: Vec<Change>,
    /// How often in a row the stream was lost before its first notification.
    lost: u32,
}

impl Listening {
    async fn next(&mut self) -> Result<Change, Error> {
        loop {
            if let Some(change) = self.missed.pop() {
                return Ok(change);
            }
            let Some(reply) = &mut self.reply else {
                self.open_again().await?;
                continue;
            };
            match reply.next().await {
                Event::Notification(told) => {
                    self.listen.core.cache.heard(&told);
                    if let Some(change) = change(&told) {
                        self.lost = 0;
                        return Ok(change);
                    }
                }
                Event::Outcome(_) => self.reply = None,
                Event::Unknown { .. } | Event::ServerRequest(_) | Event::Disconnect { .. } => {}
            }
        }
    }

    async fn open_again(&mut self) -> Result<(), Error> {
        time::sleep(BACKOFF.after(self.lost)).await;
        self.lost += 1;
        match self.listen.begin().await {
            Ok((reply, agreed)) => {
                self.missed = everything(&agreed);
                self.missed.iter().for_each(|change| self.listen.core.cache.heard(&notification(change)));
                self.reply = Some(reply);
                Ok(())
            }
            Err(error) if is_final(&error) => Err(error),
            Err(error) => {
                tracing::debug!(%error, "listening again failed");
                Ok(())
            }
        }
    }
}

/// How long a client waits before it opens the stream again.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(100), most: Duration::from_secs(30) };

/// Whether trying again is of no use.
fn is_final(error: &Error) -> bool {
    let finals = [
        code::METHOD_NOT_FOUND,
        code::INVALID_PARAMS,
        code::INVALID_REQUEST,
        code::MISSING_CLIENT_CAPABILITY,
        code::UNSUPPORTED_PROTOCOL_VERSION,
    ];
    matches!(error, Error::Arguments { .. } | Error::Decode { .. })
        || error.code().is_some_and(|code| finals.contains(&code))
}

fn change(told: &Notification) -> Option<Change> {
    match told.method {
        Method::ToolsChanged => Some(Change::Tools),
        Method::PromptsChanged => Some(Change::Prompts),
        Method::ResourcesChanged => Some(Change::Resources),
        Method::ResourceUpdated => {
            Some(Change::Resource(told.params.member("uri")?.as_string()?.to_string()))
        }
        _ => None,
    }
}

/// Returns the notification of `change`.
fn notification(change: &Change) -> Notification {
    let (method, params) = match change {
        Change::Tools => (Method::ToolsChanged, Raw::EMPTY_OBJECT),
        Change::Prompts => (Method::PromptsChanged, Raw::EMPTY_OBJECT),
        Change::Resources => (Method::ResourcesChanged, Raw::EMPTY_OBJECT),
        Change::Resource(uri) => (Method::ResourceUpdated, Raw::from(json!({ "uri": uri }))),
    };
    Notification { method, params }
}

/// All that is listened to, the lists last: they are taken from the end.
fn everything(agreed: &SubscriptionFilter) -> Vec<Change> {
    let uris = agreed.resource_subscriptions.iter().flatten();
    let mut all: Vec<Change> = uris.rev().map(|uri| Change::Resource(uri.clone())).collect();
    let lists = [
        (agreed.resources_list_changed, Change::Resources),
        (agreed.prompts_list_changed, Change::Prompts),
        (agreed.tools_list_changed, Change::Tools),
    ];
    all.extend(lists.into_iter().filter(|(agreed, _)| *agreed == Some(true)).map(|(_, change)| change));
    all
}
