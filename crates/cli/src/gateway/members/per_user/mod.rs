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
use anyport_gateway::Bridge;
use anyport_protocol::{Method, Raw, failure::Failure, subscription::SubscriptionFilter};
use anyport_service::{
    Context, Emitter, Event, Notification, Outcome, Reply, Request, Service, emit, sync::Lock,
};

use tokio::{sync::watch, time::timeout};

pub(super) use self::offer::Offer;
use self::question::{Answer, Question, Why};

/// A server as one caller reaches it: once it has signed in there. Clones are the same.
#[derive(Clone)]
pub(super) struct RequireLogin(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    login: CallerLogin,
    /// The connections of the caller, and the lists that it has.
    bridge: Bridge,
    /// The server with the token of the caller.
    service: Arc<dyn Service>,
    /// The server without a token.
    without: Arc<dyn Service>,
    offer: Offer,
    /// The id of the login by which the connections and lists were got.
    used_login: Lock<Option<Arc<str>>>,
    /// The id of the login that the server has accepted last.
    good_login: Lock<Option<Arc<str>>>,
    /// Whether the caller's own lists were read.
    has_lists: AtomicBool,
    /// Whether the tool to sign in is in the list that the caller has.
    is_offered: watch::Sender<bool>,
}

/// A server that is called with the login of one caller, and the same without.
pub(super) struct Reached {
    pub(super) bridge: Bridge,
    pub(super) service: Arc<dyn Service>,
    pub(super) without: Arc<dyn Service>,
}

impl RequireLogin {
    /// The server `name`, which is `reached` by `login`. Who has not signed in is shown `offer`.
    pub(super) fn new(name: &str, login: CallerLogin, reached: Reached, offer: Offer) -> Self {
        let Reached { bridge, service, without } = reached;
        Self(Arc::new(Inner {
            name: name.into(),
            login,
            bridge,
            service,
            without,
            offer,
            used_login: Lock::default(),
            good_login: Lock::default(),
            has_lists: AtomicBool::new(false),
            is_offered: watch::Sender::new(false),
        }))
    }

    /// Lets go of what was got by another login than the one of now, whose id is returned: it may be one with another account.
    fn follow_login(&self) -> Option<Arc<str>> {
        let now = self.0.login.id();
        let mut used = self.0.used_login.lock();
        if *used != now {
            used.clone_from(&now);
            self.0.has_lists.store(false, Ordering::Relaxed);
            self.0.bridge.forget();
        }
        now
    }

    /// A call: of a tool, a prompt, a resource.
    fn call_server(&self, request: Request, context: Context) -> Reply {
        let (request, answer) = Answer::take(request, |key| self.0.login.asked(key));
        if answer.is_none() && self.0.login.is_ready() {
            return self.forward(request, context);
        }
        let this = self.clone();
        emit::reply(|emitter| async move {
            let login = &this.0.login;
            let is_signed_in = match answer {
                None => login.is_signed_in().await,
                // The browser of the user is on its way. If it is not here in time, a login that there is may do.
                Some((Answer::Accepted, asked)) => {
                    login.signed_in(&asked).await || login.is_signed_in().await
                }
                Some((answer, asked)) if asked.wants_another() || !login.is_signed_in().await => {
                    return this.question(&request, Why::SignedOut).refused(&answer);
                }
                Some(_) => true,
            };
            if !is_signed_in {
                return this.ask(&request, &context, this.why());
            }
            emitter.relay(this.forward(request, context)).await
        })
    }

    /// The result of the tool to sign in, once the tools of the server were read or should have been.
    async fn signed_in(&self, request: &Request, context: &Context) -> Outcome {
        let mut are_read = self.0.is_offered.subscribe();
        let _ = timeout(self.0.login.list_wait(), are_read.wait_for(|is_offered| !is_offered)).await;
        match self.0.login.needs_login() {
            true => self.ask(request, context, self.why()),
            false => Outcome::Result(self.0.offer.signed_in()),
        }
    }

    /// Why the caller is to sign in: the server may not have accepted the login that was made last.
    fn why(&self) -> Why {
        let login = &self.0.login;
        let is_new = login.id().is_some_and(|id| Some(id) != *self.0.good_login.lock());
        if is_new && login.is_recent() { Why::Refused } else { Why::SignedOut }
    }

    /// A call of a caller that has signed in.
    fn forward(&self, request: Request, context: Context) -> Reply {
        if self.is_offered_tool(&request) {
            let this = self.clone();
            return emit::reply(|_| async move { this.signed_in(&request, &context).await });
        }
        let login = self.follow_login();
        let (this, called, caller) = (self.clone(), request.clone(), context.clone());
        self.0.service.call(request, context).map(move |outcome| {
            if this.is_refused(&outcome) {
                return this.ask(&called, &caller, this.why());
            }
            match challenge(&outcome) {
                Some(challenge) => match this.0.login.lacking(&operation(&called), &challenge) {
                    Some(scopes) => this.ask(&called, &caller, Why::Lacking(scopes)),
                    None => outcome,
                },
                None => {
                    this.note_good(login);
                    this.0.login.note_allowed(|| operation(&called));
                    outcome
                }
            }
        })
    }

