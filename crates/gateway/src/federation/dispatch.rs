//! The methods that a federation answers, and how.

use std::sync::Arc;

use anyport_protocol::{Error, Method, jsonrpc::Reason};
use anyport_service::{Context, Outcome, Reply, Request, emit};
use bytestring::ByteString;
use tokio::task::spawn_blocking;

use super::{
    cached::Cached,
    completion::Completed,
    discover,
    endpoint::{Endpoint, Target},
    extensions,
    forward::Forward,
    guard::{call::guarded, guarding::kind_of},
    in_flight,
    large_result::{Owner, is_spilled},
    list_kind::ListKind,
    listen, look_alike,
    member::MemberEntry,
    member_list::MemberList,
    naming::NameKind,
    served_endpoint::ServedEndpoint,
    uris::is_web,
    view::View,
};

/// Answers a request to the endpoint that `served` is now.
pub(super) fn call(served: &Arc<ServedEndpoint>, request: Request, context: Context) -> Reply {
    let endpoint = &served.endpoint();
    if let Some(sole) = endpoint.sole() {
        return match request.known() {
            Some(Method::Listen) => listen::reply_of_sole(served, &sole, request, context),
            known => in_flight::pass(sole, known.and_then(ListKind::of), request, context),
        };
    }
    let context = match extensions::relayed(context.capabilities()) {
        Some(capabilities) => {
            let info = context.client_info().cloned();
            context.with_client(capabilities, info)
        }
        None => context,
    };
    match request.known() {
        Some(Method::Discover) => discover::reply(endpoint, &context),
        Some(Method::Listen) => listen::reply(served, request, context),
        Some(Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead | Method::Complete) => {
            item(endpoint, request, context)
        }
        known => match known.and_then(ListKind::of) {
            Some(kind) => list(endpoint, kind, &request, &context),
            None => Reply::error(Error::method_not_found(&request.method)),
        },
    }
}

/// Answers a list, at once if every member's list was read.
fn list(endpoint: &Arc<Endpoint>, kind: ListKind, request: &Request, context: &Context) -> Reply {
    let view = endpoint.view(context);
    let cursor = request.params.member("cursor").filter(|cursor| !cursor.is_null());
    let is_settled = view.is_settled(kind);
    if is_settled && !is_long(endpoint, &view, kind) {
        return Reply::ready(endpoint.page(&view, kind, cursor.as_ref(), context));
    }
    let (endpoint, context) = (endpoint.clone(), context.clone());
    Reply::future(async move {
        if !is_settled {
            view.first(kind, endpoint.shared.limits.first_list_wait).await;
        }
        if !is_long(&endpoint, &view, kind) {
            return endpoint.page(&view, kind, cursor.as_ref(), &context).into();
        }
        let page = spawn_blocking(move || endpoint.page(&view, kind, cursor.as_ref(), &context)).await;
        page.unwrap_or_else(|_| Err(Error::internal("the list could not be filtered"))).into()
    })
}

/// The entries of a list that are filtered at once. More of them could keep the thread from other calls.
const AT_ONCE: usize = 200;

/// Whether a list is filtered by a policy, and for so long that other calls would wait for it.
fn is_long(endpoint: &Endpoint, view: &View, kind: ListKind) -> bool {
    endpoint.shared.enforcement().is_some() && view.merged(kind).lines.len() > AT_ONCE
}

/// Uses an item of a member: a tool, a prompt, a resource, or what completes an argument of these.
fn item(endpoint: &Arc<Endpoint>, request: Request, context: Context) -> Reply {
    match Destination::of(&request) {
        Ok(Destination::Resource(uri)) if is_spilled(&uri) => {
            let owner = Owner::of(&context);
            Reply::ready(endpoint.shared.spilled.read(&uri, &owner, &endpoint.meta))
        }
        Ok(destination) => route(endpoint, destination, request, context),
        Err(error) => Reply::error(error),
    }
}

/// What a request names.
enum Destination {
    /// A tool or a prompt.
    Name(NameKind, ByteString),
    /// A resource.
    Resource(ByteString),
    /// A resource template.
    Template(ByteString),
}

