//! The one way out: every connection of ours to a server over HTTP is made here.

use std::{
    error::Error as StdError,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context as Task, Poll},
    time::Duration,
};

use anyport_service::sync::Lock;
use http::{Uri, uri::Scheme};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{
    client::{
        legacy::connect::{
            HttpConnector,
            dns::Name,
            proxy::{SocksV5, Tunnel},
        },
        proxy::matcher::{Intercept, Matcher},
    },
    rt::TokioIo,
};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use tokio::net::TcpStream;
use tower_service::Service;

use super::{
    Fault,
    address_policy::{AddressClass, AddressRule},
    any_certificate::AnyCertificate,
    client_certificate::ClientIdentity,
    fault::without_secrets,
    plain_stream::{ConnectionInfo, PlainStream, Way},
};
use crate::client::{Dial, NameResolver};

/// Makes connections: resolves names, keeps out of private networks, goes through proxies, speaks TLS.
#[derive(Clone)]
pub(crate) struct Connector {
    shared: Arc<Shared>,
    rule: AddressRule,
    /// The host and port of the last connection, and where it leads. Each response could say that of its connection, and would
    /// allocate for it.
    reached: Arc<Lock<Option<(String, ConnectionInfo)>>>,
}

struct Shared {
    options: ConnectorOptions,
    proxies: Option<Matcher>,
    /// Made at the first `https` URL: reading the system's certificates takes some milliseconds.
    tls: OnceLock<Result<Arc<ClientConfig>, Fault>>,
    /// The same with the certificate of this program, for the server that it is for.
    mutual: OnceLock<Result<Arc<ClientConfig>, Fault>>,
}

/// How connections are made.
#[derive(Clone, Debug)]
pub(crate) struct ConnectorOptions {
    /// Whether addresses of private networks are out of bounds.
    pub(crate) public_only: bool,
    /// Whether the proxies that the environment names are used.
    pub(crate) proxies: Proxies,
    /// How long name, connection and TLS may take together.
    pub(crate) timeout: Duration,
    /// Certificates that are trusted besides those of the system.
    pub(crate) roots: Vec<CertificateDer<'static>>,
    /// Whether any certificate is accepted, from whomever it is.
    pub(crate) accepts_any_certificate: bool,
    /// The certificate of this program, and for which server it is.
    pub(super) identity: Option<ClientIdentity>,
    /// Makes the connections in our stead.
    pub(crate) dial: Option<Dial>,
    /// Resolves names in the system's stead.
    pub(crate) resolver: Option<NameResolver>,
}

/// Which proxies are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proxies {
    /// Those that `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` name.
    Environment,
    /// This one for everything but this machine.
    One(String),
    /// None.
    None,
}

/// A connection to a server, or through a proxy to one, with TLS where the URL demands it.
pub(crate) type Socket = MaybeHttpsStream<PlainStream>;

impl Connector {
    pub(crate) fn new(options: ConnectorOptions) -> Self {
        let proxies = match &options.proxies {
            Proxies::Environment => Some(Matcher::from_env()),
            Proxies::One(proxy) => Some(Matcher::builder().all(proxy.clone()).build()),
            Proxies::None => None,
        };
        let rule = AddressRule { public_only: options.public_only, class: None };
        let shared = Arc::new(Shared { options, proxies, tls: OnceLock::new(), mutual: OnceLock::new() });
        Self { shared, rule, reached: Arc::default() }
    }

    /// The same connector, for connections to addresses of one class.
    pub(super) fn of_class(&self, class: AddressClass) -> Self {
        let rule = AddressRule { class: Some(class), ..self.rule };
        Self { shared: self.shared.clone(), rule, reached: Arc::default() }
    }

    /// Where the connections to the host of `uri` lead; `None` if the last one was to another host.
    pub(super) fn reached(&self, uri: &Uri) -> Option<ConnectionInfo> {
        let target = HostPort::of(uri).ok()?.name();
        self.reached.lock().as_ref().filter(|(name, _)| *name == target).map(|(_, info)| *info)
    }

    /// Notes a connection. Of addresses of several classes the class that is farthest away counts, from which the least can be
    /// reached.
    fn note(&self, target: &HostPort, info: ConnectionInfo) {
        let name = target.name();
        let mut reached = self.reached.lock();
        let before = reached.as_ref().filter(|(known, _)| *known == name).and_then(|(_, info)| info.class);
        let class = info.class.into_iter().chain(before).min();
        *reached = Some((name, ConnectionInfo { class, ..info }));
    }

    /// Connects to the host of `uri`.
    ///
    /// # Errors
    /// Why there is no connection.
    pub(crate) async fn connect(&self, uri: &Uri) -> Result<Socket, Fault> {
        self.within(uri, false).await
    }