    /// Notes that the server has accepted a login, as far as is known.
    fn note_good(&self, login: Option<Arc<str>>) {
        let mut good = self.0.good_login.lock();
        if *good != login {
            *good = login;
        }
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
    fn ask(&self, request: &Request, context: &Context, why: Why) -> Outcome {
        let login = &self.0.login;
        let page = login.page(why.lacking());
        let asked = page.and_then(|page| Ok((page, login.question(matches!(why, Why::Lacking(_)))?)));
        let question = self.question(request, why);
        match asked {
            Ok((page, key)) => question.ask((&page, &key), context),
            Err(error) => question.impossible(&error.to_string()),
        }
    }

    fn question<'a>(&'a self, request: &'a Request, why: Why) -> Question<'a> {
        let is_offered_tool = self.is_offered_tool(request);
        Question { name: &self.0.name, title: self.0.offer.title(), request, is_offered_tool, why }
    }

    /// Whether `request` calls the tool that was offered in place of the server's.
    fn is_offered_tool(&self, request: &Request) -> bool {
        *self.0.is_offered.borrow() && Offer::is_called_by(request)
    }

    /// A list, or the description of the server.
    fn list(&self, method: Method, request: Request, context: Context) -> Reply {
        let this = self.clone();
        emit::reply(|emitter| async move {
            let inner = &*this.0;
            let own = || inner.service.call(request.clone(), context.clone());
            while inner.login.is_signed_in().await {
                let login = this.follow_login();
                let outcome = emitter.relay(own()).await;
                // What was read by another login is nothing for this one.
                if this.follow_login() != login {
                    continue;
                }
                if matches!(outcome, Outcome::Result(_)) || !inner.login.needs_login() {
                    this.listed(method, &outcome);
                    return outcome;
                }
                break;
            }
            this.follow_login();
            // A caller whose login is over keeps its lists: it is asked when it calls.
            if inner.has_lists.load(Ordering::Relaxed) {
                inner.bridge.upstream().close_unused();
                if let known @ Outcome::Result(_) = emitter.relay(own()).await {
                    return known;
                }
            }
            if let public @ Outcome::Result(_) = emitter.relay(inner.without.call(request, context)).await {
                return public;
            }
            if method == Method::ToolsList {
                inner.is_offered.send_replace(true);
            }
            inner.offer.answer(method)
        })
    }

    /// Notes that the caller has a list of its own.
    fn listed(&self, method: Method, outcome: &Outcome) {
        if method != Method::Discover && matches!(outcome, Outcome::Result(_)) {
            self.note_good(self.0.login.id());
            self.0.has_lists.store(true, Ordering::Relaxed);
        }
        if method == Method::ToolsList {
            self.0.is_offered.send_replace(false);
        }
    }

    /// The changes of the lists. Those of a caller that signs in, with another account than before perhaps, are others then.
    fn listen(&self, request: Request, context: Context) -> Reply {
        let this = self.clone();
        emit::reply(|emitter| async move {
            let login = &this.0.login;
            let filter = SubscriptionFilter::read(&request.params.clone().into_raw()).unwrap_or_default();
            let mut is_acknowledged = false;
            loop {
                if !login.is_signed_in().await {
                    if !std::mem::replace(&mut is_acknowledged, true) {
                        let granted = SubscriptionFilter { uris: Vec::new(), ..filter.clone() };
                        notify(&emitter, Method::Acknowledged, Some(&granted)).await;
                    }
                    login.until_signed_in().await;
                    this.follow_login();
                    notify_all(&emitter, &filter).await;
                }
                let used = this.follow_login();
                let reply = this.0.service.call(request.clone(), context.clone());
                let outcome = tokio::select! {
                    outcome = relay_changes(reply, &emitter, &mut is_acknowledged) => Some(outcome),
                    () = login.until_another(used.as_deref()) => None,
                };
                match outcome {
                    // With the next login, it goes on.
                    Some(_) if login.needs_login() => {}
                    Some(outcome) => return outcome,
                    None => {
                        this.follow_login();
                        notify_all(&emitter, &filter).await;
                    }
                }
            }
        })
    }
}

/// Emits what comes by the stream of one login. The stream of the caller has one acknowledgement.
async fn relay_changes(mut reply: Reply, emitter: &Emitter, is_acknowledged: &mut bool) -> Outcome {
    loop {
        match reply.next().await {
            Event::Outcome(outcome) => return outcome,
            Event::Notification(one)
                if one.method == Method::Acknowledged && std::mem::replace(is_acknowledged, true) => {}
            event => emitter.emit(event).await,
        }
    }
}

/// Says that all the lists of `filter` have changed.
async fn notify_all(emitter: &Emitter, filter: &SubscriptionFilter) {
    for change in filter.lists() {
        notify(emitter, change, None).await;
    }
}

/// The challenge with which the server has refused a call for what the login does not allow (HTTP status 403).
fn challenge(outcome: &Outcome) -> Option<String> {
    let Outcome::Error(error) = outcome else { return None };
    let data = error.data.as_ref()?;
    let is_forbidden = data.member("httpStatus").is_some_and(|status| status.as_str() == "403");
    data.member("wwwAuthenticate")
        .filter(|_| is_forbidden)?
        .as_string()
        .map(|challenge| challenge.to_string())
}

/// What a call does, in the words of the protocol.
fn operation(request: &Request) -> String {
    format!("{} {}", request.method, request.name().unwrap_or_default())
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
