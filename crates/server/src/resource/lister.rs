//! The functions that list the resources of templates, as a whole or page by page.

use std::{fmt::Display, future::Future};

use anyport_protocol::{Error, types};

use crate::{Context, Failure, ask::HandlerFuture, error::ErrorReport};

/// The return types of the function of [`crate::Template::list`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be listed as resources",
    note = "return a `Vec<types::Resource>`, or a `Result` of one"
)]
pub trait IntoResources {
    /// The resources.
    ///
    /// # Errors
    /// What ends the request instead.
    fn into_resources(self) -> Result<Vec<types::Resource>, Error>;
}

impl IntoResources for Vec<types::Resource> {
    fn into_resources(self) -> Result<Vec<types::Resource>, Error> {
        Ok(self)
    }
}

/// An `Err` ends the list with -32603 and its words; see [`crate::ErrorKind`] for those that say more than words.
impl<T: IntoResources, E: Display + 'static> IntoResources for Result<T, E> {
    fn into_resources(self) -> Result<Vec<types::Resource>, Error> {
        self.map_err(|error| ErrorReport::of(&error).into_error())?.into_resources()
    }
}

/// An `Err` is the protocol error that ends the list.
impl<T: IntoResources> IntoResources for Result<T, Failure> {
    fn into_resources(self) -> Result<Vec<types::Resource>, Error> {
        self.map_err(|Failure(error)| error)?.into_resources()
    }
}

/// A request for one page of a template's resources.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageQuery {
    /// The [`ResourcePage::next`] of the previous page; `None` for the first page.
    ///
    /// It went through the client sealed, so it is as this function gave it, but perhaps long ago, and to another caller.
    pub cursor: Option<String>,
    /// How many resources are wanted, at least one. Fewer are fine, also none.
    pub size: usize,
}

/// A page of a template's resources.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourcePage {
    /// The resources.
    pub resources: Vec<types::Resource>,
    /// Where the next page begins, in words of the function's own; `None` if this is the last one.
    pub next: Option<String>,
}

/// The return types of the function of [`crate::Template::list_pages`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no page of resources",
    note = "return a `ResourcePage`, or a `Result` of one"
)]
pub trait IntoResourcePage {
    /// The page.
    ///
    /// # Errors
    /// What ends the request instead.
    fn into_resource_page(self) -> Result<ResourcePage, Error>;
}

impl IntoResourcePage for ResourcePage {
    fn into_resource_page(self) -> Result<ResourcePage, Error> {
        Ok(self)
    }
}

/// An `Err` ends the list with -32603 and its words; see [`crate::ErrorKind`] for those that say more than words.
impl<T: IntoResourcePage, E: Display + 'static> IntoResourcePage for Result<T, E> {
    fn into_resource_page(self) -> Result<ResourcePage, Error> {
        self.map_err(|error| ErrorReport::of(&error).into_error())?.into_resource_page()
    }
}

/// An `Err` is the protocol error that ends the list.
impl<T: IntoResourcePage> IntoResourcePage for Result<T, Failure> {
    fn into_resource_page(self) -> Result<ResourcePage, Error> {
        self.map_err(|Failure(error)| error)?.into_resource_page()
    }
}

/// A function that lists page by page.
pub(crate) type ListPage =
    dyn Fn(PageQuery, Context) -> HandlerFuture<Result<ResourcePage, Error>> + Send + Sync;

/// Makes a [`ListPage`] of a function of the user's.
pub(crate) fn list_page<F, R>(function: F) -> Box<ListPage>
where
    F: Fn(PageQuery, Context) -> R + Send + Sync + 'static,
    R: Future<Output: IntoResourcePage> + Send + 'static,
{
    Box::new(move |query, context| {
        let page = function(query, context);
        Box::pin(async move { page.await.into_resource_page() })
    })
}

/// The function that lists a template's resources.
pub(crate) enum Lister {
    Whole(Box<ListResources>),
    Pages(Box<ListPage>),
}

type ListResources = dyn Fn(Context) -> HandlerFuture<Result<Vec<types::Resource>, Error>> + Send + Sync;

impl Lister {
    pub(crate) fn new<F, R>(function: F) -> Self
    where
        F: Fn(Context) -> R + Send + Sync + 'static,
        R: Future<Output: IntoResources> + Send + 'static,
    {
        Self::Whole(Box::new(move |context| {
            let resources = function(context);
            Box::pin(async move { resources.await.into_resources() })
        }))
    }

    pub(crate) fn pages<F, R>(function: F) -> Self
    where
        F: Fn(PageQuery, Context) -> R + Send + Sync + 'static,
        R: Future<Output: IntoResourcePage> + Send + 'static,
    {
        Self::Pages(list_page(function))
    }
}

impl std::fmt::Debug for Lister {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lister")
    }
}
