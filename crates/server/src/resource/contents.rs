use std::{borrow::Cow, fmt::Display, sync::Arc};

use anyport_protocol::{Error, types::ResourceContents};
use bytes::Bytes;
use serde::Serialize;

use crate::{Failure, Json, error::ErrorReport};

/// The return types of a resource's function. Contents without a URI and type get those of the resource.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the contents of a resource",
    note = "return text, bytes (`Vec<u8>`, `bytes::Bytes`), `Json(value)`, `Contents`, a `ResourceContents` or a list of them",
    note = "or an `Option` (`None`: no such resource) or a `Result` of one of these"
)]
pub trait IntoContents {
    /// The contents of the resource at `uri`, which are a `mime_type` unless they say otherwise.
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Contents;
}

/// The contents of a read resource.
///
/// ```
/// use anyport_server::{Contents, Context, Template, Values};
///
/// let page = Template::new("pages:///{name}").read(async |page: Values, _: Context| match page.get("name")? {
///     "logo" => Some(Contents::bytes(b"...").mime_type("image/png")),
///     name => Some(Contents::text(format!("# {name}")).mime_type("text/markdown")),
/// });
/// # let _ = page;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Contents {
    /// The contents; more than one for a resource that has parts, each with a URI of its own.
    ///
    /// 2026-07-28, resources §Reading Resources: "a server could return the contents of several files when a directory
    /// resource is read."
    Found(Vec<ResourceContents>),
    /// There is no such resource.
    Missing,
    /// It cannot be read.
    Failed(Error),
}

/// The resource that is read.
pub(crate) struct ReadTarget {
    pub(crate) uri: String,
    pub(crate) mime_type: Option<String>,
}

impl Contents {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Found(vec![ResourceContents::text("", text)])
    }

    /// Bytes.
    pub fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self::Found(vec![ResourceContents::blob("", bytes)])
    }

    /// Sets the type of all contents without one: for a resource with a type that is known only when it is read.
    #[must_use]
    pub fn mime_type(self, mime_type: &str) -> Self {
        let Self::Found(contents) = self else { return self };
        let typed = contents.into_iter().map(|contents| match names(&contents).1 {
            None => contents.with_mime_type(mime_type),
            Some(_) => contents,
        });
        Self::Found(typed.collect())
    }
}

/// The URI and the type that `contents` name themselves.
fn names(contents: &ResourceContents) -> (&str, Option<&str>) {
    match contents {
        ResourceContents::Text(text) => (&text.uri, text.mime_type.as_deref()),
        ResourceContents::Blob(blob) => (&blob.uri, blob.mime_type.as_deref()),
        // Unknown contents stay unchanged.
        ResourceContents::Unknown(_) => ("-", Some("-")),
    }
}

/// Names what `contents` leave out. The resource's type is that of a part only if the part is the resource itself.
fn complete(mut contents: ResourceContents, uri: &str, mime_type: Option<&str>) -> ResourceContents {
    let (own, own_type) = names(&contents);
    let (is_unnamed, is_untyped) = (own.is_empty(), own_type.is_none() && (own.is_empty() || own == uri));
    if is_unnamed {
        match &mut contents {
            ResourceContents::Text(text) => uri.clone_into(&mut text.uri),
            ResourceContents::Blob(blob) => uri.clone_into(&mut blob.uri),
            ResourceContents::Unknown(_) => {}
        }
    }
    match mime_type {
        Some(mime_type) if is_untyped => contents.with_mime_type(mime_type),
        _ => contents,
    }
}

impl IntoContents for Contents {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Contents {
        let Self::Found(contents) = self else { return self };
        Self::Found(contents.into_iter().map(|contents| complete(contents, uri, mime_type)).collect())
    }
}

/// Contents as text.
macro_rules! texts {
    ($($type:ty)*) => { $(
        impl IntoContents for $type {
            fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Contents {
                ResourceContents::text(uri, &*self).into_contents(uri, mime_type)
            }
        }
    )* };
}

/// Contents as bytes.
macro_rules! bytes {
    ($($type:ty)*) => { $(
        impl IntoContents for $type {
            fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Contents {
                ResourceContents::blob(uri, self).into_contents(uri, mime_type)
            }
        }
    )* };
}

texts! { &'static str Cow<'static, str> Arc<str> }
bytes! { Vec<u8> &'static [u8] Bytes Arc<[u8]> }

impl IntoContents for String {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Contents {
        ResourceContents::text(uri, self).into_contents(uri, mime_type)
    }
}

/// JSON as text, of the type `application/json` unless the resource has another.
impl<T: Serialize> IntoContents for Json<T> {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Contents {
        match serde_json::to_string(&self.0) {
            Ok(text) => text.into_contents(uri, mime_type.or(Some("application/json"))),
            Err(error) => {
                tracing::error!(uri, %error, "a resource cannot be written as JSON");
                Contents::Failed(Error::internal(format!("the resource cannot be written as JSON: {error}")))
            }
        }
    }
}

impl IntoContents for ResourceContents {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Contents {
        vec![self].into_contents(uri, mime_type)
    }
}

impl IntoContents for Vec<ResourceContents> {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Contents {
        Contents::Found(self).into_contents(uri, mime_type)
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
            Err(error) => Contents::Failed(ErrorReport::of(&error).into_read_error(uri)),
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