    /// The same for a protocol that no proxy would understand: one is asked to carry bytes, whatever the scheme.
    ///
    /// RFC 6455 §4.1: "If the user configures the client to use a proxy [...], then the client SHOULD connect to that
    /// proxy and ask it to open a TCP connection".
    #[cfg(feature = "client-websocket")]
    pub(crate) async fn tunnel(&self, uri: &Uri) -> Result<Socket, Fault> {
        self.within(uri, true).await
    }

    async fn within(&self, uri: &Uri, tunnel: bool) -> Result<Socket, Fault> {
        let target = HostPort::of(uri)?;
        let after = self.shared.options.timeout;
        match tokio::time::timeout(after, self.open(uri, &target, tunnel)).await {
            Ok(connected) => connected,
            Err(_) => Err(Fault::ConnectTimeout { target: target.name(), after }),
        }
    }

    async fn open(&self, uri: &Uri, target: &HostPort, tunnel: bool) -> Result<Socket, Fault> {
        let plain = self.reach(uri, target, tunnel).await?;
        self.note(target, plain.info());
        match uri.scheme() == Some(&Scheme::HTTPS) {
            true => self.secure(uri, target, plain).await,
            false => Ok(MaybeHttpsStream::Http(plain)),
        }
    }

    /// Connects, without any TLS. `tunnel`: past a proxy even where it could read the requests.
    pub(super) async fn reach(
        &self,
        uri: &Uri,
        target: &HostPort,
        tunnel: bool,
    ) -> Result<PlainStream, Fault> {
        self.allowed(target)?;
        if let Some(dial) = &self.shared.options.dial {
            let unreachable = |source| Fault::Unreachable { target: target.name(), source: Arc::new(source) };
            return dial.dial().await.map(PlainStream::dialled).map_err(unreachable);
        }
        let proxy = self.proxy(uri, target);
        let tunnel = tunnel || uri.scheme() == Some(&Scheme::HTTPS);
        let tcp = self.tcp(uri, target, proxy.as_ref(), tunnel).await?;
        let way = match &proxy {
            None => Way::Direct,
            Some(proxy) => Way::Proxy { reads: !tunnel && is_http(proxy) },
        };
        Ok(PlainStream::tcp(tcp, way))
    }

    /// Agrees on TLS.
    pub(super) async fn secure(
        &self,
        uri: &Uri,
        target: &HostPort,
        plain: PlainStream,
    ) -> Result<Socket, Fault> {
        let tls = self.tls(target)?;
        let mut parts = uri.clone().into_parts();
        // The connector speaks TLS with whom the scheme says so.
        parts.scheme = Some(Scheme::HTTPS);
        let uri = Uri::from_parts(parts)
            .map_err(|error| Fault::Url { url: target.name(), why: error.to_string() })?;
        let mut connector = HttpsConnector::from((Made(Some(plain)), tls));
        connector.call(uri).await.map_err(|error| tls_fault(target, &*error))
    }

    /// The addresses that a connection would be made to.
    pub(super) async fn resolve(&self, uri: &Uri, target: &HostPort) -> Result<Vec<IpAddr>, Fault> {
        self.allowed(target)?;
        let proxy = self.proxy(uri, target).map(|proxy| HostPort::of(proxy.uri())).transpose()?;
        // Whoever set the proxy up may have it in a private network.
        let rule = if proxy.is_none() { self.rule } else { AddressRule::default() };
        let target = proxy.as_ref().unwrap_or(target);
        match target.address() {
            Some(address) => Ok(vec![address]),
            None => {
                let found = self.resolver(rule).resolve(&target.host).await?;
                Ok(found.iter().map(SocketAddr::ip).collect())
            }
        }
    }

    fn resolver(&self, rule: AddressRule) -> Resolver {
        Resolver { rule, names: self.shared.options.resolver.clone() }
    }

    /// A host that is an address has no name to be resolved; so it is looked at here. Others are looked at when their
    /// addresses are known, or through a proxy not at all: then that one decides what may be reached.
    fn allowed(&self, target: &HostPort) -> Result<(), Fault> {
        target.address().map_or(Ok(()), |address| self.rule.check(&target.host, address))
    }

    pub(super) fn proxy(&self, uri: &Uri, target: &HostPort) -> Option<Intercept> {
        // As Go does: what runs on this machine is not looked for elsewhere, though the environment forgets to say so.
        let here =
            target.host == "localhost" || target.address().is_some_and(|address| address.is_loopback());
        let ours = self.shared.options.dial.is_none();
        self.shared.proxies.as_ref().filter(|_| ours && !here).and_then(|proxies| proxies.intercept(uri))
    }

