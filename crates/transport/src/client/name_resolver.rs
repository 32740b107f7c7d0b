use std::{fmt, future::Future, io, net::IpAddr, pin::Pin, sync::Arc};

/// Resolves names of hosts in a way that is not the system's: by a table, by a service of names of one's own, or in a test.
///
/// What it returns is looked at as what the system returns: an address that may not be connected to is not, however often the name
/// changes its addresses.
///
/// ```
/// use anyport_transport::client::{NameResolver, http::Endpoint};
///
/// let here = NameResolver::new(|host| async move {
///     match host.as_str() {
///         "files.internal" => Ok(vec![[127, 0, 0, 1].into()]),
///         _ => Err(std::io::ErrorKind::NotFound.into()),
///     }
/// });
/// let endpoint = Endpoint::new("http://files.internal:8080/mcp")?.resolver(here);
/// # Ok::<(), anyport_transport::client::http::Fault>(())
/// ```
#[derive(Clone)]
pub struct NameResolver(Arc<dyn Fn(String) -> Resolving + Send + Sync>);

type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

impl NameResolver {
    /// Each call of `resolve` returns the addresses of a host.
    pub fn new<F>(resolve: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        Self(Arc::new(move |host| Box::pin(resolve(host))))
    }

    pub(crate) async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        (self.0)(host.to_owned()).await
    }
}

impl fmt::Debug for NameResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NameResolver(..)")
    }
}
