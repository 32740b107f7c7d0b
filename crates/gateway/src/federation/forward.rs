//! Calls that go to one member: its names, URIs and arguments on the way in, ours on the way out.

use std::{
    borrow::Cow,
    sync::Arc,
    task::{Context as Task, Poll, ready},
};

use anyport_layers::Counted;
use anyport_metrics::Metrics;
use anyport_protocol::{
    Error, Method, Raw,
    failure::Failure,
    json::{Members as Object, Splice, string::folded},
    jsonrpc::{Params, code},
    param_header::Plan,
};
use anyport_seal::{RequestIdentity, RequestState, Sealer};
use anyport_service::{
    Context, Event, Notification, Outcome, Principal, Relay, Reply, Request, ServerRequest, Service, emit,
};
use bytestring::ByteString;

use super::{
    cached_call::CachedCall,
    completion::Completed,
    content, definition,
    edits::Edits,
    endpoint::{Endpoint, Target},
    guard::reply::Protection,
    in_flight::InFlight,
    large_result::{Called, Owner, ResultLimit},
    member::MemberEntry,
    naming::{ItemOverride, NameKind},
    questions,
};

/// A call of one member's tool, prompt, resource or completion.
#[derive(Clone)]
pub(super) struct Forward {
    pub(super) target: Target,
    pub(super) method: Method,
    /// What the reply passes, if there is something.
    pub(super) protection: Option<Protection>,
}

/// The purpose of sealed states.
const PURPOSE: &str = "state of a member";

impl Forward {
    /// Calls the member for a caller of `endpoint`.
    pub(super) fn call(self, endpoint: &Arc<Endpoint>, request: Request, context: Context) -> Reply {
        if let Err(error) = self.check_scopes(&request, &context) {
            return Reply::error(error);
        }
        let member = &self.target.member;
        match endpoint.shared.limiter.take(&member.rates, &member.core, self.method, &self.target.own) {
            Counted::Now(Ok(())) => self.call_counted(endpoint, request, context),
            Counted::Now(Err(failure)) => Reply::failed(failure),
            Counted::Later(counted) => {
                let endpoint = endpoint.clone();
                emit::after(counted, move || self.call_counted(&endpoint, request, context))
            }
        }
    }

