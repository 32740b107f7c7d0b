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
    state::{StateType, needs_state},
    values::{Check, Source, Unreadable, check},
    visibility::{VisibilityRule, visible_to},
    write::Freshness,
};

/// A resource: one URI, and the function that reads it.
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
    pub(crate) needs: Vec<StateType>,
    pub(super) handler: H,
}

/// A resource template, and the function that reads its resources.
///
/// The template is one of RFC 6570, read backwards. Values are given percent-decoded.
///
/// | expression | what is read |
/// |---|---|
/// | `{a}` | one or more characters, none of them `/`, `?`, `#` or `\`, not even percent-encoded `/` and `\` |
/// | `{+a}` | one or more of any characters; it may begin with `/`, so join it to a folder with care |
/// | `{#a}`, `{.a}`, `{/a}` | the same behind `#`, `.` or `/`; or nothing, and the variable is absent |
/// | `{/a,b}` | several, filled from the left; those at the end may be absent |
/// | `{?a,b}`, `{&a,b}`, `{;a,b}` | parameters by name, in any order, each absent or there once |
/// | `{/a*}`, `{?a*}` | a list |
/// | `{a:3}` | at most three characters |
///
/// A URI with a parameter that the template does not name is not one of the template's: it would be another resource
/// under another name. And no value is read that has a segment `..` or a NUL, in whatever encoding. A template of
/// which URIs cannot be read back is refused when the server is built. Time is linear in the URI's length; URIs beyond
/// 64 KiB are not read.
///
/// ```
/// use anyport_server::{Context, Template, Values};
///
/// let note = Template::new("notes:///{id}")
///     .mime_type("text/plain")
///     .read(async |values: Values, _: Context| format!("note {}", values.get("id").unwrap_or_default()))
///     .complete("id", async |_, _| vec!["first", "second"]);
/// # let _ = note;
/// ```
#[derive(Debug)]
pub struct Template<H = TemplateHandler> {
    pub(super) definition: types::ResourceTemplate,
    pub(super) freshness: Freshness,
    pub(crate) completers: Vec<(String, Completer)>,
    pub(super) lister: Option<Lister>,
    pub(crate) visible: Option<VisibilityRule>,
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
    /// Makes the resource at `uri`. [`Resource::read`] adds its function. Its name is the URI until [`Resource::name`]
    /// sets another.
    pub fn new(uri: impl Into<String>) -> Self {
        let uri = uri.into();
        let definition = types::Resource::new(uri.clone(), uri);
        Self { definition, freshness: Freshness::NONE, visible: None, needs: Vec::new(), handler: () }
    }

    /// Reads it with `function`.
    pub fn read<F, R>(self, function: F) -> Resource
    where
        F: Fn(Context) -> R + Send + Sync + 'static,
        R: Future<Output: IntoContents> + Send + 'static,
    {
        let Self { definition, freshness, visible, needs, .. } = self;
        let handler = ResourceHandler(Box::new(move |place, context| {
            let contents = function(context);
            Box::pin(async move { contents.await.into_contents(&place.uri, place.mime_type.as_deref()) })
        }));
        Resource { definition, freshness, visible, needs, handler }
    }
}

impl Template<()> {
    /// Makes the template `template`. [`Template::read`] adds its function. Its name is the template until
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
            needs: Vec::new(),
            handler: (),
        }
    }

    /// Reads them with `function`, which is given the template's variables as an `A`: [`Values`], or a struct with a
    /// field for each variable. A function that returns `None` says that there is no such resource, and so does a
    /// variable that is missing or that `A` cannot be read from.
    ///
    /// Whether `A` fits the template is checked when the server is built. Variables that are enums or booleans there
    /// complete themselves.
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
        let Self { definition, freshness, completers, lister, visible, needs, .. } = self;
        let read = Box::new(move |values: Values, place: ReadTarget, context: Context| {
            let contents = function(values.read(Source::Uri)?, context);
            let contents =
                async move { contents.await.into_contents(&place.uri, place.mime_type.as_deref()) };
            Ok(Box::pin(contents) as HandlerFuture<Contents>)
        });
        let handler = TemplateHandler { read, check: check::<A> };
        Template { definition, freshness, completers, lister, visible, needs, handler }
    }
}

impl<H> Template<H> {
    /// Lists its resources in `resources/list`, after the fixed ones, with `function`. The result is for the one caller
    /// only, and must be resources of this template: others are omitted, and so are those that are listed already.
    /// Those without a type get that of the template.
    ///
    /// The function is called anew for each page that a client asks for; of many resources, [`Template::list_pages`] lists
    /// one page at a time. Its order should be the same each time: a
    /// cursor is the last URI of a page, or its place if that is gone. Such a list is private, and stale at once unless
    /// [`crate::Builder::ttl`] says otherwise; tell of changes with [`crate::Events::resources_changed`].
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

    /// Lists its resources in `resources/list` page by page, for so many that a function of [`Template::list`], which
    /// gives all of them for each page, would take too long. They stand behind everything that is listed as a whole.
    ///
    /// `function` is told how many are wanted, and where: [`ResourcePage::next`] is its own, so that a key of a database
    /// or the last name will do, and holds while things come and go. What it gives must be resources of this template,
    /// and none that a fixed resource or an earlier template reads: others are left out. Beyond that it sees to it itself
    /// that none comes twice. As for the rest, see [`Template::list`], in whose place it stands: the later one counts.
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
            /// Its name for programs.
            #[must_use]
            pub fn name(mut self, name: impl Into<String>) -> Self {
                self.definition.name = name.into();
                self
            }

            /// Its name for people.
            #[must_use]
            pub fn title(mut self, title: impl Into<String>) -> Self {
                self.definition.title = Some(title.into());
                self
            }

            /// A description for the model.
            #[must_use]
            pub fn description(mut self, description: impl Into<String>) -> Self {
                self.definition.description = Some(description.into());
                self
            }

            /// The type of its contents; those that do not name their own get it.
            #[must_use]
            pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
                self.definition.mime_type = Some(mime_type.into());
                self
            }

            /// How it may be used.
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

            /// For how long clients may keep what was read. Unless set, it is stale at once.
            #[must_use]
            pub fn ttl(mut self, ttl: Duration) -> Self {
                self.freshness.ttl = ttl;
                self
            }

            /// Lets clients and proxies keep what was read for everyone. Only for what is the same for all callers.
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
visible_to!(Template);
needs_state!(Resource);
needs_state!(Template);
completes!(Template, "variable");

impl<H> Resource<H> {
    /// How large it is, in bytes.
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
