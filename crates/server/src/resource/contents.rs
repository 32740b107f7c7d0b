use std::fmt::Display;

use anyport_protocol::{Error, types::ResourceContents};

use crate::{Failure, error::Told};

/// What a resource's function may return. Contents that name no URI and type get those of the resource.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the contents of a resource",
    note = "return text, bytes (`Vec<u8>`), a `ResourceContents` or a list of them",
    note = "or an `Option` (`None`: no such resource) or a `Result` of one of these"
)]
pub trait IntoContents {
    /// The contents of the resource at `uri`, which are a `mime_type` unless they say otherwise.
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Contents;
}

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Contents {
    /// The contents; more than one for a resource that has parts.
    Found(Vec<ResourceContents>),
    /// There is no such resource.
    Missing,
    /// It cannot be read.
    Failed(Error),
}

/// The resource that is read.
pub(crate) struct Place {
    pub(crate) uri: String,
    pub(crate) mime_type: Option<String>,
}

fn typed(contents: ResourceContents, mime_type: Option<&str>) -> Contents {
    Contents::Found(vec![match mime_type {
        Some(mime_type) => contents.with_mime_type(mime_type),
        None => contents,
    }])
}

impl IntoContents for Contents {
    fn into_contents(self, _: &str, _: Option<&str>) -> Contents {
        self
    }
}

impl IntoContents for String {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Contents {
        typed(ResourceContents::text(uri, self), mime_type)
    }
}

impl IntoContents for &'static str {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Contents {
        typed(ResourceContents::text(uri, self), mime_type)
    }
}

impl IntoContents for Vec<u8> {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Contents {
        typed(ResourceContents::blob(uri, self), mime_type)
    }
}

impl IntoContents for ResourceContents {
    fn into_contents(self, _: &str, _: Option<&str>) -> Contents {
        Contents::Found(vec![self])
    }
}

impl IntoContents for Vec<ResourceContents> {
    fn into_contents(self, _: &str, _: Option<&str>) -> Contents {
        Contents::Found(self)
    }
}

/// `None`: there is no such resource.
impl<T: IntoContents> IntoContents for Option<T> {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Contents {
        self.map_or(Contents::Missing, |contents| contents.into_contents(uri, mime_type))
    }
}

/// An `Err` ends the read with -32603 and its words; see [`crate::ErrorKind`] for those that say more than words. A
/// [`crate::NotFound`] says that there is no such resource.
impl<T: IntoContents, E: Display + 'static> IntoContents for Result<T, E> {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Contents {
        match self {
            Ok(contents) => contents.into_contents(uri, mime_type),
            Err(error) => Contents::Failed(Told::of(&error).into_read_error(uri)),
        }
    }
}

/// An `Err` is the protocol error that ends the read.
impl<T: IntoContents> IntoContents for Result<T, Failure> {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Contents {
        match self {
            Ok(contents) => contents.into_contents(uri, mime_type),
            Err(Failure(error)) => Contents::Failed(error),
        }
    }
}