    /// Calls the member, whose rates have room for the call.
    fn call_counted(self, endpoint: &Arc<Endpoint>, request: Request, context: Context) -> Reply {
        let change = self.change();
        let fixed = change.filter(|change| !change.arguments.is_empty());
        let principal = context.principal().clone();
        let limit = self.target.member.result_limit.filter(|_| self.method == Method::ToolsCall);
        let limit = limit.map(|limit| (limit, Owner::of(&context)));
        let prepared = self.context(&request, context, fixed).and_then(|context| {
            Ok((self.params(&request, fixed, &endpoint.shared.sealer, &principal)?, context))
        });
        let (params, context) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Reply::error(error),
        };
        let asked_uri = (self.method == Method::ResourcesRead).then(|| request.name()).flatten();
        let request = Request { method: request.method, params };
        let service = self.service(&endpoint.shared.metrics);
        let (cache, target) = (&endpoint.shared.cache, &self.target);
        let call = CachedCall { cache, target, method: self.method, endpoint };
        let (reply, in_flight) = match call.answer(&service, request, context) {
            // It is counted where it goes to the member, if it does.
            Ok(reply) => (reply, None),
            Err((request, context)) => {
                let in_flight = InFlight::begin(self.target.member.clone());
                (service.call(request, context), Some(in_flight))
            }
        };
        let limit = limit.map(|(limit, owner)| Limited {
            limit,
            listed: self.target.listed.map(|listed| listed.text().clone()),
            owner,
        });
        let relay = MemberRelay {
            method: self.method,
            in_flight,
            member: self.target.member,
            own: self.target.own,
            principal,
            asked_uri,
            limit,
            protection: self.protection,
            endpoint: endpoint.clone(),
            are_several: endpoint.shared.members().are_several(),
        };
        reply.relay(relay)
    }

    /// The service of the member, with the places of the tool before it that is called.
    fn service(&self, metrics: &Metrics) -> Arc<dyn Service> {
        let (member, own) = (&self.target.member, &self.target.own);
        let (core, service) = (&member.core, member.core.service.clone());
        match self.method {
            Method::ToolsCall => core.places.before(service, &member.places, (&core.name, own), metrics),
            _ => service,
        }
    }

    /// Checks that the caller has the scopes of what it uses, or completes an argument of.
    ///
    /// # Errors
    /// 40300.
    fn check_scopes(&self, request: &Request, context: &Context) -> Result<(), Error> {
        let (naming, own) = (&self.target.member.naming, &*self.target.own);
        let caller = context.authorization();
        match self.method {
            Method::ResourcesRead => naming.check_resource(own, caller),
            Method::Complete if self.is_prompt(request) => {
                naming.check(naming.item(NameKind::Prompt, own), caller)
            }
            Method::Complete => naming.check_template(own, caller),
            _ => naming.check(self.change(), caller),
        }
    }

    /// What is different about the item for clients.
    fn change(&self) -> Option<&ItemOverride> {
        let kind = match self.method {
            Method::ToolsCall => NameKind::Tool,
            Method::PromptsGet => NameKind::Prompt,
            _ => return None,
        };
        self.target.member.naming.item(kind, &self.target.own)
    }

    /// The arguments that the member receives; of a completion, those that are known already.
    pub(super) fn arguments(&self, request: &Request) -> Raw {
        let own = match self.method {
            Method::ToolsCall | Method::PromptsGet => request.params.member("arguments"),
            // 2026-07-28, server/utilities/completion §Multiple Arguments: "previous completions in the `context.arguments` object".
            Method::Complete => request.params.member("context").and_then(|known| known.member("arguments")),
            _ => None,
        };
        let own = own.unwrap_or(Raw::EMPTY_OBJECT);
        match self.change().filter(|change| !change.arguments.is_empty() && own.is_object()) {
            Some(change) => with_fixed(&own, change),
            None => own,
        }
    }

    /// The context of the call. The headers of a caller are those of the arguments that it sees, so they are compared with
    /// these here, if others are added.
    ///
    /// # Errors
    /// -32020.
    fn context(
        &self,
        request: &Request,
        context: Context,
        fixed: Option<&ItemOverride>,
    ) -> Result<Context, Error> {
        let Some(change) = fixed.filter(|_| context.param_headers().is_some()) else { return Ok(context) };
        self.check_param_headers(request, &context, Some(change))?;
        Ok(context.without_param_headers())
    }

    /// Compares the headers of a caller with the arguments that it sees.
    ///
    /// # Errors
    /// -32020.
    fn check_param_headers(
        &self,
        request: &Request,
        context: &Context,
        change: Option<&ItemOverride>,
    ) -> Result<(), Error> {
        if let Some((listed, given)) = self.target.listed.as_ref().zip(context.param_headers())
            && context.revision().has_request_headers()
        {
            let exposed =
                definition::exposed(listed.text(), &self.target.own, change, &self.target.member.alias);
            // A tool with invalid annotations is not one for a client with headers.
            let plan = Plan::of_tool(exposed.as_str()).unwrap_or_default();
            plan.check(given, request.params.find("arguments").unwrap_or("{}"))?;
        }
        Ok(())
    }

    /// The same call with other arguments, of which its headers say nothing: these are compared with its own first.
    ///
    /// # Errors
    /// -32020.
    pub(super) fn with_arguments(
        &self,
        request: Request,
        context: Context,
        arguments: &Raw,
    ) -> Result<(Request, Context), Error> {
        if context.param_headers().is_some() {
            self.check_param_headers(&request, &context, self.change())?;
        }
        let params = request.params.raw();
        let mut edits = Edits::of(params);
        let object = match self.method {
            Method::Complete => Object::find(edits.text(), "context").unwrap_or(edits.text()),
            _ => edits.text(),
        };
        edits.set(object, "arguments", arguments);
        let params = Params::noted(edits.finish());
        Ok((Request { method: request.method, params }, context.without_param_headers()))
    }

    /// Whether a request is of a prompt, or completes an argument of one.
    pub(super) fn is_prompt(&self, request: &Request) -> bool {
        match self.method {
            Method::PromptsGet => true,
            Method::Complete => matches!(Completed::of(request), Ok(Completed::Prompt(_))),
            _ => false,
        }
    }

    /// The name or URI under which clients see the item, whatever name the request has: an item can have several.
    pub(super) fn exposed_name(&self, is_prompt: bool) -> Cow<'_, str> {
        let target = &self.target;
        let kind = match self.method {
            Method::ToolsCall => Some(NameKind::Tool),
            _ => is_prompt.then_some(NameKind::Prompt),
        };
        match (kind, &target.name) {
            (Some(_), Some(name)) => (&**name).into(),
            (Some(kind), None) => {
                target.member.naming.name(kind, &target.member.core.name, &target.own).into()
            }
            (None, _) => target.member.alias.exposed(&target.own).into(),
        }
    }

    /// The params in the member's words.
    ///
    /// # Errors
    /// -32602 for a state that another member, or another caller, was given.
    fn params(
        &self,
        request: &Request,
        fixed: Option<&ItemOverride>,
        sealer: &Sealer,
        principal: &Principal,
    ) -> Result<Params, Error> {
        let named = self.named(request);
        if fixed.is_none() && named.find("requestState").is_none() {
            return Ok(named);
        }
        let params = named.raw();
        let mut edits = Edits::of(params);
        let object = edits.text();
        if let Some(change) = fixed {
            let arguments = params.member("arguments").unwrap_or(Raw::EMPTY_OBJECT);
            if !arguments.is_object() {
                return Err(Error::invalid_params("\"arguments\" must be an object"));
            }
            edits.set(object, "arguments", &with_fixed(&arguments, change));
        }
        if let Some(state) = named.find("requestState") {
            let token = params.slice(state).as_string().unwrap_or_default();
            let bound = bound(&self.target.member, self.method, &self.target.own);
            let owner = principal.to_string();
            let opened = RequestState::<String>::open(sealer, PURPOSE, &token, &owner, &bound);
            let opened = opened.map_err(|why| {
                // The name that the client knows.
                let name = request.name().unwrap_or_default();
                let message = format!("the requestState {why}; call {name:.128} again without requestState");
                Error::invalid_params(message).with_reason(why.reason())
            })?;
            edits.replace(state, &Raw::string(&opened.payload));
        }
        Ok(Params::noted(edits.finish()))
    }

    /// The params with the name or URI that the member knows.
    fn named(&self, request: &Request) -> Params {
        let (params, own) = (&request.params, || Raw::string(&self.target.own));
        if self.method == Method::Complete {
            let reference = params.member("ref").unwrap_or(Raw::EMPTY_OBJECT);
            let key = Completed::of(request).map_or("name", |completed| completed.key());
            let mut edits = Edits::of(&reference);
            edits.set(edits.text(), key, &own());
            return params.with_value("ref", &edits.finish()).unwrap_or_else(|| params.clone());
        }
        let key = if self.method == Method::ResourcesRead { "uri" } else { "name" };
        params.with_value(key, &own()).unwrap_or_else(|| params.clone())
    }
}

