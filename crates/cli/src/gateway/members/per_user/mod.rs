//! Servers at which each caller signs in (`auth = "per_user"`): a caller without a login is asked for one, and then the call goes on.
//!
//! - [`RequireLogin`]: a server as one caller reaches it.
//! - `question`: how the caller is asked, and what it answers.
//! - `offer`: what is listed to a caller that has not signed in.

mod offer;
mod question;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyport_auth::CallerLogin;
use anyport_protocol::{Method, Raw, failure::Failure, subscription::SubscriptionFilter};
use anyport_service::{Context, Emitter, Event, Notification, Outcome, Reply, Request, Service, emit};
use anyport_upstream::Upstream;

pub(super) use self::offer::Offer;
use self::question::{Answer, Question};

/// A server as one caller reaches it: once it has signed in there. Clones are the same.
#[derive(Clone)]
pub(super) struct RequireLogin(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    login: CallerLogin,
    /// The connections of the caller.
    upstream: Upstream,
    /// The server with the token of the caller.
    service: Arc<dyn Service>,
    /// The server without a token.
    without: Arc<dyn Service>,
    offer: Offer,
    /// Whether the caller's own lists were read.
    has_lists: AtomicBool,
    /// Whether the tool to sign in is in the list that the caller has.
    is_offered: AtomicBool,
}

/// A server that is called with the login of one caller, and the same without.
pub(super) struct Reached {
    pub(super) upstream: Upstream,
    pub(super) service: Arc<dyn Service>,
    pub(super) without: Arc<dyn Service>,
}

impl RequireLogin {
    /// The server `name`, which is `reached` by `login`. Who has not signed in is shown `offer`.
    pub(super) fn new(name: &str, login: CallerLogin, reached: Reached, offer: Offer) -> Self {
        let Reached { upstream, service, without } = reached;
        Self(Arc::new(Inner {
            name: name.into(),
            login,
            upstream,
            service,
            without,
            offer,
            has_lists: AtomicBool::new(false),
            is_offered: AtomicBool::new(false),
        }))
    }

    /// A call: of a tool, a prompt, a resource.
    fn call_server(&self, request: Request, context: Context) -> Reply {
        let (request, answer) = Answer::take(request);
        if answer.is_none() && self.0.login.is_ready() {
            return self.forward(request, context);
        }
        let this = self.clone();
        emit::reply(|emitter| async move {
            let login = &this.0.login;
            let is_signed_in = match answer {
                None => login.is_signed_in().await,
                // The browser of the user is on its way.
                Some(Answer::Accepted) => login.signed_in().await,
                Some(answer) if !login.is_signed_in().await => {
                    return this.question(&request).refused(&answer);
                }
                Some(_) => true,
            };
            if !is_signed_in {
                return this.ask(&request, &context);
            }
            emitter.relay(this.forward(request, context)).await
        })
    }

    /// A call of a caller that has signed in.
    fn forward(&self, request: Request, context: Context) -> Reply {
        if self.is_offered_tool(&request) {
            return Reply::ready(Ok(self.0.offer.signed_in()));
        }
        let (this, called, caller) = (self.clone(), request.clone(), context.clone());
        self.0.service.call(request, context).map(move |outcome| match this.is_refused(&outcome) {
            true => this.ask(&called, &caller),
            false => outcome,
        })
    }

    /// Whether the server has refused the login of the caller, and so has not processed the call.
    fn is_refused(&self, outcome: &Outcome) -> bool {
        let is_unprocessed = match outcome {
            Outcome::Failed(failure) => {
                matches!(failure.root(), Failure::NotSent(_) | Failure::Unavailable { .. })
            }
            Outcome::Error(error) => error.reason.is_none(),
            _ => false,
        };
        is_unprocessed && self.0.login.needs_login()
    }

