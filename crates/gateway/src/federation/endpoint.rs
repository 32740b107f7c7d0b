//! One endpoint of a federation: all items of its members, or a selection.

use std::sync::Arc;

use anyport_protocol::{
    Error, Method, Raw, Revision, json::Members as Object, json::Splice, jsonrpc::Reason,
    meta::key::SERVER_INFO,
};
use anyport_service::{Context, Outcome, Reply, Request, emit};
use bytestring::ByteString;

use super::{
    discover,
    edits::text_of,
    forward::Forward,
    list_kind::ListKind,
    listen,
    member::MemberEntry,
    naming::NameKind,
    pattern::Selection,
    shared::Shared,
    uris::{is_web, resolve},
    view::{View, Views},
};
use crate::tasks::without_tasks;

/// One endpoint of a federation.
pub(super) struct Endpoint {
    pub(super) shared: Arc<Shared>,
    selection: Arc<Selection>,
    /// Who it is for clients: an `Implementation`.
    pub(super) identity: Raw,
    /// `_meta` of results that are written here.
    pub(super) meta: Raw,
    pub(super) instructions: Option<String>,
    pub(super) revisions: Arc<[Revision]>,
    views: Views,
}

/// Which member a request goes to, and what it calls the target.
struct Target {
    member: Arc<MemberEntry>,
    own: ByteString,
    /// The definition as the member lists it, if it is known.
    listed: Option<Raw>,
}

impl Endpoint {
    pub(super) fn new(
        shared: Arc<Shared>,
        selection: Arc<Selection>,
        identity: Raw,
        instructions: Option<String>,
        revisions: Arc<[Revision]>,
    ) -> Self {
        let meta = Splice::new().with(SERVER_INFO, &identity).finish();
        let views = Views::new(shared.clone(), selection.clone());
        Self { shared, selection, identity, meta, instructions, revisions, views }
    }

    /// Answers a request.
    pub(super) fn call(self: &Arc<Self>, request: Request, context: Context) -> Reply {
        if let Some(sole) = self.sole() {
            return match request.known() {
                Some(Method::Listen) => listen::reply_of_sole(self, &sole, request, context),
                _ => sole.core.service.call(request, context),
            };
        }
        let context = match without_tasks(context.capabilities()) {
            Some(capabilities) => {
                let info = context.client_info().cloned();
                context.with_client(capabilities, info)
            }
            None => context,
        };
        match request.known() {
            Some(Method::Discover) => discover::reply(self, &context),
            Some(Method::Listen) => listen::reply(self, request, context),
            Some(Method::ToolsCall) => self.named(ListKind::Tools, NameKind::Tool, request, context),
            Some(Method::PromptsGet) => self.named(ListKind::Prompts, NameKind::Prompt, request, context),
            Some(Method::ResourcesRead) => self.read(request, context),
            Some(Method::Complete) => self.complete(request, context),
            known => match known.and_then(ListKind::of) {
                Some(kind) => self.list(kind, &request, &context),
                None => Reply::error(Error::method_not_found(&request.method)),
            },
        }
    }

    /// The view of the caller of `context`.
    pub(super) fn view(&self, context: &Context) -> Arc<View> {
        self.views.of(context)
    }

    /// The only member, if everything passes as it is.
    pub(super) fn sole(&self) -> Option<Arc<MemberEntry>> {
        let is_plain = self.instructions.is_none() && self.selection.is_all();
        self.shared.members().sole().filter(|_| is_plain).cloned()
    }

    /// Answers a list, at once if every member's list was read.
    fn list(self: &Arc<Self>, kind: ListKind, request: &Request, context: &Context) -> Reply {
        let view = self.view(context);
        let cursor = request.params.member("cursor").filter(|cursor| !cursor.is_null());
        if view.is_settled(kind) {
            return Reply::ready(view.page(kind, cursor.as_ref(), &self.meta));
        }
        let endpoint = self.clone();
        Reply::future(async move {
            view.first(kind).await;
            view.page(kind, cursor.as_ref(), &endpoint.meta).into()
        })
    }

    /// Calls a tool, or gets a prompt.
    fn named(self: &Arc<Self>, kind: ListKind, names: NameKind, request: Request, context: Context) -> Reply {
        let Some(name) = request.name() else {
            return Reply::error(Error::invalid_params("\"name\" must be a string"));
        };
        self.routed(kind, name, request, context, move |endpoint, view, name| {
            let route = view.route(kind, name);
            route
                .map(|route| Target { member: route.member, own: route.own, listed: Some(route.text) })
                .or_else(|| endpoint.guessed(view, kind, names, name))
        })
    }

    /// The member whose list is not known, but whose prefix the name has. Its server says whether it has such an item.
    fn guessed(&self, view: &View, kind: ListKind, names: NameKind, name: &str) -> Option<Target> {
        if !view.offers(name) {
            return None;
        }
        view.unknown(kind).into_iter().find_map(|member| {
            let own = member.naming.own_name(names, &member.core.name, name)?;
            Some(Target { member, own: own.into(), listed: None })
        })
    }

