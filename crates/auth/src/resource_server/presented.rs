//! A credential together with what of its request proves whose it is.

use anyport_transport::http::{ClientCertificate, Credential, PublicPath};
use http::request::Parts;

/// A credential, the head of the request that presents it, and the resource that it is presented for.
#[derive(Clone, Copy)]
pub(super) struct Presented<'a> {
    pub(super) credential: &'a Credential,
    /// `None` when a credential is verified again: it was proven with its request.
    pub(super) head: Option<&'a Parts>,
    pub(super) resource: &'a str,
}

/// The same for a verification that takes time.
pub(super) struct Kept {
    credential: Credential,
    head: Option<Parts>,
    resource: Box<str>,
}

impl Presented<'_> {
    pub(super) fn token(&self) -> &str {
        &self.credential.token
    }

    /// The SHA-256 of the certificate with which the client has opened the connection.
    pub(super) fn certificate(&self) -> Option<&[u8; 32]> {
        let certificate = self.head?.extensions.get::<ClientCertificate>();
        certificate.map(|certificate| &certificate.sha256)
    }

    /// What stands before the path of the request for clients.
    pub(super) fn public_path(&self) -> &str {
        self.head.and_then(|head| head.extensions.get::<PublicPath>()).map_or("", |path| &path.0)
    }

    pub(super) fn keep(&self) -> Kept {
        Kept { credential: self.credential.clone(), head: self.head.cloned(), resource: self.resource.into() }
    }
}

impl Kept {
    pub(super) fn presented(&self) -> Presented<'_> {
        Presented { credential: &self.credential, head: self.head.as_ref(), resource: &self.resource }
    }
}
