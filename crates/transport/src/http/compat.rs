//! Clients that are known to leave out headers, and that may where the operator says so.
//!
//! 2026-07-28, streamable-http §Server Validation: a request is refused when "A required standard header
//! (`MCP-Protocol-Version`, `Mcp-Method`, `Mcp-Name`) is missing." That is what happens unless a client is named in
//! [`Config::compat`](super::Config::compat). Even then only what is *missing* is forgiven. A header that is there and
//! says something else than the body is refused from everyone, and what a request is, is read from its body alone: who
//! a client says it is decides nothing else, and is never taken for who it is.

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyport_protocol::meta::Meta;
use anyport_service::sync::Lock;
use http::{HeaderMap, header};
use tokio::time::Instant;

/// A client that is known to leave out headers which 2026-07-28 requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KnownClient {
    /// `vscode`: Visual Studio Code, its Insiders edition and its open-source build.
    VsCode,
    /// `copilot`: GitHub Copilot's command line and application.
    Copilot,
}

/// No client is known by that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no client {0:?} is known; known are {known}", known = KnownClient::ALL.map(KnownClient::name).join(", "))]
pub struct UnknownClient(String);

impl KnownClient {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::VsCode, Self::Copilot];

    /// The name by which it is chosen.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VsCode => "vscode",
            Self::Copilot => "copilot",
        }
    }

    /// What it calls itself: as `clientInfo.name`, and as the product in `User-Agent`.
    const fn calls_itself(self) -> &'static [&'static str] {
        match self {
            Self::VsCode => &["Visual Studio Code", "Visual Studio Code - Insiders", "Code - OSS"],
            Self::Copilot => &["github-copilot-developer", "copilot-cli"],
        }
    }

    fn is_called(self, name: &str) -> bool {
        self.calls_itself().iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

impl FromStr for KnownClient {
    type Err = UnknownClient;

    fn from_str(text: &str) -> Result<Self, UnknownClient> {
        let known = Self::ALL.into_iter().find(|client| client.name().eq_ignore_ascii_case(text.trim()));
        known.ok_or_else(|| UnknownClient(text.chars().take(64).collect()))
    }
}

impl fmt::Display for KnownClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which clients may leave out headers, and how often they did. None may by default. Clones share what they counted.
#[derive(Clone, Debug, Default)]
pub struct Compat(Option<Arc<[Forgiven]>>);

/// What one client was forgiven.
#[derive(Debug)]
struct Forgiven {
    client: KnownClient,
    requests: AtomicU64,
    /// When it was last said.
    said: Lock<Option<Instant>>,
}

/// A client that leaves out headers does so with every request; that is worth a line now and then.
const SAY_AGAIN: Duration = Duration::from_secs(60);

impl Compat {
    /// Lets these clients leave out headers.
    pub fn new(clients: impl IntoIterator<Item = KnownClient>) -> Self {
        let mut forgiven: Vec<Forgiven> = Vec::new();
        for client in clients {
            if forgiven.iter().all(|known| known.client != client) {
                forgiven.push(Forgiven { client, requests: AtomicU64::new(0), said: Lock::new(None) });
            }
        }
        Self((!forgiven.is_empty()).then(|| forgiven.into()))
    }

    /// How many requests of `client` passed this check although headers were missing.
    pub fn forgiven(&self, client: KnownClient) -> u64 {
        let known = self.0.iter().flat_map(|all| all.iter()).find(|known| known.client == client);
        known.map_or(0, |known| known.requests.load(Ordering::Relaxed))
    }

    /// The client that sent a request, if it is one that may leave out headers.
    pub(super) fn recognise(&self, headers: &HeaderMap, meta: &Meta) -> Option<Recognised<'_>> {
        let all = self.0.as_deref()?;
        let info = meta.client_info.as_ref().and_then(|info| info.member("name")?.as_string());
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).map(product);
        let called = |client: KnownClient| {
            info.as_deref().is_some_and(|name| client.is_called(name))
                || agent.is_some_and(|name| client.is_called(name))
        };
        all.iter().find(|known| called(known.client)).map(Recognised)
    }
}

/// The first product of a `User-Agent`, without its version. These clients write names with spaces, which RFC 9110
/// §10.1.5 does not have.
fn product(agent: &str) -> &str {
    agent.split('/').next().unwrap_or_default().trim()
}