    /// Asks the caller to sign in.
    fn ask(&self, request: &Request, context: &Context) -> Outcome {
        match self.0.login.page() {
            Ok(page) => self.question(request).ask(&page, context),
            Err(error) => self.question(request).impossible(&error.to_string()),
        }
    }

    fn question<'a>(&'a self, request: &'a Request) -> Question<'a> {
        let is_offered_tool = self.is_offered_tool(request);
        Question { name: &self.0.name, title: self.0.offer.title(), request, is_offered_tool }
    }

    /// Whether `request` calls the tool that was offered in place of the server's.
    fn is_offered_tool(&self, request: &Request) -> bool {
        self.0.is_offered.load(Ordering::Relaxed) && Offer::is_called_by(request)
    }

    /// A list, or the description of the server.
    fn list(&self, method: Method, request: Request, context: Context) -> Reply {
        let this = self.clone();
        emit::reply(|emitter| async move {
            let inner = &*this.0;
            let own = || inner.service.call(request.clone(), context.clone());
            if inner.login.is_signed_in().await {
                let outcome = emitter.relay(own()).await;
                if matches!(outcome, Outcome::Result(_)) || !inner.login.needs_login() {
                    this.listed(method, &outcome);
                    return outcome;
                }
            }
            // A caller whose login is over keeps its lists: it is asked when it calls.
            if inner.has_lists.load(Ordering::Relaxed) {
                inner.upstream.close_unused();
                if let known @ Outcome::Result(_) = emitter.relay(own()).await {
                    return known;
                }
            }
            if let public @ Outcome::Result(_) = emitter.relay(inner.without.call(request, context)).await {
                return public;
            }
            if method == Method::ToolsList {
                inner.is_offered.store(true, Ordering::Relaxed);
            }
            inner.offer.answer(method)
        })
    }

    /// Notes that the caller has a list of its own.
    fn listed(&self, method: Method, outcome: &Outcome) {
        if method != Method::Discover && matches!(outcome, Outcome::Result(_)) {
            self.0.has_lists.store(true, Ordering::Relaxed);
        }
        if method == Method::ToolsList {
            self.0.is_offered.store(false, Ordering::Relaxed);
        }
    }

    /// The changes of the lists. Those of a caller that signs in are others then.
    fn listen(&self, request: Request, context: Context) -> Reply {
        let this = self.clone();
        emit::reply(|emitter| async move {
            let inner = &*this.0;
            let is_acknowledged = !inner.login.is_signed_in().await;
            if is_acknowledged {
                let filter = SubscriptionFilter::read(&request.params.clone().into_raw()).unwrap_or_default();
                let granted = SubscriptionFilter { uris: Vec::new(), ..filter.clone() };
                notify(&emitter, Method::Acknowledged, Some(&granted)).await;
                inner.login.until_signed_in().await;
                for change in filter.lists() {
                    notify(&emitter, change, None).await;
                }
            }
            let mut reply = inner.service.call(request, context);
            loop {
                match reply.next().await {
                    Event::Outcome(outcome) => return outcome,
                    // A stream has one acknowledgement.
                    Event::Notification(one) if is_acknowledged && one.method == Method::Acknowledged => {}
                    event => emitter.emit(event).await,
                }
            }
        })
    }
}

async fn notify(emitter: &Emitter, method: Method, filter: Option<&SubscriptionFilter>) {
    let params = filter.map_or(Raw::EMPTY_OBJECT, SubscriptionFilter::params);
    emitter.emit(Event::Notification(Notification { method, params })).await;
}

impl Service for RequireLogin {
    fn call(&self, request: Request, context: Context) -> Reply {
        match request.known() {
            Some(
                method @ (Method::Discover
                | Method::ToolsList
                | Method::PromptsList
                | Method::ResourcesList
                | Method::TemplatesList),
            ) => self.list(method, request, context),
            Some(Method::Listen) => self.listen(request, context),
            _ => self.call_server(request, context),
        }
    }
}
