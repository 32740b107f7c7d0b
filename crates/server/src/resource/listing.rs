//! Resources that templates list.

use std::{collections::HashSet, fmt::Display, future::Future, sync::Arc};

use anyport_protocol::{Error, Method, Raw, jsonrpc, types};
use anyport_service::Reply;

use super::{
    TemplateEntry,
    paged::{IntoResourcePage, ListPage, Page, PageQuery, PagedListing, list_page},
};
use crate::{
    Context, Failure, List,
    ask::{self, Dialogue, HandlerFuture},
    error::ErrorReport,
    list::{Line, Listing, Pages},
    registry::{Item, Target},
    server::Served,
};

/// What the function of [`crate::Template::list`] may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be listed as resources",
    note = "return a `Vec<types::Resource>`, or a `Result` of one"
)]
pub trait IntoResources {
    /// The resources.
    ///
    /// # Errors
    /// What ends the request instead.
    fn into_resources(self) -> Result<Vec<types::Resource>, Error>;
}

impl IntoResources for Vec<types::Resource> {
    fn into_resources(self) -> Result<Vec<types::Resource>, Error> {
        Ok(self)
    }
}

/// An `Err` ends the list with -32603 and its words; see [`crate::ErrorKind`] for those that say more than words.
impl<T: IntoResources, E: Display + 'static> IntoResources for Result<T, E> {
    fn into_resources(self) -> Result<Vec<types::Resource>, Error> {
        self.map_err(|error| ErrorReport::of(&error).into_error())?.into_resources()
    }
}

/// An `Err` is the protocol error that ends the list.
impl<T: IntoResources> IntoResources for Result<T, Failure> {
    fn into_resources(self) -> Result<Vec<types::Resource>, Error> {
        self.map_err(|Failure(error)| error)?.into_resources()
    }
}

/// The function that lists a template's resources.
pub(super) enum Lister {
    Whole(Box<ListResources>),
    Pages(Box<ListPage>),
}

type ListResources = dyn Fn(Context) -> HandlerFuture<Result<Vec<types::Resource>, Error>> + Send + Sync;

impl Lister {
    pub(super) fn new<F, R>(function: F) -> Self
    where
        F: Fn(Context) -> R + Send + Sync + 'static,
        R: Future<Output: IntoResources> + Send + 'static,
    {
        Self::Whole(Box::new(move |context| {
            let resources = function(context);
            Box::pin(async move { resources.await.into_resources() })
        }))
    }

    pub(super) fn pages<F, R>(function: F) -> Self
    where
        F: Fn(PageQuery, Context) -> R + Send + Sync + 'static,
        R: Future<Output: IntoResourcePage> + Send + 'static,
    {
        Self::Pages(list_page(function))
    }
}

impl std::fmt::Debug for Lister {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lister")
    }
}

/// Answers `resources/list`: the fixed resources, then those that templates list.
///
/// 2026-07-28, resources §Capabilities: servers "MUST respond to `resources/list` requests with the set of resources
/// currently available to the requesting client".
///
/// # Errors
/// -32602 for a cursor that is none of ours.
pub(crate) fn list(
    server: &Arc<Served>,
    params: jsonrpc::Params,
    service: anyport_service::Context,
) -> Result<Reply, Error> {
    let registry = server.registry.load();
    let templates = &registry.templates;
    if !templates.items().values().any(|item| item.entry().lister().is_some()) {
        let listing = listing(server, server.about.ttls.resources);
        return Ok(Reply::ready(Ok(registry.resources.page(&params, service.principal(), &listing)?)));
    }
    let fixed = registry.resources.pages(service.principal(), server.about.page_size);
    let seen = templates.seen(service.principal()).filter(|item| item.entry().lister().is_some()).cloned();
    let (paged, seen): (Vec<_>, Vec<_>) = seen.partition(|item| item.entry().pages().is_some());
    let call = (Method::ResourcesList, params.clone());
    let context = Context::new(server.clone(), service, call, Dialogue::default());
    let listings: Vec<StartedListing> = seen.into_iter().filter_map(|item| begin(&context, item)).collect();
    let walk = PagedListing::new(&context, Arc::clone(&registry), &params, paged);
    let handling: HandlerFuture<Result<Page, Error>> = Box::pin(walk.page(fixed, listings));
    Ok(ask::run(context, handling, None, move |context, page| {
        let server = context.inner();
        let listing = listing(server, server.about.ttls.listed);
        // 2026-07-28, caching §Choosing a Cache Scope: private is for "filtered list results that vary per user", and
        // whether these do, only the functions know. All pages come from here, so they have one scope.
        let page = page.and_then(|page| match page {
            Page::Front(pages) => pages.page(&params, &listing),
            Page::Lines(lines, next) => listing.write(lines.iter(), next, false),
        });
        page.into()
    }))
}

/// What is listed as a whole: the fixed resources, then those that templates list so. None of them twice.
pub(super) async fn whole(fixed: &Pages, listings: Vec<StartedListing>) -> Result<Vec<Line>, Error> {
    let mut lines: Vec<Line> = fixed.lines().to_vec();
    let mut known: HashSet<Arc<str>> = lines.iter().map(|(uri, _)| uri.clone()).collect();
    for (item, resources) in listings {
        for resource in resources.await? {
            let line = line(&item, resource)?;
            lines.extend(line.filter(|(uri, _)| known.insert(uri.clone())));
        }
    }
    Ok(lines)
}

/// A template, and its function, which was called.
pub(super) type StartedListing =
    (Arc<Item<TemplateEntry>>, HandlerFuture<Result<Vec<types::Resource>, Error>>);

/// Calls the function of `item`, in the server that it is of.
fn begin(context: &Context, item: Arc<Item<TemplateEntry>>) -> Option<StartedListing> {
    let inside = inside(context, &item)?;
    let Lister::Whole(function) = item.entry().lister()? else { return None };
    let handling = function(inside);
    Some((item, handling))
}

/// The context of a call in the server that `item` is of.
pub(super) fn inside(context: &Context, item: &Arc<Item<TemplateEntry>>) -> Option<Context> {
    let (mut inside, mut at) = (context.clone(), item);
    while let Target::Mounted(place, theirs) = &at.target {
        let server = inside.inner().view(*place)?;
        (inside, at) = (inside.inside(server), theirs);
    }
    Some(inside)
}

/// How `resource` is listed; `None` if it is none of the template's.
pub(super) fn line(item: &Item<TemplateEntry>, mut resource: types::Resource) -> Result<Option<Line>, Error> {
    if !item.entry().makes(&resource.uri) {
        tracing::warn!(
            template = &*item.key,
            uri = resource.uri,
            "a template lists a resource that it cannot read"
        );
        return Ok(None);
    }
    if resource.mime_type.is_none() {
        resource.mime_type = item.entry().mime_type().map(str::to_owned);
    }
    let written = Raw::of(&resource).map_err(|error| Error::internal(error.to_string()))?;
    Ok(Some((resource.uri.into(), written)))
}

pub(super) fn listing(server: &Served, ttl: std::time::Duration) -> Listing<'_> {
    let size = server.about.page_size;
    Listing { list: List::Resources, size, ttl, sealer: server.sealer(), identity: &server.identity }
}
