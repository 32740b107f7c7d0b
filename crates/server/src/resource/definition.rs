use std::{future::Future, time::Duration};

use anyport_protocol::types::{self, Annotations, Icon, MetaObject};
use serde::de::DeserializeOwned;

use super::{
    contents::{Contents, IntoContents, ReadTarget},
    lister::{IntoResourcePage, IntoResources, Lister, PageQuery},
};
use crate::{
    Context, Values,
    ask::HandlerFuture,
    completer::{Completer, completes},
    scopes::{RequiredScopes, require},
    state::{StateType, needs_state},
    values::{Check, Source, Unreadable, check},
    visibility::{VisibilityRule, visible_to},
    write::Freshness,
};

/// A resource: one URI and the function that reads it.
///
/// ```
/// use anyport_server::{Context, Resource};
///
/// let motd = Resource::new("notes:///motd")
///     .name("motd")
///     .mime_type("text/plain")
///     .read(async |_: Context| "Be kind.");
/// # let _ = motd;
/// ```
#[derive(Debug)]
pub struct Resource<H = ResourceHandler> {
    pub(super) definition: types::Resource,
    pub(super) freshness: Freshness,
    pub(crate) visible: Option<VisibilityRule>,
    pub(crate) scopes: RequiredScopes,
    pub(crate) needs: Vec<StateType>,
    pub(super) handler: H,
}

/// A resource template: a URI template (RFC 6570) and the function that reads the resources it matches.
///
/// The template is matched backwards, from a URI to its variables. Values are percent-decoded.
///
/// | expression | what it matches |
/// |---|---|
/// | `{a}` | one or more characters, none of them `/`, `?`, `#` or `\`, not even percent-encoded `/` and `\` |
/// | `{+a}` | one or more of any characters; it may begin with `/`, so join it to a folder with care |
/// | `{#a}`, `{.a}`, `{/a}` | the same behind `#`, `.` or `/`; or nothing, and the variable is absent |
/// | `{/a,b}` | several, filled from the left; those at the end may be absent |
/// | `{?a,b}`, `{&a,b}`, `{;a,b}` | parameters by name, in any order, each absent or there once |
/// | `{/a*}`, `{?a*}` | a list |
/// | `{a:3}` | at most three characters |
///
/// A URI with a parameter that the template does not name does not match: it would be another resource under another
/// name. No value may have a segment `..` or a NUL, in whatever encoding. A template that cannot be matched backwards is
/// refused when the server is built. Matching takes time linear in the URI's length; URIs beyond 64 KiB do not match.
///
/// ```
/// use anyport_server::{Context, Template, Values};
///
/// let note = Template::new("notes:///{id}")
///     .mime_type("text/plain")
///     .read(async |values: Values, _: Context| format!("note {}", values.get("id").unwrap_or_default()))
///     .complete("id", async |_, _: Context| vec!["first", "second"]);
/// # let _ = note;
/// ```
#[derive(Debug)]
pub struct Template<H = TemplateHandler> {
    pub(super) definition: types::ResourceTemplate,
    pub(super) freshness: Freshness,
    pub(crate) completers: Vec<(String, Completer)>,
    pub(super) lister: Option<Lister>,
    pub(crate) visible: Option<VisibilityRule>,
    pub(crate) scopes: RequiredScopes,
    pub(crate) needs: Vec<StateType>,
    pub(super) handler: H,
}

/// The function behind a resource.
pub struct ResourceHandler(
    pub(super) Box<dyn Fn(ReadTarget, Context) -> HandlerFuture<Contents> + Send + Sync>,
);

/// The function behind a template.
pub struct TemplateHandler {
    pub(super) read: Box<ReadTemplate>,
    /// The types of the function's variables.
    pub(super) check: Check,
}

/// The error is that of reading the variables.
pub(super) type ReadTemplate =
    dyn Fn(Values, ReadTarget, Context) -> Result<HandlerFuture<Contents>, Unreadable> + Send + Sync;

impl Resource<()> {
    /// Begins the resource at `uri`; [`Resource::read`] adds its function. Its name is the URI until [`Resource::name`]
    /// sets another.
    pub fn new(uri: impl Into<String>) -> Self {
        let uri = uri.into();
        let definition = types::Resource::new(uri.clone(), uri);
        let (freshness, scopes) = (Freshness::NONE, RequiredScopes::default());
        Self { definition, freshness, visible: None, scopes, needs: Vec::new(), handler: () }
    }

