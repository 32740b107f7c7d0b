//! How the resources that templates list are put into the lines of a list.

use std::{collections::HashSet, sync::Arc};

use anyport_protocol::{Error, Raw, types};
use anyport_service::Principal;

use crate::{
    Context, List,
    ask::HandlerFuture,
    core::Served,
    list::{Line, Listing, Pages},
    registry::{Item, Target},
    resource::{Lister, TemplateEntry},
};

/// The resources that are listed as a whole: the fixed ones, then those that templates list at once, without
/// duplicates.
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
pub(super) fn begin(context: &Context, item: Arc<Item<TemplateEntry>>) -> Option<StartedListing> {
    let inside = inside(context, &item)?;
    let Lister::Whole(function) = item.entry().lister()? else { return None };
    let handling = function(inside);
    Some((item, handling))
}

/// The context of a call in the server that `item` is of.
pub(super) fn inside(context: &Context, item: &Arc<Item<TemplateEntry>>) -> Option<Context> {
    let (mut inside, mut at) = (context.clone(), item);
    while let Target::Mounted(place, theirs) = &at.target {
        let server = Served::of(&inside).view(*place)?;
        (inside, at) = (inside.inside(server.handle()), theirs);
    }
    Some(inside)
}

/// The list entry of `resource`, or `None` if it does not belong to the template.
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

pub(super) fn listing<'a>(
    server: &'a Served,
    ttl: std::time::Duration,
    caller: &'a Principal,
) -> Listing<'a> {
    let size = server.core.about.page_size;
    Listing {
        list: List::Resources,
        size,
        ttl,
        sealer: server.env.scope.sealer(),
        identity: &server.env.identity,
        caller,
    }
}
