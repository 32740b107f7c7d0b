//! The clients: those of the configuration, those that have registered themselves, and those whose id is the URL of a document.

pub(crate) mod document;
pub(crate) mod redirect_uri;
pub(crate) mod registration;

use anyport_service::visible_text::on_one_line;

use crate::{authorization_server::token_text::has_hash, secret::Secret};

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) id: String,
    /// What it calls itself.
    pub(crate) name: Option<String>,
    /// Where its answers may go.
    pub(crate) redirect_uris: Vec<String>,
    /// The hash of its secret, if it has one.
    pub(crate) secret: Option<String>,
    pub(crate) kind: ClientKind,
}

/// How a client came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientKind {
    /// By the configuration, so that its name is true.
    Configured,
    /// It has registered itself (RFC 7591). Anybody can, under any name.
    Registered,
    /// Its id is the URL of its metadata document: the host of the URL vouches for it.
    Document,
}

/// A client of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredClient {
    /// Its id.
    pub id: String,
    /// Its name, which pages show.
    pub name: Option<String>,
    /// Where its answers may go.
    pub redirect_uris: Vec<String>,
    /// Its secret, if it can keep one.
    pub secret: Option<Secret>,
}

impl Client {
    /// Whether `presented` proves that a request is of this client: its secret, or nothing if it has none.
    pub(crate) fn is_proven_by(&self, presented: Option<&Secret>) -> bool {
        match (&self.secret, presented) {
            (Some(hash), Some(presented)) => has_hash(presented.expose(), hash),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// Whether answers may go to `uri`.
    pub(crate) fn has_redirect_uri(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|registered| redirect_uri::matches(registered, uri))
    }
}

/// The name of a client as it is kept: what can be seen of it, and at most 100 characters.
fn shortened(name: &str) -> Option<String> {
    let name: String = on_one_line(name).chars().take(100).collect();
    (!name.is_empty()).then_some(name)
}