    /// Sets the function that reads it.
    pub fn read<F, R>(self, function: F) -> Resource
    where
        F: Fn(Context) -> R + Send + Sync + 'static,
        R: Future<Output: IntoContents> + Send + 'static,
    {
        let Self { definition, freshness, visible, scopes, needs, .. } = self;
        let handler = ResourceHandler(Box::new(move |place, context| {
            let contents = function(context);
            Box::pin(async move { contents.await.into_contents(&place.uri, place.mime_type.as_deref()) })
        }));
        Resource { definition, freshness, visible, scopes, needs, handler }
    }
}

impl Template<()> {
    /// Begins the resource template `template`; [`Template::read`] adds its function. Its name is the template until
    /// [`Template::name`] sets another.
    pub fn new(template: impl Into<String>) -> Self {
        let template = template.into();
        let definition = types::ResourceTemplate::new(template.clone(), template);
        let (freshness, completers) = (Freshness::NONE, Vec::new());
        Self {
            definition,
            freshness,
            completers,
            lister: None,
            visible: None,
            scopes: RequiredScopes::default(),
            needs: Vec::new(),
            handler: (),
        }
    }

    /// Sets the function that reads them, which gets the template's variables as an `A`: [`Values`], or a struct with a
    /// field for each variable. If it returns `None`, or a variable is missing or invalid, the client receives "resource
    /// not found".
    ///
    /// Whether `A` matches the template is checked when the server is built. Variables that are enums or booleans in `A`
    /// have completions of their own.
    ///
    /// ```
    /// use anyport_server::{Context, Template};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Page {
    ///     book: String,
    ///     number: u32,
    /// }
    ///
    /// let page = Template::new("books:///{book}/{number}")
    ///     .read(async |Page { book, number }: Page, _: Context| format!("page {number} of {book}"));
    /// # let _ = page;
    /// ```
    pub fn read<A, F, R>(self, function: F) -> Template
    where
        A: DeserializeOwned + 'static,
        F: Fn(A, Context) -> R + Send + Sync + 'static,
        R: Future<Output: IntoContents> + Send + 'static,
    {
        let Self { definition, freshness, completers, lister, visible, scopes, needs, .. } = self;
        let read = Box::new(move |values: Values, place: ReadTarget, context: Context| {
            let contents = function(values.read(Source::Uri)?, context);
            let contents =
                async move { contents.await.into_contents(&place.uri, place.mime_type.as_deref()) };
            Ok(Box::pin(contents) as HandlerFuture<Contents>)
        });
        let handler = TemplateHandler { read, check: check::<A> };
        Template { definition, freshness, completers, lister, visible, scopes, needs, handler }
    }
}

impl<H> Template<H> {
    /// Sets the function that lists its resources in `resources/list`, after the fixed ones. Its result goes to the one
    /// caller only and must be resources of this template: others are left out, and so are duplicates. Those without a
    /// MIME type get that of the template.
    ///
    /// The function runs for each page that a client requests; for many resources, [`Template::list_pages`] lists one page
    /// at a time. The order should be the same each time: a cursor is the last URI of a page, or its position if that is
    /// gone. Such a list is private, and stale at once unless [`crate::Builder::ttl`] is set; announce changes with
    /// [`crate::Events::resources_changed`].
    ///
    /// ```
    /// use anyport_protocol::types;
    /// use anyport_server::{Context, Template, Values};
    ///
    /// let note = Template::new("notes:///{id}")
    ///     .list(async |_: Context| vec![types::Resource::new("notes:///1", "first")])
    ///     .read(async |note: Values, _: Context| format!("note {}", note.get("id").unwrap_or_default()));
    /// # let _ = note;
    /// ```
    #[must_use]
    pub fn list<F, R>(mut self, function: F) -> Self
    where
        F: Fn(Context) -> R + Send + Sync + 'static,
        R: Future<Output: IntoResources> + Send + 'static,
    {
        self.lister = Some(Lister::new(function));
        self
    }