/// The request that a state belongs to.
fn bound(member: &MemberEntry, method: Method, own: &str) -> RequestIdentity {
    RequestIdentity::new(&*member.core.name, method, own)
}

/// The arguments of a caller, with the fixed ones in place of its own.
fn with_fixed(arguments: &Raw, change: &ItemOverride) -> Raw {
    // A server may take a name in another case for the fixed one.
    let is_fixed = |name: &str| change.arguments.iter().any(|(fixed, _)| folded(fixed) == folded(name));
    let own = Splice::retain(arguments, |name| !is_fixed(name));
    change.arguments.iter().fold(own, |all, (name, value)| all.with(name, value)).finish()
}

/// The limit of the result of a call.
struct Limited {
    limit: ResultLimit,
    /// The definition of the tool, if it is known.
    listed: Option<Raw>,
    /// Who may read the result as a resource.
    owner: Owner,
}

/// Puts what a member answers into the words of the federation.
struct MemberRelay {
    member: Arc<MemberEntry>,
    /// `None` if the call is counted elsewhere.
    in_flight: Option<InFlight>,
    method: Method,
    own: ByteString,
    principal: Principal,
    /// The URI that the caller reads.
    asked_uri: Option<ByteString>,
    limit: Option<Limited>,
    protection: Option<Protection>,
    endpoint: Arc<Endpoint>,
    are_several: bool,
}

impl MemberRelay {
    fn member(&self) -> &MemberEntry {
        &self.member
    }