/// A client that may leave out headers.
pub(super) struct Recognised<'a>(&'a Forgiven);

impl Recognised<'_> {
    /// Counts a request that was let in, and says so once in a while. `method` is the body's.
    pub(super) fn forgive(self, method: &str) {
        let Forgiven { client, requests, said } = self.0;
        let requests = requests.fetch_add(1, Ordering::Relaxed) + 1;
        let now = Instant::now();
        let mut said = said.lock();
        if said.is_none_or(|said| now.duration_since(said) >= SAY_AGAIN) {
            *said = Some(now);
            drop(said);
            tracing::warn!(
                %client, method = %format_args!("{method:.64?}"), requests,
                "required headers were missing, and forgiven (compat)"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyport_protocol::Raw;

    fn recognised(compat: &Compat, agent: Option<&str>, name: Option<&str>) -> Option<KnownClient> {
        let mut headers = HeaderMap::new();
        if let Some(agent) = agent {
            headers.insert(header::USER_AGENT, agent.parse().unwrap());
        }
        let info = name.map(|name| Raw::of(&serde_json::json!({"name": name, "version": "1"})).unwrap());
        let meta = Meta { client_info: info, ..Meta::default() };
        compat.recognise(&headers, &meta).map(|known| known.0.client)
    }

    #[test]
    fn a_client_is_known_by_either_of_its_names() {
        let compat = Compat::new(KnownClient::ALL);
        let vscode = Some(KnownClient::VsCode);
        for agent in ["Visual Studio Code/1.115.0", "visual studio code - insiders/1.116.0", "Code - OSS/1.1"]
        {
            assert_eq!(recognised(&compat, Some(agent), None), vscode, "{agent}");
        }
        assert_eq!(recognised(&compat, Some("node"), Some("Visual Studio Code")), vscode);
        assert_eq!(
            recognised(&compat, None, Some("github-copilot-developer")),
            Some(KnownClient::Copilot),
            "it sends no User-Agent"
        );
        for (agent, name) in [
            (None, None),
            (Some("node"), Some("cursor-vscode")),
            (Some("evil (Visual Studio Code/1.0)"), None),
            (Some("Visual Studio Codex/1"), Some("Visual Studio")),
            (Some(""), Some("")),
        ] {
            assert_eq!(recognised(&compat, agent, name), None, "{agent:?}, {name:?}");
        }
    }

    #[test]
    fn nobody_is_known_unless_chosen() {
        let agent = Some("Visual Studio Code/1.115.0");
        assert_eq!(recognised(&Compat::default(), agent, None), None);
        assert_eq!(recognised(&Compat::new([]), agent, None), None);
        assert_eq!(recognised(&Compat::new([KnownClient::Copilot]), agent, None), None);
        let twice = Compat::new([KnownClient::VsCode, KnownClient::VsCode]);
        assert_eq!(recognised(&twice, agent, None), Some(KnownClient::VsCode));
    }

    #[test]
    fn an_unknown_name_is_told_the_known_ones() {
        for client in KnownClient::ALL {
            assert_eq!(client.name().parse(), Ok(client));
            assert_eq!(client.to_string().to_uppercase().parse(), Ok(client));
        }
        let error = "emacs".parse::<KnownClient>().unwrap_err();
        assert_eq!(error.to_string(), "no client \"emacs\" is known; known are vscode, copilot");
    }

    #[tokio::test(start_paused = true)]
    async fn it_counts_every_request_and_speaks_once_a_minute() {
        let compat = Compat::new([KnownClient::VsCode]);
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, "Visual Studio Code/1".parse().unwrap());
        let forgive = || compat.recognise(&headers, &Meta::default()).unwrap().forgive("tools/list");
        let said = || *compat.0.as_ref().unwrap()[0].said.lock();
        forgive();
        let first = said().unwrap();
        tokio::time::advance(SAY_AGAIN - Duration::from_secs(1)).await;
        forgive();
        assert_eq!(said(), Some(first), "not again so soon");
        tokio::time::advance(Duration::from_secs(1)).await;
        forgive();
        assert!(said().unwrap() > first);
        assert_eq!(
            (compat.clone().forgiven(KnownClient::VsCode), compat.forgiven(KnownClient::Copilot)),
            (3, 0)
        );
    }
}