impl Destination {
    /// What `request` names.
    ///
    /// # Errors
    /// -32602 if it names nothing.
    fn of(request: &Request) -> Result<Self, Error> {
        look_alike::check(request)?;
        let name = |kind| match request.name() {
            Some(name) => Ok(Self::Name(kind, name)),
            None => Err(Error::invalid_params("\"name\" must be a string")),
        };
        match request.known() {
            Some(Method::ToolsCall) => name(NameKind::Tool),
            Some(Method::PromptsGet) => name(NameKind::Prompt),
            Some(Method::Complete) => Ok(match Completed::of(request)? {
                Completed::Prompt(name) => Self::Name(NameKind::Prompt, name),
                Completed::Template(template) => Self::Template(template),
            }),
            _ => match request.name() {
                Some(uri) => Ok(Self::Resource(uri)),
                None => Err(Error::invalid_params("\"uri\" must be a string")),
            },
        }
    }

    /// Where it leads, as far as the lists are known. It looks again if a list was read meanwhile: it may have looked into
    /// the list before that, and into those that are not known after it.
    ///
    /// # Errors
    /// If it is held back.
    fn target(&self, endpoint: &Endpoint, view: &View) -> Result<Option<Target>, Error> {
        loop {
            let changes = endpoint.shared.changes();
            let found = match self {
                Self::Name(kind, name) => endpoint.named(view, *kind, name)?,
                Self::Resource(uri) => endpoint.resource(view, uri)?,
                Self::Template(template) => endpoint.template(view, template)?,
            };
            if found.is_some() || endpoint.shared.changes() == changes {
                return Ok(found);
            }
        }
    }

    /// The lists that may have it.
    fn lists(&self) -> &'static [ListKind] {
        match self {
            Self::Name(NameKind::Tool, _) => &[ListKind::Tools],
            Self::Name(NameKind::Prompt, _) => &[ListKind::Prompts],
            Self::Resource(_) | Self::Template(_) => &[ListKind::Resources, ListKind::Templates],
        }
    }

    /// The refusal of what no member is known to have.
    fn not_found(&self, view: &View) -> Error {
        let mut unread = self.lists().iter().flat_map(|list| view.unknown(*list));
        // Nobody knows yet whether it is the member's, so that it is not wrong to use it again.
        match unread.find(|member| self.may_be_of(member)) {
            Some(member) => member.core.unread(&self.unknown().message),
            None => self.unknown(),
        }
    }

    /// Whether it may be among what the member offers.
    fn may_be_of(&self, member: &MemberEntry) -> bool {
        match self {
            Self::Name(kind, name) => {
                let naming = &member.naming;
                naming.keeps_names() || naming.own_name(*kind, &member.core.name, name).is_some()
            }
            Self::Resource(uri) | Self::Template(uri) => is_web(uri) || member.alias.keeps(),
        }
    }

    /// Whether an earlier member whose list is unread may have what was found at `target`. Of two members with one name or URI the
    /// earlier one has it: what is found before its list is known may be its own afterwards.
    fn may_be_anothers(&self, target: &Target, view: &View) -> bool {
        // As a rule none is unread, which is known at once.
        let mut unread = self.lists().iter().flat_map(|list| view.unread_before(*list, &target.member));
        unread.any(|member| self.may_be_of(&member)) && !self.says_whose(&target.member)
    }

    /// Whether the name itself says that it is the member's: by its prefix, or by the configuration.
    fn says_whose(&self, member: &MemberEntry) -> bool {
        let Self::Name(kind, name) = self else { return false };
        let naming = &member.naming;
        !naming.keeps_names() && naming.own_name(*kind, &member.core.name, name).is_some()
    }

    /// The refusal of what is held back: as if it were not there, for a caller that may not know of it.
    fn refused(&self, endpoint: &Endpoint, view: &View, context: &Context, held: Error) -> Error {
        let Some(policy) = endpoint.shared.enforcement() else { return held };
        let (Self::Name(_, name) | Self::Resource(name) | Self::Template(name)) = self;
        let is_hidden = self.lists().iter().any(|list| {
            view.merged(*list)
                .held
                .get(name)
                .is_some_and(|item| policy.hides(*list, (name, item.own()), &item.member.core.name, context))
        });
        if is_hidden { self.unknown() } else { held }
    }

    /// The refusal of what no member has.
    fn unknown(&self) -> Error {
        match self {
            Self::Name(NameKind::Tool, name) => {
                Error::invalid_params(format!("unknown tool: {name:.128}")).with_reason(Reason::UnknownTool)
            }
            Self::Name(NameKind::Prompt, name) => {
                Error::invalid_params(format!("unknown prompt: {name:.128}"))
            }
            Self::Resource(uri) | Self::Template(uri) => Error::resource_not_found(uri),
        }
    }
}