    /// An `InputRequiredResult` with the member's state sealed for the caller and the request.
    ///
    /// 2026-07-28, patterns/mrtr §Server Requirements: servers SHOULD include "the authenticated principal" and "an
    /// identifier for the originating request" in a state, "rejecting state presented by a different principal". A member
    /// sees us alone, so it cannot.
    fn input_required(&self, required: Raw) -> Outcome {
        let state = required.member("requestState").and_then(|state| state.as_string());
        let sealed = state.map(|state| {
            let state = RequestState {
                owner: self.principal.to_string(),
                request: bound(self.member(), self.method, &self.own),
                // The member itself decides how long its state is valid.
                expires: u64::MAX,
                payload: state.to_string(),
            };
            state.seal(&self.endpoint.shared.sealer, PURPOSE)
        });
        match sealed.transpose() {
            Ok(state) => {
                let (member, are_several) = (self.member(), self.are_several);
                let state = state.as_deref();
                Outcome::InputRequired(questions::exposed_input_required(
                    &required,
                    state,
                    member,
                    are_several,
                ))
            }
            Err(error) => Outcome::Error(error),
        }
    }

    /// An error, with the URI that the caller has read in place of the member's, and with elicitations that say which
    /// member asks.
    fn error(&self, mut error: Error) -> Error {
        if let Some(asked) = &self.asked_uri
            && error.code == code::INVALID_PARAMS
            && self.endpoint.shared.enforcement().is_some()
        {
            // A request to read has nothing but a URI that could be wrong. A resource that a rule hides is refused in these words: those of the
            // member would tell it from one that does not exist.
            return Error::resource_not_found(asked);
        }
        let Some(data) = &error.data else { return error };
        if error.code == code::URL_ELICITATION_REQUIRED && self.are_several {
            error.data = Some(questions::exposed_elicitations(data, self.member()));
        } else if let Some((asked, uri)) = self.asked_uri.as_ref().zip(Object::find(data.as_str(), "uri")) {
            let mut edits = Edits::of(data);
            edits.replace(uri, &Raw::string(asked));
            error.data = Some(edits.finish());
        }
        error
    }

    /// A failure, with the name of the member.
    fn failure(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Upstream { .. } => failure,
            failure => failure.of_upstream(self.member().core.name.clone()),
        }
    }

    /// A result, checked and covered before it is cut or stored.
    fn protected(&mut self, result: Raw) -> Outcome {
        let result = match &self.protection {
            Some(protection) => {
                let upstream = &self.member().core.name;
                match protection.result(result, self.method, upstream, &self.endpoint.meta) {
                    Outcome::Result(result) => result,
                    refused => return refused,
                }
            }
            None => result,
        };
        Outcome::Result(self.limited(&result).unwrap_or(result))
    }

    /// What the caller receives in place of a result that is too large.
    fn limited(&mut self, result: &Raw) -> Option<Raw> {
        let Limited { limit, listed, owner } = self.limit.take()?;
        let (upstream, tool) = (&*self.member().core.name, &*self.own);
        let called = Called { result, upstream, tool, listed: listed.as_ref() };
        limit.replacement(&called, &self.endpoint.shared.spilled, || owner)
    }

    fn event(&self, event: Event) -> Event {
        match event {
            Event::ServerRequest(ServerRequest { method, params, responder }) => {
                let params = questions::exposed(method, &params, self.member());
                Event::ServerRequest(ServerRequest { method, params, responder })
            }
            Event::Notification(Notification { method: method @ Method::LogMessage, params }) => {
                let params = questions::exposed_log(&params, self.member());
                Event::Notification(Notification { method, params })
            }
            event => event,
        }
    }
}

impl Relay for MemberRelay {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        if let Some(in_flight) = &self.in_flight {
            in_flight.ended(&outcome);
        }
        match outcome {
            Outcome::Result(result) => {
                let (alias, identity) = (&self.member().alias, &self.endpoint.identity);
                let result = content::exposed(&result, self.method, alias, identity);
                self.protected(result)
            }
            Outcome::InputRequired(required) => {
                let required = match &self.protection {
                    Some(protection) => protection.input_required(required),
                    None => required,
                };
                self.input_required(required)
            }
            Outcome::Error(error) => {
                let error = self.error(error);
                Outcome::Error(match &self.protection {
                    Some(protection) => protection.error(error),
                    None => error,
                })
            }
            Outcome::Failed(failure) => {
                let failure = self.failure(*failure);
                match &self.protection {
                    Some(protection) => protection.failure(failure),
                    None => failure.into(),
                }
            }
        }
    }

    fn poll(&mut self, reply: &mut Reply, task: &mut Task<'_>) -> Poll<Event> {
        Poll::Ready(match ready!(reply.poll_event(task)) {
            Event::Outcome(outcome) => Event::Outcome(self.outcome(outcome)),
            event => {
                let event = if self.are_several { self.event(event) } else { event };
                match &self.protection {
                    Some(protection) => protection.event(event),
                    None => event,
                }
            }
        })
    }
}
