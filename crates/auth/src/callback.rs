//! Where the browser brings the answer of a login: a listener on this machine.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use url::{Host, Url};

use crate::{
    authorize::AuthorizationRequest, error::Error, response_error::ResponseError, safe_url::is_loopback,
    secret::Secret,
};

/// A listener for one answer.
#[derive(Debug)]
pub struct Callback {
    listeners: Vec<TcpListener>,
    path: String,
    redirect_uri: String,
}

/// The longest head of a request.
const HEAD: usize = 16 << 10;
/// How long a browser may take to send it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many connections are read at once; further ones wait.
const CONNECTIONS: usize = 16;

impl Callback {
    /// Whether the answer comes to the plain HTTP of this machine.
    pub fn is_possible(redirect_uri: &str) -> bool {
        local(redirect_uri).is_some()
    }

    /// Listens at `redirect_uri`; port 0 is any free one. `None` if the answer does not come to this machine, or not to its
    /// plain HTTP.
    ///
    /// # Errors
    /// When the address is in use.
    pub async fn bind(redirect_uri: &str) -> Result<Option<Self>, Error> {
        let Some(url) = local(redirect_uri) else { return Ok(None) };
        let failed = |source| Error::Callback { at: redirect_uri.to_owned(), source: Arc::new(source) };
        let (listeners, port) = listen(&url).await.map_err(failed)?;
        let mut bound = url.clone();
        let redirect_uri = match bound.set_port(Some(port)) {
            // As it was written, if nothing was open.
            Ok(()) if url.port() == Some(0) => bound.into(),
            _ => redirect_uri.to_owned(),
        };
        Ok(Some(Self { listeners, path: url.path().to_owned(), redirect_uri }))
    }

    /// Where the browser must be sent.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Waits for the answer to `request`, and returns its code. Whatever else arrives is refused, and the wait goes on.
    ///
    /// # Errors
    /// What the answer says.
    pub async fn receive(&self, request: &AuthorizationRequest) -> Result<Secret, ResponseError> {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.accept(), if connections.len() < CONNECTIONS => {
                    let Ok(stream) = accepted else { continue };
                    let (path, request) = (self.path.clone(), request.clone());
                    connections.spawn(async move { timeout(PATIENCE, serve(stream, &path, &request)).await });
                }
                Some(served) = connections.join_next() => {
                    if let Ok(Ok(Ok(Some(answer)))) = served {
                        return answer;
                    }
                }
            }
        }
    }

    async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = match &self.listeners[..] {
            [one] => one.accept().await?,
            [one, other, ..] => {
                tokio::select! { accepted = one.accept() => accepted?, accepted = other.accept() => accepted? }
            }
            [] => return std::future::pending().await,
        };
        Ok(stream)
    }
}

fn local(redirect_uri: &str) -> Option<Url> {
    Url::parse(redirect_uri).ok().filter(|url| url.scheme() == "http" && is_loopback(url))
}

/// Listens at the host and port of `url`; `localhost` is two addresses.
async fn listen(url: &Url) -> io::Result<(Vec<TcpListener>, u16)> {
    let port = url.port_or_known_default().unwrap_or_default();
    let host = match url.host() {
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        _ => IpAddr::from([127, 0, 0, 1]),
    };
    let first = TcpListener::bind((host, port)).await?;
    let port = first.local_addr()?.port();
    let mut listeners = vec![first];
    if matches!(url.host(), Some(Host::Domain(_)))
        && let Ok(second) = TcpListener::bind(("::1", port)).await
    {
        listeners.push(second);
    }
    Ok((listeners, port))
}

type Received = Option<Result<Secret, ResponseError>>;