    /// Sets the function that lists its resources page by page, for so many that a function of [`Template::list`], which
    /// returns all of them for each page, would take too long. They come after everything that is listed as a whole.
    ///
    /// `function` gets the number of resources that are wanted and the cursor of the page. [`crate::ResourcePage::next`]
    /// is the function's own: a database key or the last name will do, and stays valid while resources come and go. The
    /// result must be resources of this template that no fixed resource or earlier template reads: others are left out.
    /// The function itself avoids duplicates. It replaces [`Template::list`], which documents the rest; the later call
    /// counts.
    ///
    /// ```
    /// use anyport_protocol::types;
    /// use anyport_server::{Context, PageQuery, ResourcePage, Template, Values};
    ///
    /// const NOTES: usize = 100_000;
    ///
    /// let note = Template::new("notes:///{number}")
    ///     .list_pages(async |page: PageQuery, _: Context| {
    ///         let first: usize = page.cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    ///         let end = NOTES.min(first + page.size);
    ///         let note = |number| types::Resource::new(format!("notes:///{number}"), format!("note {number}"));
    ///         let next = (end < NOTES).then(|| end.to_string());
    ///         ResourcePage { resources: (first..end).map(note).collect(), next }
    ///     })
    ///     .read(async |note: Values, _: Context| format!("note {}", note.get("number").unwrap_or_default()));
    /// # let _ = note;
    /// ```
    #[must_use]
    pub fn list_pages<F, R>(mut self, function: F) -> Self
    where
        F: Fn(PageQuery, Context) -> R + Send + Sync + 'static,
        R: Future<Output: IntoResourcePage> + Send + 'static,
    {
        self.lister = Some(Lister::pages(function));
        self
    }

    pub(crate) fn uri_template(&self) -> &str {
        &self.definition.uri_template
    }
}

/// The settings that resources and templates share.
macro_rules! described {
    ($($kind:ident)*) => { $(
        impl<H> $kind<H> {
            /// Sets its name for programs.
            #[must_use]
            pub fn name(mut self, name: impl Into<String>) -> Self {
                self.definition.name = name.into();
                self
            }

            /// Sets its name for people.
            #[must_use]
            pub fn title(mut self, title: impl Into<String>) -> Self {
                self.definition.title = Some(title.into());
                self
            }

            /// Sets its description, for the model.
            #[must_use]
            pub fn description(mut self, description: impl Into<String>) -> Self {
                self.definition.description = Some(description.into());
                self
            }

            /// Sets the MIME type of contents that do not have their own.
            #[must_use]
            pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
                self.definition.mime_type = Some(mime_type.into());
                self
            }

            /// Sets its annotations.
            #[must_use]
            pub fn annotations(mut self, annotations: Annotations) -> Self {
                self.definition.annotations = Some(annotations);
                self
            }

            /// Adds an icon.
            #[must_use]
            pub fn icon(mut self, icon: Icon) -> Self {
                self.definition.icons.get_or_insert_default().push(icon);
                self
            }

            /// Adds metadata; a later value of the same key takes the place of an earlier one.
            #[must_use]
            pub fn meta(mut self, meta: MetaObject) -> Self {
                self.definition.meta.get_or_insert_default().extend(meta);
                self
            }

            /// Sets for how long clients may cache what they read. Unless set, it is stale at once.
            #[must_use]
            pub fn ttl(mut self, ttl: Duration) -> Self {
                self.freshness.ttl = ttl;
                self
            }

            /// Lets clients and proxies cache what was read for everybody. Only for contents that are the same for all
            /// callers.
            ///
            /// 2026-07-28, caching §Security: servers "MUST NOT rely on `cacheScope` alone to prevent unauthorized
            /// access".
            #[must_use]
            pub fn public(mut self) -> Self {
                self.freshness.public = true;
                self
            }
        }
    )* };
}

described! { Resource Template }
visible_to!(Resource);
require!(Resource);
visible_to!(Template);
require!(Template);
needs_state!(Resource);
needs_state!(Template);
completes!(Template, "variable");

impl<H> Resource<H> {
    /// Sets its size, in bytes.
    #[must_use]
    pub fn size(mut self, size: u64) -> Self {
        self.definition.size = Some(size);
        self
    }

    pub(crate) fn uri(&self) -> &str {
        &self.definition.uri
    }
}

impl std::fmt::Debug for ResourceHandler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResourceHandler")
    }
}

impl std::fmt::Debug for TemplateHandler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TemplateHandler")
    }
}