    /// Reads a resource.
    fn read(self: &Arc<Self>, request: Request, context: Context) -> Reply {
        let Some(uri) = request.name() else {
            return Reply::error(Error::invalid_params("\"uri\" must be a string"));
        };
        self.routed(ListKind::Resources, uri, request, context, |endpoint, view, uri| {
            endpoint.resource(view, uri)
        })
    }

    /// Completes an argument of a prompt, or of a resource template.
    fn complete(self: &Arc<Self>, request: Request, context: Context) -> Reply {
        let reference = request.params.member("ref").unwrap_or(Raw::EMPTY_OBJECT);
        let text =
            |key| Object::find(reference.as_str(), key).and_then(text_of).map(|text| text.into_owned());
        match (text("uri"), text("name")) {
            (Some(uri), _) => {
                self.routed(ListKind::Templates, uri.into(), request, context, |endpoint, view, uri| {
                    endpoint.resource(view, uri)
                })
            }
            (None, Some(name)) => self.named_reference(name.into(), request, context),
            (None, None) => {
                Reply::error(Error::invalid_params("\"ref\" must name a prompt or a resource template"))
            }
        }
    }

    fn named_reference(self: &Arc<Self>, name: ByteString, request: Request, context: Context) -> Reply {
        let kind = ListKind::Prompts;
        self.routed(kind, name, request, context, move |endpoint, view, name| {
            let route = view.route(kind, name);
            route
                .map(|route| Target { member: route.member, own: route.own, listed: None })
                .or_else(|| endpoint.guessed(view, kind, NameKind::Prompt, name))
        })
    }

    /// The member that has the resource or template `uri`.
    pub(super) fn resource_member(&self, view: &View, uri: &str) -> Option<(Arc<MemberEntry>, ByteString)> {
        self.resource(view, uri).map(|target| (target.member, target.own))
    }

    fn resource(&self, view: &View, uri: &str) -> Option<Target> {
        if !view.offers(uri) {
            return None;
        }
        if !is_web(uri) {
            let (alias, own) = resolve(uri)?;
            let member = self.shared.members().with_alias(alias).cloned()?;
            return Some(Target { member, own: own.into(), listed: None });
        }
        let listed =
            [ListKind::Resources, ListKind::Templates].into_iter().find_map(|kind| view.route(kind, uri));
        let member = listed.map(|route| route.member).or_else(|| view.template_member(uri))?;
        Some(Target { member, own: uri.into(), listed: None })
    }

    /// Forwards a request to the member that `target` finds. The lists of members that were never read are waited for only
    /// if it finds none.
    fn routed(
        self: &Arc<Self>,
        kind: ListKind,
        name: ByteString,
        request: Request,
        context: Context,
        target: impl Fn(&Self, &View, &str) -> Option<Target> + Send + 'static,
    ) -> Reply {
        let view = self.view(&context);
        if let Some(target) = self.found(&view, &name, &target) {
            return self.forward(target, request, context);
        }
        if view.is_settled(kind) && view.unknown(kind).is_empty() {
            return Reply::error(unknown(kind, &name));
        }
        let endpoint = self.clone();
        emit::reply(|emitter| async move {
            view.first(kind).await;
            match endpoint.found(&view, &name, &target) {
                Some(target) => emitter.relay(endpoint.forward(target, request, context)).await,
                None => Outcome::Error(unknown(kind, &name)),
            }
        })
    }

    /// What `target` finds. It looks again if a list was read meanwhile: it may have looked into the list before that, and
    /// into those that are not known after it.
    fn found(
        &self,
        view: &View,
        name: &str,
        target: &impl Fn(&Self, &View, &str) -> Option<Target>,
    ) -> Option<Target> {
        loop {
            let changes = self.shared.changes();
            let found = target(self, view, name);
            if found.is_some() || self.shared.changes() == changes {
                return found;
            }
        }
    }

    fn forward(self: &Arc<Self>, target: Target, request: Request, context: Context) -> Reply {
        let Some(method) = request.known() else {
            return Reply::error(Error::method_not_found(&request.method));
        };
        let Target { member, own, listed } = target;
        Forward { member, method, own, listed }.call(self, request, context)
    }
}

/// The refusal of a name or URI that no member has.
fn unknown(kind: ListKind, name: &str) -> Error {
    match kind {
        ListKind::Tools => {
            Error::invalid_params(format!("unknown tool: {name:.128}")).with_reason(Reason::UnknownTool)
        }
        ListKind::Prompts => Error::invalid_params(format!("unknown prompt: {name:.128}")),
        ListKind::Resources | ListKind::Templates => Error::resource_not_found(name),
    }
}