    async fn tcp(
        &self,
        uri: &Uri,
        target: &HostPort,
        proxy: Option<&Intercept>,
        tunnel: bool,
    ) -> Result<TokioIo<TcpStream>, Fault> {
        let Some(proxy) = proxy else {
            return tcp(self.resolver(self.rule))
                .call(uri.clone())
                .await
                .map_err(|error| tcp_fault(target, error));
        };
        let refused = |why: String| Fault::Proxy {
            proxy: HostPort::of(proxy.uri())
                .map_or_else(|_| "of the environment".into(), |proxy| proxy.name()),
            target: target.name(),
            why,
        };
        // Without a port, the proxy would be asked for that of TLS.
        let there = target.uri()?;
        // Whoever set the proxy up may have it in a private network.
        let mut tcp = tcp(self.resolver(AddressRule::default()));
        match proxy.uri().scheme_str() {
            Some("http") if !tunnel => {
                tcp.call(proxy.uri().clone()).await.map_err(|error| refused(chain(&error)))
            }
            Some("http") => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), tcp);
                if let Some(credentials) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(credentials.clone());
                }
                tunnel.call(there).await.map_err(|error| refused(chain(&error)))
            }
            Some("socks5" | "socks5h") => {
                let mut socks = SocksV5::new(proxy.uri().clone(), tcp);
                if let Some((user, password)) = proxy.raw_auth() {
                    socks = socks.with_auth(user.to_owned(), password.to_owned());
                }
                socks.call(there).await.map_err(|error| refused(chain(&error)))
            }
            scheme => Err(refused(format!(
                "proxies at {}:// are not known here; write it as http:// or socks5://",
                scheme.unwrap_or_default()
            ))),
        }
    }

    /// The credentials that a proxy wants in each request to `uri` that it reads itself.
    pub(crate) fn proxy_credentials(&self, uri: &Uri) -> Option<http::HeaderValue> {
        if uri.scheme() != Some(&Scheme::HTTP) {
            return None;
        }
        self.proxy(uri, &HostPort::of(uri).ok()?)?.basic_auth().cloned()
    }

    fn tls(&self, target: &HostPort) -> Result<Arc<ClientConfig>, Fault> {
        let Shared { options, tls: plain, mutual, .. } = &*self.shared;
        match options.identity.as_ref().filter(|identity| identity.is_for(&target.name())) {
            Some(identity) => mutual.get_or_init(|| tls(options, Some(identity))).clone(),
            None => plain.get_or_init(|| tls(options, None)).clone(),
        }
    }
}

/// Host and port of a URL.
pub(super) struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    pub(super) fn of(uri: &Uri) -> Result<Self, Fault> {
        let wrong = |why: &str| Fault::Url { url: without_secrets(&uri.to_string()), why: why.into() };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("it names no host"))?;
        let port = match uri.scheme_str() {
            Some("https") => 443,
            Some("http") => 80,
            Some("socks5" | "socks5h") => 1080,
            _ => return Err(wrong("it must begin with http:// or https://")),
        };
        Ok(Self { host: host.to_ascii_lowercase(), port: uri.port_u16().unwrap_or(port) })
    }

    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn uri(&self) -> Result<Uri, Fault> {
        let wrong = |error: http::Error| Fault::Url { url: self.name(), why: error.to_string() };
        Uri::builder().scheme("http").authority(self.name()).path_and_query("/").build().map_err(wrong)
    }

    fn address(&self) -> Option<IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }
}

fn is_http(proxy: &Intercept) -> bool {
    proxy.uri().scheme() == Some(&Scheme::HTTP)
}

fn tcp(resolver: Resolver) -> HttpConnector<Resolver> {
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp
}

/// Resolves names, and lets none through that leads to where we may not go. The connection is made to the very
/// addresses that were looked at, so a name that leads elsewhere a moment later gains nothing.
#[derive(Clone)]
struct Resolver {
    rule: AddressRule,
    /// In the system's stead.
    names: Option<NameResolver>,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Fault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = self.clone();
        Box::pin(async move { Ok(resolver.resolve(name.as_str()).await?.into_iter()) })
    }
}

impl Resolver {
    async fn resolve(&self, host: &str) -> Result<Vec<SocketAddr>, Fault> {
        let unknown = |source| Fault::Name { host: host.into(), source: Arc::new(source) };
        let found: Vec<SocketAddr> = match &self.names {
            Some(names) => {
                let found = names.resolve(host).await.map_err(unknown)?;
                found.into_iter().map(|address| SocketAddr::new(address, 0)).collect()
            }
            None => tokio::net::lookup_host((host, 0)).await.map_err(unknown)?.collect(),
        };
        // One private address among public ones is no accident: none of them is used.
        found.iter().try_for_each(|address| self.rule.check(host, address.ip()))?;
        Ok(found)
    }
}

