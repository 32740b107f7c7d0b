//! `resources/list`: the fixed resources, then those that templates list.

use std::sync::Arc;

use anyport_protocol::{Error, Method, jsonrpc};
use anyport_service::Reply;

use super::{
    lines::{StartedListing, begin, listing},
    paged::{Page, PagedListing},
};
use crate::{
    Context,
    ask::{self, Dialogue, HandlerFuture},
    core::Served,
};

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
    let registry = server.core.registry.load();
    let templates = &registry.templates;
    if !templates.items().values().any(|item| item.entry().lister().is_some()) {
        let listing = listing(server, server.core.about.ttls.resources, service.principal());
        return Ok(Reply::ready(Ok(registry.resources.page(params.raw(), service.principal(), &listing)?)));
    }
    let fixed = registry.resources.pages(service.principal(), server.core.about.page_size);
    let seen = templates.seen(service.principal()).filter(|item| item.entry().lister().is_some()).cloned();
    let (paged, seen): (Vec<_>, Vec<_>) = seen.partition(|item| item.entry().pages().is_some());
    let call = (Method::ResourcesList, params.clone());
    let context = Context::new(server.handle(), service, call, Dialogue::default());
    let listings: Vec<StartedListing> = seen.into_iter().filter_map(|item| begin(&context, item)).collect();
    let walk = PagedListing::new(server.clone(), &context, Arc::clone(&registry), &params, paged);
    let handling: HandlerFuture<Result<Page, Error>> = Box::pin(walk.page(fixed, listings));
    Ok(ask::run(context, handling, None, move |context, page| {
        let server = Served::of(context);
        let listing = listing(&server, server.core.about.ttls.listed, context.principal());
        // 2026-07-28, caching §Choosing a Cache Scope: private is for "filtered list results that vary per user", and
        // whether these do, only the functions know. All pages come from here, so they have one scope.
        let page = page.and_then(|page| match page {
            Page::Front(pages) => pages.page(params.raw(), &listing),
            Page::Lines(lines, next) => listing.write(lines.iter(), next, false),
        });
        page.into()
    }))
}
