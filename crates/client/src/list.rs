use std::{
    collections::HashSet, fmt, future::IntoFuture, marker::PhantomData, pin::Pin, sync::Arc, time::Duration,
};

use anyport_protocol::{
    Method, Raw,
    jsonrpc::code,
    types::{
        ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, Prompt,
        Resource, ResourceTemplate, Tool,
    },
};
use anyport_service::Request;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{Error, core::Core, decode::decode, exchange::Options};

/// A list of a server.
pub trait Listed: sealed::Listed + Send + Sized + Unpin + 'static {}

impl<T: sealed::Listed + Send + Unpin + 'static> Listed for T {}

mod sealed {
    use super::{DeserializeOwned, Method, Tool};

    pub trait Listed: Sized {
        const METHOD: Method;
        type Page: DeserializeOwned;
        /// The entries of a page, and where the next one begins.
        fn open(page: Self::Page) -> (Vec<Self>, Option<String>);

        /// The entry as a tool, if it is one.
        fn as_tool(&self) -> Option<&Tool> {
            None
        }
    }
}

macro_rules! listed {
    ($($entry:ident by $method:ident in $page:ident.$member:ident $(, $as_tool:item)?;)*) => { $(
        impl sealed::Listed for $entry {
            const METHOD: Method = Method::$method;
            type Page = $page;

            fn open(page: $page) -> (Vec<Self>, Option<String>) {
                (page.$member, page.next_cursor)
            }

            $($as_tool)?
        }
    )* };
}

listed! {
    Tool by ToolsList in ListToolsResult.tools, fn as_tool(&self) -> Option<&Tool> { Some(self) };
    Resource by ResourcesList in ListResourcesResult.resources;
    ResourceTemplate by TemplatesList in ListResourceTemplatesResult.resource_templates;
    Prompt by PromptsList in ListPromptsResult.prompts;
}

/// A list that is about to be read. Awaiting it reads all of it; [`List::pages`] reads it page by page.
///
/// Tools that break the rules for mirrored headers are left out, with a warning in the log: 2026-07-28, tools
/// §x-mcp-header.
#[must_use = "a list is read by awaiting it"]
pub struct List<T> {
    core: Arc<Core>,
    fresh: bool,
    timeout: Option<Duration>,
    entry: PhantomData<fn() -> T>,
}

impl<T: Listed> List<T> {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core, fresh: false, timeout: None, entry: PhantomData }
    }

    /// Skips the cache.
    pub fn fresh(mut self) -> Self {
        self.fresh = true;
        self
    }

    /// How long each page may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The list page by page, read as it is wanted.
    pub fn pages(self) -> Pages<T> {
        Pages { list: self, next: Some(None), seen: HashSet::new(), read: 0, cached: false }
    }

    async fn all(self) -> Result<Vec<T>, Error> {
        let core = self.core.clone();
        let again = List { core: core.clone(), fresh: true, timeout: self.timeout, entry: PhantomData };
        let mut pages = self.pages();
        match pages.rest().await {
            // 2026-07-28, caching §Interaction with Pagination: "If a cursor becomes invalid [...], the client SHOULD
            // discard all cached pages and re-fetch from the beginning".
            Err(error) if pages.cached && error.code() == Some(code::INVALID_PARAMS) => {
                core.cache.forget(&[T::METHOD]);
                again.pages().rest().await
            }
            read => read,
        }
    }
}

impl<T: Listed> IntoFuture for List<T> {
    type Output = Result<Vec<T>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.all())
    }
}

impl<T> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").field("fresh", &self.fresh).finish_non_exhaustive()
    }
}

/// A list page by page.
#[derive(Debug)]
pub struct Pages<T> {
    list: List<T>,
    /// The cursor of the next page, `Some(None)` for the first one.
    next: Option<Option<String>>,
    /// Where pages began.
    seen: HashSet<String>,
    read: usize,
    /// Whether any page came from the cache.
    cached: bool,
}

impl<T: Listed> Pages<T> {
    /// The next page; `None` after the last one. A page may be empty.
    ///
    /// # Errors
    /// As of any call; and [`Error::Endless`] when the server leads in a circle, or to too many pages. After an error the
    /// same page can be tried again.
    pub async fn next(&mut self) -> Result<Option<Vec<T>>, Error> {
        let Some(cursor) = &self.next else { return Ok(None) };
        let core = &self.list.core;
        let endless = |fault| Error::Endless { method: T::METHOD.as_str().into(), fault };
        if self.read >= core.max_pages {
            return Err(endless(format!("more than {} pages (max_pages)", core.max_pages)));
        }
        let params = match cursor {
            Some(cursor) => Raw::from(json!({ "cursor": cursor })),
            None => Raw::EMPTY_OBJECT,
        };
        let mut options =
            Options { fresh: self.list.fresh, timeout: self.list.timeout, ..Options::default() };
        let (page, cached) = core.cached(&Request::new(T::METHOD, params), &mut options).await?;
        let valid = (T::METHOD == Method::ToolsList).then(|| core.tools.learn(&page)).flatten();
        let (entries, next) = T::open(decode(T::METHOD.as_str(), &valid.unwrap_or(page))?);
        entries.iter().filter_map(T::as_tool).for_each(|tool| core.outputs.learn(tool));
        if let Some(cursor) = &next
            && !self.seen.insert(cursor.clone())
        {
            return Err(endless(format!("the cursor {cursor:.80?} came twice")));
        }
        self.read += 1;
        self.cached |= cached;
        self.next = next.map(Some);
        Ok(Some(entries))
    }

    async fn rest(&mut self) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        while let Some(page) = self.next().await? {
            all.extend(page);
        }
        Ok(all)
    }
}
