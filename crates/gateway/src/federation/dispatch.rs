//! The methods that a federation answers, and how.

use std::sync::Arc;

use anyport_protocol::{Error, Method, Raw, json::Members as Object, jsonrpc::Reason};
use anyport_service::{Context, Outcome, Reply, Request, emit};
use bytestring::ByteString;

use super::{
    discover,
    edits::text_of,
    endpoint::{Endpoint, Target},
    extensions,
    forward::Forward,
    in_flight,
    large_result::{Owner, is_spilled},
    list_kind::ListKind,
    listen,
    member::MemberEntry,
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
        Some(Method::ToolsCall) => named(endpoint, NameKind::Tool, request, context),
        Some(Method::PromptsGet) => named(endpoint, NameKind::Prompt, request, context),
        Some(Method::ResourcesRead) => read(endpoint, request, context),
        Some(Method::Complete) => complete(endpoint, request, context),
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
    if view.is_settled(kind) {
        return Reply::ready(endpoint.page(&view, kind, cursor.as_ref(), context.principal()));
    }
    let (endpoint, principal) = (endpoint.clone(), context.principal().clone());
    Reply::future(async move {
        view.first(kind, endpoint.shared.limits.first_list_wait).await;
        endpoint.page(&view, kind, cursor.as_ref(), &principal).into()
    })
}

/// Calls a tool, or gets a prompt.
fn named(endpoint: &Arc<Endpoint>, kind: NameKind, request: Request, context: Context) -> Reply {
    let Some(name) = request.name() else {
        return Reply::error(Error::invalid_params("\"name\" must be a string"));
    };
    route(endpoint, Destination::Name(kind, name), request, context)
}

/// Reads a resource.
fn read(endpoint: &Arc<Endpoint>, request: Request, context: Context) -> Reply {
    match request.name() {
        Some(uri) if is_spilled(&uri) => {
            let owner = Owner::of(&context);
            Reply::ready(endpoint.shared.spilled.read(&uri, &owner, &endpoint.meta))
        }
        Some(uri) => route(endpoint, Destination::Resource(uri), request, context),
        None => Reply::error(Error::invalid_params("\"uri\" must be a string")),
    }
}

/// Completes an argument of a prompt, or of a resource template.
fn complete(endpoint: &Arc<Endpoint>, request: Request, context: Context) -> Reply {
    let reference = request.params.member("ref").unwrap_or(Raw::EMPTY_OBJECT);
    let text = |key| {
        let text = Object::find(reference.as_str(), key).and_then(text_of);
        text.map(|text| ByteString::from(text.into_owned()))
    };
    let destination = match (text("uri"), text("name")) {
        (Some(uri), _) => Destination::Template(uri),
        (None, Some(name)) => Destination::Name(NameKind::Prompt, name),
        (None, None) => {
            return Reply::error(Error::invalid_params("\"ref\" must name a prompt or a resource template"));
        }
    };
    route(endpoint, destination, request, context)
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
                Self::Resource(uri) | Self::Template(uri) => endpoint.resource(view, uri)?,
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
        Err(held) => return Reply::error(held),
    }
    let lists = destination.lists();
    if lists.iter().all(|list| view.is_settled(*list)) {
        // The last one may have been read just now.
        return match destination.target(endpoint, &view) {
            Ok(Some(target)) => forward(endpoint, target, request, context),
            Ok(None) => Reply::error(destination.not_found(&view)),
            Err(held) => Reply::error(held),
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
            Err(held) => Outcome::Error(held),
        }
    })
}

fn forward(endpoint: &Arc<Endpoint>, target: Target, request: Request, context: Context) -> Reply {
    match request.known() {
        Some(method) => Forward { target, method }.call(endpoint, request, context),
        None => Reply::error(Error::method_not_found(&request.method)),
    }
}
