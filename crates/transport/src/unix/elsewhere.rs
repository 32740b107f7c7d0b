//! What is said where there are no Unix sockets.

use std::{convert::Infallible, future::Future, io, path::Path};

use anyport_service::Service;

use super::{config::Config, refused::Refused};

/// A bound socket; here there is never one.
#[derive(Debug)]
pub struct Listener(Infallible);

impl Listener {
    /// Refuses.
    ///
    /// # Errors
    /// [`Refused::Unsupported`], always.
    #[allow(clippy::unused_async, reason = "as it is where sockets are")]
    pub async fn bind(_: impl AsRef<Path>, _: Config) -> Result<Self, Refused> {
        Err(Refused::Unsupported)
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        match self.0 {}
    }

    /// Serves.
    ///
    /// # Errors
    /// None: there is nothing to serve on.
    #[allow(clippy::unused_async, reason = "as it is where sockets are")]
    pub async fn serve(self, _: impl Service, _: impl Future<Output = ()>) -> io::Result<()> {
        match self.0 {}
    }
}
