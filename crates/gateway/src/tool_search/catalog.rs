//! The tools of a service as a caller can list them, with their index.

use std::{collections::VecDeque, sync::Arc};

use anyport_protocol::{Error, Method, Raw, json::Elements};
use anyport_service::{Context, Emitter, Outcome, Request, Service, sync::Lock};
use anyport_upstream::pages;

use super::ToolIndex;

/// The tools that a caller can list.
#[derive(Debug)]
pub(super) struct Catalog {
    pages: Vec<Raw>,
    pub(super) index: ToolIndex,
    /// The `_meta` of the list: who the server is.
    pub(super) meta: Option<Raw>,
}

/// The catalogs that were searched lately.
///
/// They are found by the text of their lists, which the service returns for each search: so none outlives its list, and
/// callers share one only if they can list the same tools.
#[derive(Debug, Default)]
pub(super) struct Catalogs(Lock<VecDeque<Arc<Catalog>>>);

/// The most catalogs that are kept: callers of a few roles, in both eras.
const MOST: usize = 8;
/// The most pages of a list; one has a thousand tools at most.
const PAGES: usize = 100;

impl Catalogs {
    /// The catalog of a list.
    pub(super) async fn get(&self, pages: Vec<Raw>, meta: Option<Raw>) -> Result<Arc<Catalog>, Outcome> {
        let known = self.0.lock().iter().find(|known| known.pages == pages).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        // The index of ten thousand tools takes some tenths of a second.
        let built = tokio::task::spawn_blocking(move || {
            let index = ToolIndex::build(&pages.iter().flat_map(tools).collect::<Vec<_>>());
            Arc::new(Catalog { pages, index, meta })
        });
        let built = built.await.map_err(|_| Outcome::from(Error::internal("the tools cannot be indexed")))?;
        let mut catalogs = self.0.lock();
        catalogs.truncate(MOST - 1);
        catalogs.push_front(built.clone());
        Ok(built)
    }
}

/// Reads all tools that a caller can list: the lists of tools of each page as they stand, and the first page's `_meta`.
///
/// # Errors
/// The outcome of a page that is no list.
pub(super) async fn read<S: Service>(
    service: &Arc<S>,
    context: Context,
    emitter: &Emitter,
) -> Result<(Vec<Raw>, Option<Raw>), Outcome> {
    let (mut lists, mut meta) = (Vec::new(), None);
    let mut params = Raw::EMPTY_OBJECT;
    loop {
        let request = Request::new(Method::ToolsList, params);
        let reply = pages::whole(service, Method::ToolsList, request, context.clone());
        let page = match emitter.relay(reply).await {
            Outcome::Result(page) => page,
            outcome => return Err(outcome),
        };
        lists.extend(page.member("tools").filter(Raw::is_array));
        if lists.len() == 1 {
            meta = page.member("_meta");
        }
        match pages::next(&page) {
            Some(cursor) if lists.len() < PAGES => params = Raw::from(serde_json::json!({"cursor": cursor})),
            Some(_) => {
                tracing::warn!(pages = PAGES, "the list of tools is longer than is searched");
                return Ok((lists, meta));
            }
            None => return Ok((lists, meta)),
        }
    }
}

/// The definitions in a list.
fn tools(list: &Raw) -> impl Iterator<Item = Raw> {
    Elements::of(list.as_str()).map(|tool| list.slice(tool))
}
