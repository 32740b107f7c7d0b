use anyport_protocol::{Method, Raw, json::Splice};
use anyport_service::{Context, Outcome, Request, Service};

use crate::pages;

/// Reads the list of tools page by page, until `is_enough`. The connections of `service` learn from each page.
///
/// # Errors
/// The outcome of a page that is not a result.
pub(crate) async fn list_tools(
    service: &impl Service,
    context: &Context,
    is_enough: impl Fn() -> bool,
) -> Result<(), Outcome> {
    let mut cursor: Option<Raw> = None;
    for _ in 0..MAX_PAGES {
        let params = cursor.iter().fold(Splice::new(), |params, cursor| params.with("cursor", cursor));
        let request = Request::new(Method::ToolsList, params.finish());
        let page = match service.call(request, context.clone()).outcome().await {
            Outcome::Result(page) => page,
            outcome => return Err(outcome),
        };
        let next = pages::next(&page);
        if is_enough() || next.is_none() || next == cursor {
            break;
        }
        cursor = next;
    }
    Ok(())
}

/// The most pages of a list of tools that are read for the headers of one call.
const MAX_PAGES: usize = 100;
