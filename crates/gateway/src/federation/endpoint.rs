//! One endpoint of a federation, all items of its members or a selection: who it is, and where its names and URIs lead.

use std::sync::Arc;

use anyport_protocol::{Error, Raw, Revision, json::Splice, meta::key::SERVER_INFO};
use anyport_service::Context;
use bytestring::ByteString;

use super::{
    cursor::Cursors,
    list_kind::ListKind,
    listed::Listed,
    member::MemberEntry,
    merged::Route,
    naming::NameKind,
    pattern::Selection,
    shared::Shared,
    uri_spelling,
    uris::{is_web, resolve},
    view::View,
    views::Views,
};

/// One endpoint of a federation.
pub(super) struct Endpoint {
    pub(super) shared: Arc<Shared>,
    selection: Arc<Selection>,
    /// Who it is for clients: an `Implementation`.
    pub(super) identity: Raw,
    /// `_meta` of results that are written here.
    pub(super) meta: Raw,
    pub(super) instructions: Option<String>,
    /// Whether other tools stand before its own, so that clients receive another list of these.
    pub(super) is_searched: bool,
    pub(super) revisions: Arc<[Revision]>,
    /// The name of the virtual server; `None` for the whole federation.
    virtual_server: Option<String>,
    views: Views,
}

/// The member that a request goes to, and what it calls the tool, prompt or resource.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) member: Arc<MemberEntry>,
    pub(super) own: ByteString,
    /// The name under which a tool or prompt is listed, and its definition as the member lists it, if they are known.
    pub(super) name: Option<ByteString>,
    pub(super) listed: Option<Listed>,
}

impl Endpoint {
    pub(super) fn new(
        shared: Arc<Shared>,
        selection: Arc<Selection>,
        identity: Raw,
        instructions: Option<String>,
        is_searched: bool,
        revisions: Arc<[Revision]>,
    ) -> Self {
        let meta = Splice::new().with(SERVER_INFO, &identity).finish();
        let views = Views::new(shared.clone(), selection.clone());
        let virtual_server = None;
        Self {
            shared,
            selection,
            identity,
            meta,
            instructions,
            is_searched,
            revisions,
            virtual_server,
            views,
        }
    }

    /// The same as the endpoint of the virtual server `name`, or of the whole federation.
    pub(super) fn of_virtual_server(self, name: Option<String>) -> Self {
        Self { virtual_server: name, ..self }
    }

    /// The same members, introduced as `identity` with `instructions`.
    pub(super) fn introduced_as(
        &self,
        identity: Raw,
        instructions: Option<String>,
        is_searched: bool,
    ) -> Self {
        let (shared, selection) = (self.shared.clone(), self.selection.clone());
        let revisions = self.revisions.clone();
        Self::new(shared, selection, identity, instructions, is_searched, revisions)
            .of_virtual_server(self.virtual_server.clone())
    }