/// Reads one request and answers it; returns the answer of the login, if it is that.
async fn serve(mut stream: TcpStream, path: &str, request: &AuthorizationRequest) -> io::Result<Received> {
    let mut head = Vec::new();
    while !is_whole(&head) && head.len() < HEAD {
        if stream.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    let received = judge(&head, path, request);
    let page = if received.is_some() { page("200 OK", DONE) } else { page("400 Bad Request", REFUSED) };
    // The code counts, whether or not the browser takes the page.
    let _ = write(&mut stream, &page).await;
    Ok(received)
}

async fn write(stream: &mut TcpStream, page: &str) -> io::Result<()> {
    stream.write_all(page.as_bytes()).await?;
    stream.shutdown().await
}

fn is_whole(head: &[u8]) -> bool {
    head.windows(4).any(|end| end == b"\r\n\r\n")
}

/// Whether a request is the answer of the login, and what it says.
fn judge(head: &[u8], path: &str, request: &AuthorizationRequest) -> Received {
    if !is_whole(head) {
        return None;
    }
    let line = std::str::from_utf8(head.split(|byte| *byte == b'\r').next()?).ok()?;
    let mut words = line.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if method != "GET" || !version.starts_with("HTTP/1.") || words.next().is_some() {
        return None;
    }
    let (found, query) = target.split_once('?')?;
    if found != path {
        return None;
    }
    match request.read(query) {
        Err(ResponseError::OtherLogin) => None,
        answer => Some(answer),
    }
}

/// A page without anything that it was sent, which loads nothing and is shown in no frame.
fn page(status: &str, words: &str) -> String {
    let body = format!("<!doctype html><meta charset=\"utf-8\"><title>Anyport</title><p>{words}</p>\n");
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

const DONE: &str = "You can close this page and go back to the program that has opened it.";
const REFUSED: &str = "This is no answer to the login that is waited for.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{authorize::AuthorizationParameters, scope::Scopes, server_metadata::ServerMetadata};

    fn request(redirect_uri: &str) -> AuthorizationRequest {
        let server = ServerMetadata::without_document(&Url::parse("https://a.example").unwrap());
        let scopes = Scopes::default();
        let parameters = AuthorizationParameters {
            client_id: "c",
            redirect_uri,
            scopes,
            ..AuthorizationParameters::default()
        };
        AuthorizationRequest::new(&server, &parameters).unwrap()
    }

    fn state(request: &AuthorizationRequest) -> String {
        let url = Url::parse(request.url()).unwrap();
        url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned()
    }

    /// Sends a request, and returns the status line of the answer.
    async fn send(callback: &Callback, request: &str) -> String {
        let url = Url::parse(callback.redirect_uri()).unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", url.port().unwrap())).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.lines().next().unwrap().to_owned()
    }

    /// Invariant: A request that is not the answer of the login is refused with status 400, and the wait goes on.
    #[tokio::test]
    async fn a_stranger_is_refused_and_the_wait_goes_on() {
        let callback = Callback::bind("http://127.0.0.1:0/callback").await.unwrap().unwrap();
        let login = request(callback.redirect_uri());
        let state = state(&login);
        let strangers = async {
            for wrong in [
                "GET / HTTP/1.1\r\n\r\n".to_owned(),
                format!("GET /other?code=x&state={state} HTTP/1.1\r\n\r\n"),
                "GET /callback?code=x&state=guessed HTTP/1.1\r\n\r\n".to_owned(),
                "GET /callback?code=x HTTP/1.1\r\n\r\n".to_owned(),
                format!("POST /callback?code=x&state={state} HTTP/1.1\r\n\r\n"),
                format!("GET /callback?code=x&code=y&state={state} HTTP/1.1\r\n\r\n"),
                "no request\r\n\r\n".to_owned(),
                "x".repeat(HEAD),
            ] {
                assert_eq!(send(&callback, &wrong).await, "HTTP/1.1 400 Bad Request", "{wrong:.60}");
            }
            // A connection that sends nothing does not delay others.
            let port = Url::parse(callback.redirect_uri()).unwrap().port().unwrap();
            let _silent = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let right = format!("GET /callback?code=right&state={state} HTTP/1.1\r\nHost: x\r\n\r\n");
            assert_eq!(send(&callback, &right).await, "HTTP/1.1 200 OK");
        };
        let (code, ()) = tokio::join!(callback.receive(&login), strangers);
        assert_eq!(code.unwrap().expose(), "right");
    }

    #[tokio::test]
    async fn only_plain_http_of_this_machine_is_listened_to() {
        for elsewhere in
            ["https://a.example/callback", "https://127.0.0.1/callback", "http://a.example/c", "x:y"]
        {
            assert!(Callback::bind(elsewhere).await.unwrap().is_none(), "{elsewhere}");
        }
        let taken = Callback::bind("http://127.0.0.1:0/callback").await.unwrap().unwrap();
        assert!(matches!(Callback::bind(taken.redirect_uri()).await, Err(Error::Callback { .. })));
    }
}