/// Forwards a request to the member that has what it names. The lists of members that were never read are waited for only if they
/// may have it as well, or no other member has it.
fn route(endpoint: &Arc<Endpoint>, destination: Destination, request: Request, context: Context) -> Reply {
    let view = endpoint.view(&context);
    match destination.target(endpoint, &view) {
        Ok(Some(target)) if !destination.may_be_anothers(&target, &view) => {
            return forward(endpoint, target, request, context);
        }
        Ok(_) => {}
        Err(held) => return Reply::error(destination.refused(endpoint, &view, &context, held)),
    }
    let lists = destination.lists();
    if lists.iter().all(|list| view.is_settled(*list)) {
        // The last one may have been read just now.
        return match destination.target(endpoint, &view) {
            Ok(Some(target)) => forward(endpoint, target, request, context),
            Ok(None) => {
                let unread = view.being_read(lists, |member| destination.may_be_of(member));
                match unread.is_empty() {
                    true => Reply::error(destination.not_found(&view)),
                    false => after(unread, (endpoint.clone(), view), destination, (request, context)),
                }
            }
            Err(held) => Reply::error(destination.refused(endpoint, &view, &context, held)),
        };
    }
    let endpoint = endpoint.clone();
    emit::reply(|emitter| async move {
        // All are requested before the first is waited for.
        lists.iter().for_each(|list| view.request(*list));
        for list in lists {
            // A list goes out without a late member; but this may be that member's.
            view.first(*list, endpoint.shared.limits.catalog_timeout).await;
        }
        match destination.target(&endpoint, &view) {
            Ok(Some(target)) => emitter.relay(forward(&endpoint, target, request, context)).await,
            Ok(None) => Outcome::Error(destination.not_found(&view)),
            Err(held) => Outcome::Error(destination.refused(&endpoint, &view, &context, held)),
        }
    })
}

/// Forwards a request once `lists` are read: a member has said that they have changed, and they may have what is not known yet.
fn after(
    lists: Vec<Arc<Cached<MemberList>>>,
    (endpoint, view): (Arc<Endpoint>, Arc<View>),
    destination: Destination,
    (request, context): (Request, Context),
) -> Reply {
    emit::reply(|emitter| async move {
        for list in lists {
            list.reading_ends(endpoint.shared.limits.first_list_wait).await;
        }
        match destination.target(&endpoint, &view) {
            Ok(Some(target)) => emitter.relay(forward(&endpoint, target, request, context)).await,
            Ok(None) => Outcome::Error(destination.not_found(&view)),
            Err(held) => Outcome::Error(destination.refused(&endpoint, &view, &context, held)),
        }
    })
}

/// The refusal of a request as if no member had what it names.
pub(super) fn unknown(request: &Request) -> Error {
    match Destination::of(request) {
        Ok(destination) => destination.unknown(),
        Err(error) => error,
    }
}

fn forward(endpoint: &Arc<Endpoint>, target: Target, request: Request, context: Context) -> Reply {
    let Some(method) = request.known() else {
        return Reply::error(Error::method_not_found(&request.method));
    };
    let mut forward = Forward { target, method, protection: None };
    let (trail, guarding) = (context.trail(), endpoint.shared.guarding());
    if (guarding.is_some() || endpoint.shared.enforcement().is_some())
        && let Err(error) =
            look_alike::check_arguments(&forward.arguments(&request), forward.target.listed.as_ref())
    {
        return Reply::error(error);
    }
    if trail.is_some() || guarding.is_some() {
        let is_prompt = forward.is_prompt(&request);
        // Not the name that the call has: an item can have several, and tool search calls all of them by one.
        let name = forward.exposed_name(is_prompt);
        if let Some(trail) = trail {
            trail.uses(&name);
        }
        let protection = guarding.and_then(|guarding| guarding.protection(kind_of(method, is_prompt), &name));
        forward.protection = protection;
    }
    match endpoint.shared.enforcement() {
        Some(enforcement) => enforcement.call(endpoint, forward, request, context),
        None => guarded(endpoint, forward, request, context, |endpoint, forward, request, context| {
            forward.call(endpoint, request, context)
        }),
    }
}