    /// Whether clients cannot tell it from `other`, which has the same members.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.selection == other.selection
            && self.identity == other.identity
            && self.instructions == other.instructions
            && self.is_searched == other.is_searched
    }

    /// The view of the caller of `context`.
    pub(super) fn view(&self, context: &Context) -> Arc<View> {
        self.views.of(context)
    }

    /// A page of a list of `view` for the caller of `context`.
    ///
    /// # Errors
    /// -32602 for a cursor that this list did not give to this caller.
    pub(super) fn page(
        &self,
        view: &View,
        kind: ListKind,
        cursor: Option<&Raw>,
        context: &Context,
    ) -> Result<Raw, Error> {
        let principal = context.principal();
        let cursors = Cursors::new(&self.shared.sealer, self.virtual_server.as_deref(), principal);
        view.page(kind, cursor, &self.meta, &cursors, context)
    }

    /// The only member, if everything passes as it is.
    pub(super) fn sole(&self) -> Option<Arc<MemberEntry>> {
        let is_governed = self.shared.enforcement().is_some() || self.shared.guarding().is_some();
        let is_plain = self.instructions.is_none() && self.selection.is_all() && !is_governed;
        self.shared.members().sole().filter(|_| is_plain).cloned()
    }

    /// Where the name of a tool or prompt leads, as far as the lists are known.
    ///
    /// A name with the prefix of a member whose list is not known leads there: its server says whether it has such an item. Where
    /// some items need scopes of their own, only the list says which one it is.
    ///
    /// # Errors
    /// If the tool or prompt is held back.
    pub(super) fn named(&self, view: &View, kind: NameKind, name: &str) -> Result<Option<Target>, Error> {
        let list = match kind {
            NameKind::Tool => ListKind::Tools,
            NameKind::Prompt => ListKind::Prompts,
        };
        if let Some(route) = view.route(list, name)? {
            let Route { member, name, own, listed } = route;
            return Ok(Some(Target { member, own, name: Some(name), listed: Some(listed) }));
        }
        if !view.offers(name) {
            return Ok(None);
        }
        // What is known of an item, and under which name, is in its list: rules and guards are asked about nothing else. Some servers
        // take a similar name (`Query`) for one that is guarded (`query`).
        if self.shared.enforcement().is_some() || self.shared.guarding().is_some() {
            return Ok(None);
        }
        // Only its list says whether an item is held back, whose rate it has, and whether it only reads.
        let open = view.unknown(list).into_iter();
        let open = open.filter(|member| {
            !member.core.holds_back()
                && member.rates.is_empty()
                && member.cache.is_none()
                && member.places.is_empty()
        });
        Ok(open.into_iter().find_map(|member| {
            let own = member.naming.own_name(kind, &member.core.name, name)?;
            let own = Some(own).filter(|own| member.naming.may_be_unlisted(kind, own))?;
            Some(Target { member, own: own.into(), name: None, listed: None })
        }))
    }

    /// Where the URI of a resource, or a URI template, leads, as far as the lists are known.
    ///
    /// # Errors
    /// If the resource or template is held back.
    pub(super) fn resource(&self, view: &View, uri: &str) -> Result<Option<Target>, Error> {
        const LISTS: [ListKind; 2] = [ListKind::Resources, ListKind::Templates];
        if !view.offers(uri) {
            return Ok(None);
        }
        if !is_web(uri)
            && let Some((alias, own)) = resolve(uri)
            && let Some(member) = self.shared.members().with_alias(alias).cloned()
        {
            if member.core.holds_back() {
                for kind in LISTS {
                    view.route(kind, uri)?;
                }
            }
            self.check_spelling(view, uri, &own)?;
            return Ok(Some(Target { member, own: own.into(), name: None, listed: None }));
        }
        self.check_spelling(view, uri, uri)?;
        let mut listed = None;
        for kind in LISTS {
            listed = listed.or(view.route(kind, uri)?.map(|route| route.member));
        }
        let listed = listed.or_else(|| view.template_member(uri));
        let member = listed.or_else(|| if is_web(uri) { None } else { self.keeping(view) });
        Ok(member.map(|member| Target { member, own: uri.into(), name: None, listed: None }))
    }

    /// Checks the spelling of a URI that no list has, if rules look at URIs: they compare texts, and a server may take another text for the
    /// same URI.
    ///
    /// # Errors
    /// -32602, whether the resource is there or not.
    fn check_spelling(&self, view: &View, uri: &str, own: &str) -> Result<(), Error> {
        if self.shared.enforcement().is_none_or(|policy| !policy.looks_at_uris())
            || uri_spelling::is_usual(own)
        {
            return Ok(());
        }
        for kind in [ListKind::Resources, ListKind::Templates] {
            if view.route(kind, uri)?.is_some() {
                return Ok(());
            }
        }
        Err(Error::invalid_params(
            "rules of this gateway look at URIs, so one that is not listed is to have its usual spelling (RFC 3986, section 6.2): without \".\", \"..\" \
             and empty segments, %XX for what needs none, upper case in scheme or host, a default port, a user, \"\\\" and control characters",
        ))
    }

    /// Where a URI template, or the URI of a resource, leads whose variables are completed, as far as the lists are known. Under rules, it
    /// leads nowhere unless it is listed: a server refuses what it does not have in words of its own, which would tell it from what is
    /// hidden.
    ///
    /// # Errors
    /// If the resource or template is held back.
    pub(super) fn template(&self, view: &View, template: &str) -> Result<Option<Target>, Error> {
        let found = self.resource(view, template)?;
        if self.shared.enforcement().is_some()
            && view.route(ListKind::Templates, template)?.is_none()
            && view.route(ListKind::Resources, template)?.is_none()
        {
            return Ok(None);
        }
        Ok(found)
    }

    /// The member whose URIs stay as they are: servers may have resources that they do not list. Of several, the first one,
    /// once it is known that none of them lists it.
    fn keeping(&self, view: &View) -> Option<Arc<MemberEntry>> {
        let members = self.shared.members();
        let mut keeping = members.keeping();
        let first = keeping.next()?;
        let are_known =
            || view.unknown(ListKind::Resources).is_empty() && view.unknown(ListKind::Templates).is_empty();
        (keeping.next().is_none() || are_known()).then(|| first.clone())
    }
}
