use std::{io, net::IpAddr, path::Path, pin::Pin};

/// What a lookup returns.
pub type LookupFuture<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// What checks look up outside of this process.
pub trait Lookup: Send + Sync {
    /// The addresses of a host.
    ///
    /// # Errors
    /// If there are none.
    fn addresses<'a>(&'a self, host: &'a str) -> LookupFuture<'a, Vec<IpAddr>>;

    /// Whether `path` is beneath `root` once symbolic links are followed. Where `root` does not exist on this machine, it is.
    ///
    /// # Errors
    /// If a folder cannot be read, or a link leads nowhere: what is written there later could be anywhere.
    fn is_beneath<'a>(&'a self, root: &'a Path, path: &'a Path) -> LookupFuture<'a, bool>;
}