/// A connection that is made already, for the TLS connector.
struct Made(Option<PlainStream>);

impl Service<Uri> for Made {
    type Response = PlainStream;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        std::future::ready(self.0.take().ok_or_else(|| io::Error::other("the connection is taken")))
    }
}

fn tls(options: &ConnectorOptions, identity: Option<&ClientIdentity>) -> Result<Arc<ClientConfig>, Fault> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    // Cannot fail: ring knows what is the default.
    let failed = |source| Fault::Tls { target: "any host".into(), source: Arc::new(source) };
    let builder = builder.map_err(failed)?;
    let builder = match options.accepts_any_certificate {
        true => builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
        false => builder.with_root_certificates(roots(&options.roots)?),
    };
    Ok(Arc::new(match identity {
        Some(identity) => builder.with_client_auth_cert(identity.chain(), identity.key()).map_err(failed)?,
        None => builder.with_no_client_auth(),
    }))
}

/// The certificates of the system, and `further`.
fn roots(further: &[CertificateDer<'static>]) -> Result<RootCertStore, Fault> {
    let mut store = RootCertStore::empty();
    // Some that cannot be read are no reason not to use the others.
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    store.add_parsable_certificates(further.iter().cloned());
    match store.is_empty() {
        true => Err(Fault::NoRoots),
        false => Ok(store),
    }
}

fn tcp_fault(target: &HostPort, error: impl StdError + 'static) -> Fault {
    if let Some(fault) = find::<Fault>(&error) {
        return fault.clone();
    }
    match find::<io::Error>(&error) {
        Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Fault::Refused { target: target.name() }
        }
        error => {
            let kind = error.map_or(io::ErrorKind::Other, io::Error::kind);
            let why = error.map_or_else(|| "no address".into(), ToString::to_string);
            Fault::Unreachable { target: target.name(), source: Arc::new(io::Error::new(kind, why)) }
        }
    }
}

fn tls_fault(target: &HostPort, error: &(dyn StdError + 'static)) -> Fault {
    match find::<rustls::Error>(error) {
        Some(source) => Fault::Tls { target: target.name(), source: Arc::new(source.clone()) },
        None => {
            let why = io::Error::other(format!("while agreeing on TLS: {error}"));
            Fault::Unreachable { target: target.name(), source: Arc::new(why) }
        }
    }
}

/// The first `E` among an error and its sources.
pub(super) fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // An I/O error hides what it wraps from `source`.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| find(inner as &(dyn StdError + 'static))) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// An error and its sources in one line.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !words.ends_with(&more) {
            words.extend([": ", &more]);
        }
        next = error.source();
    }
    words
}

impl Service<Uri> for Connector {
    type Response = Socket;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Fault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect(&uri).await })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A name that has the next addresses each time, and the last ones from then on.
    fn changing(answers: &'static [&'static [&'static str]]) -> NameResolver {
        let asked = Arc::new(AtomicUsize::new(0));
        NameResolver::new(move |_| {
            let answer = answers[asked.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)];
            async move { Ok(answer.iter().map(|address| address.parse().unwrap()).collect()) }
        })
    }

    /// Invariant: A connection is made to the addresses that were looked at, or not at all, however a name changes its addresses.
    #[tokio::test]
    async fn the_addresses_of_a_changing_name_are_those_that_were_looked_at() {
        const PUBLIC: &[&str] = &["93.184.215.14"];
        let public = AddressRule { public_only: true, class: None };
        let of_class = AddressRule { public_only: false, class: Some(AddressClass::Public) };
        for rule in [public, of_class] {
            for then in [
                &["127.0.0.1"][..],
                &["93.184.215.14", "127.0.0.1"],
                &["127.0.0.1", "93.184.215.14"],
                &["::1"],
                &["::ffff:127.0.0.1"],
                &["64:ff9b::a00:1"],
                &["169.254.169.254"],
                &["10.0.0.1"],
                &["0.0.0.0"],
            ] {
                let answers: &'static [&'static [&'static str]] = Box::leak(vec![PUBLIC, then].into());
                let mut resolver = Resolver { rule, names: Some(changing(answers)) };
                let name = || "rebinding.example".parse::<Name>().unwrap();
                // What is looked at is what the connection is made to: nothing resolves the name again in between.
                let found: Vec<_> = resolver.call(name()).await.unwrap().map(|found| found.ip()).collect();
                assert_eq!(found, [PUBLIC[0].parse::<IpAddr>().unwrap()], "{then:?}");
                let refused = resolver.call(name()).await.err();
                assert!(
                    matches!(refused, Some(Fault::Private { .. } | Fault::Redirect { .. })),
                    "{then:?}: {refused:?}"
                );
            }
        }
    }
}
