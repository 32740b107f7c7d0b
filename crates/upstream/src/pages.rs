//! Lists that come in pages, read as a whole.

use std::{collections::BTreeSet, fmt::Write as _};

use anyport_protocol::{
    Method, Raw,
    failure::Failure,
    json::{Elements, Splice},
};
use anyport_service::{Context, Emitter, Outcome, Reply, Request, Service, emit};

/// The largest number of entries in one page (`list_max`); further ones are on the next page.
pub const LIST_MAX: usize = 1_000;
/// The most bytes of them.
const LIST_BYTES: usize = 8 << 20;
/// The most pages that are read for one: a server may have ever another page, and nothing on it.
const PAGES: usize = LIST_MAX;

/// The member of a list's result that has its entries.
fn entries(method: Method) -> &'static str {
    match method {
        Method::ToolsList => "tools",
        Method::PromptsList => "prompts",
        Method::TemplatesList => "resourceTemplates",
        _ => "resources",
    }
}

/// A list as one page: clients exist that never ask for the second. Of a list that is
/// longer than may be the page goes so far, and names the next.
pub fn whole<S: Service + Clone>(server: &S, method: Method, request: Request, context: Context) -> Reply {
    let server = server.clone();
    emit::reply(async move |emitter| {
        match emitter.relay(server.call(request.clone(), context.clone())).await {
            Outcome::Result(page) if next(&page).is_some() => {
                rest(&server, method, &request, &context, page, &emitter).await
            }
            outcome => outcome,
        }
    })
}

/// Reads the pages after the first, and puts all of them into one.
///
/// 2026-07-28, utilities/pagination: cursors are the server's own, and opaque. One that comes a second time would never
/// end.
async fn rest(
    server: &impl Service,
    method: Method,
    request: &Request,
    context: &Context,
    first: Raw,
    emitter: &Emitter,
) -> Outcome {
    let name = entries(method);
    let (mut seen, mut all, mut count) = (BTreeSet::new(), String::from("["), 0_usize);
    let mut cursor = next(&first);
    add(&first, name, &mut all, &mut count);
    let has_room =
        |count: usize, bytes: usize, pages: usize| count < LIST_MAX && bytes < LIST_BYTES && pages < PAGES;
    while let Some(at) = cursor.clone().filter(|_| has_room(count, all.len(), seen.len())) {
        if !seen.insert(at.to_string()) {
            return Outcome::from(looping(method, &at));
        }
        let params = Splice::retain(request.params.raw(), |key| key != "cursor").with("cursor", &at).finish();
        let page = Request { method: request.method.clone(), params: params.into() };
        let page = match emitter.relay(server.call(page, context.clone())).await {
            Outcome::Result(page) => page,
            outcome => return outcome,
        };
        add(&page, name, &mut all, &mut count);
        cursor = next(&page);
    }
    all.push(']');
    let list = Splice::retain(&first, |key| key != name && key != "nextCursor")
        .with(name, &Raw::trusted(all.into_bytes()));
    Outcome::Result(match cursor {
        Some(cursor) => list.with("nextCursor", &cursor).finish(),
        None => list.finish(),
    })
}

fn add(page: &Raw, name: &str, all: &mut String, count: &mut usize) {
    let Some(entries) = page.member(name).filter(Raw::is_array) else { return };
    for entry in Elements::of(entries.as_str()) {
        let comma = if *count == 0 { "" } else { "," };
        // Writing to a string does not fail.
        let _ = write!(all, "{comma}{entry}");
        *count += 1;
    }
}

/// The cursor of the page after this one. The empty text is one.
pub fn next(page: &Raw) -> Option<Raw> {
    page.member("nextCursor").filter(|cursor| !cursor.is_null())
}

/// The failure of a list with pages that lead back to one that was read.
pub fn looping(method: Method, cursor: &Raw) -> Failure {
    Failure::InvalidPeer(format!(
        "{} never ends: the server names the cursor {:.64} again after the page that it leads to",
        method.as_str(),
        cursor.as_str()
    ))
}
