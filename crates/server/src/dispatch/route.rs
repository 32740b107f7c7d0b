use std::{sync::Arc, time::Duration};

use anyport_protocol::{Error, Method};
use anyport_service::{Context, Reply, Request};

use super::{completion, listing, prompts, resources, subscriptions, tools};
use crate::{
    List,
    core::Served,
    list::Listing,
    registry::{Catalog, Registry},
};

/// Answers `request` with `server`, which is within its middleware.
///
/// # Errors
/// What ends the call before its handler is reached.
pub(crate) fn answer(server: &Arc<Served>, request: Request, context: Context) -> Result<Reply, Error> {
    let (offers, ttls) = (server.core.offers, server.core.about.ttls);
    match request.known() {
        Some(Method::ToolsCall) if offers.tools => tools::call(server, request.params, context),
        Some(Method::ToolsList) if offers.tools => {
            list(server, (List::Tools, ttls.tools), |registry| &*registry.tools, &request, &context)
        }
        Some(Method::ResourcesRead) if offers.resources => resources::read(server, request.params, context),
        Some(Method::ResourcesList) if offers.resources => listing::list(server, request.params, context),
        Some(Method::TemplatesList) if offers.resources => list(
            server,
            (List::Templates, ttls.templates),
            |registry| &*registry.templates,
            &request,
            &context,
        ),
        Some(Method::PromptsGet) if offers.prompts => prompts::get(server, request.params, context),
        Some(Method::PromptsList) if offers.prompts => {
            list(server, (List::Prompts, ttls.prompts), |registry| &*registry.prompts, &request, &context)
        }
        Some(Method::Complete) if offers.completions => completion::complete(server, request.params, context),
        Some(Method::Listen) => subscriptions::listen(server, request.params.raw(), context.authorization()),
        Some(Method::Discover) => Ok(Reply::ready(Ok(server.core.discovery.clone()))),
        _ => Err(Error::method_not_found(&request.method)),
    }
}

/// Answers a list that is one catalog.
fn list<E>(
    server: &Served,
    (list, ttl): (List, Duration),
    catalog: fn(&Registry) -> &Catalog<E>,
    request: &Request,
    context: &Context,
) -> Result<Reply, Error> {
    let size = server.core.about.page_size;
    let (sealer, identity) = (server.env.scope.sealer(), &server.env.identity);
    let caller = context.principal();
    let listing = Listing { list, size, ttl, sealer, identity, caller };
    let registry = server.core.registry.load();
    let page = catalog(&registry).page(request.params.raw(), caller, &listing)?;
    Ok(Reply::ready(Ok(page)))
}
