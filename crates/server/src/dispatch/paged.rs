//! Templates that list their resources page by page.

use std::sync::Arc;

use anyport_protocol::{Error, Raw, jsonrpc, types};

use super::lines::{StartedListing, inside, line, listing, whole};
use crate::{
    Context, PageQuery, ResourcePage,
    core::Served,
    list::{Line, Listing, Pages, no_cursor},
    registry::{Item, Registry},
    resource::TemplateEntry,
};

/// A request for a list that ends with templates that list page by page.
pub(super) struct PagedListing {
    server: Arc<Served>,
    context: Context,
    registry: Arc<Registry>,
    params: jsonrpc::Params,
    size: usize,
    /// These templates, in order.
    templates: Vec<Arc<Item<TemplateEntry>>>,
}

/// A page of the list.
pub(super) enum Page {
    /// It is in front of the templates that list page by page.
    Front(Pages),
    /// These lines, and what the cursor behind them holds.
    Lines(Vec<Raw>, Option<String>),
}

/// Where in the templates a page begins.
#[derive(Default)]
struct ListPosition {
    template: usize,
    cursor: Option<String>,
}

impl PagedListing {
    pub(super) fn new(
        server: Arc<Served>,
        context: &Context,
        registry: Arc<Registry>,
        params: &jsonrpc::Params,
        templates: Vec<Arc<Item<TemplateEntry>>>,
    ) -> Self {
        let size = server.core.about.page_size.max(1);
        Self { server, context: context.clone(), registry, params: params.clone(), size, templates }
    }

    /// Returns the requested page. `front` are the resources that are listed as a whole: the fixed ones, and those of
    /// templates that list at once.
    ///
    /// Each template is called at most once, so that endless empty pages delay no caller; a page may be shorter for it.
    /// 2026-07-28, pagination §Implementation Guidelines: clients "MUST NOT assume a fixed page size".
    ///
    /// # Errors
    /// -32602 for a cursor that is none of ours, and what the functions say.
    pub(super) async fn page(self, fixed: Arc<Pages>, listings: Vec<StartedListing>) -> Result<Page, Error> {
        let mut lines: Vec<Raw> = Vec::new();
        let mut place = match self.begins()? {
            Some(place) => place,
            None => {
                let front = Pages::new(whole(&fixed, listings).await?, self.size, false);
                match front.last_page(self.params.raw(), &self.listing())? {
                    None => return Ok(Page::Front(front)),
                    Some(rest) => lines.extend(rest.iter().map(|(_, written)| written.clone())),
                }
                ListPosition::default()
            }
        };
        while lines.len() < self.size
            && let Some(item) = self.templates.get(place.template)
        {
            let query = PageQuery { cursor: place.cursor.take(), size: self.size - lines.len() };
            let page = self.ask(item, query).await?;
            for resource in page.resources {
                lines.extend(self.line(item, resource)?);
            }
            place.cursor = page.next;
            if place.cursor.is_some() {
                break;
            }
            place.template += 1;
        }
        let next = self.templates.get(place.template).map(|item| place.text(item));
        Ok(Page::Lines(lines, next))
    }

    fn listing(&self) -> Listing<'_> {
        listing(&self.server, self.server.core.about.ttls.listed, self.context.principal())
    }

    /// Where in the templates the page begins; `None` if it begins in front of them.
    fn begins(&self) -> Result<Option<ListPosition>, Error> {
        let Some(cursor) = self.params.member("cursor") else { return Ok(None) };
        let text = self.listing().open(cursor.as_str(), false).ok_or_else(no_cursor)?;
        let Some((template, cursor)) = ListPosition::read(&text) else { return Ok(None) };
        let place = self.templates.iter().position(|item| *item.key == *template);
        let template = place.ok_or_else(no_cursor)?;
        Ok(Some(ListPosition { template, cursor: cursor.map(str::to_owned) }))
    }

    async fn ask(&self, item: &Arc<Item<TemplateEntry>>, query: PageQuery) -> Result<ResourcePage, Error> {
        let Some((context, lister)) = inside(&self.context, item).zip(item.entry().pages()) else {
            return Ok(ResourcePage::default());
        };
        lister(query, context).await
    }

    /// How a resource is listed; `None` if not this template would read it.
    fn line(&self, item: &Arc<Item<TemplateEntry>>, resource: types::Resource) -> Result<Option<Raw>, Error> {
        let caller = self.context.principal();
        if self.registry.resources.find(&resource.uri, caller).is_some() {
            return Ok(None);
        }
        let reader = |uri: &str| self.registry.templates.seen(caller).find(|item| item.entry().makes(uri));
        if reader(&resource.uri).is_some_and(|reader| !Arc::ptr_eq(reader, item)) {
            return Ok(None);
        }
        Ok(line(item, resource)?.map(|(_, written): Line| written))
    }
}

impl ListPosition {
    /// As it stands in a cursor. No template has a line break in it.
    fn text(&self, item: &Item<TemplateEntry>) -> String {
        match &self.cursor {
            Some(cursor) => format!("{IN_TEMPLATE}{}\n{cursor}", item.key),
            None => format!("{IN_TEMPLATE}{}", item.key),
        }
    }

    /// The template and its own cursor; `None` if `text` is that of another kind of cursor.
    fn read(text: &str) -> Option<(&str, Option<&str>)> {
        let text = text.strip_prefix(IN_TEMPLATE)?;
        Some(text.split_once('\n').map_or((text, None), |(template, cursor)| (template, Some(cursor))))
    }
}

/// The prefix of cursors in a template's list; others begin with `resources\n`.
const IN_TEMPLATE: &str = "resources of\n";
