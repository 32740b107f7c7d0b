//! From an upstream of the file to a server.

use indexmap::IndexMap;

use super::{
    forwarded, login,
    model::{ProgramLimits, Start, UpstreamAuth, UpstreamConfig, Words},
};
use crate::{
    client_login::ClientLogin,
    server::{Endpoint, ServerConfig},
};

/// Why `headers` and `bearer` are refused beside the URL of a Unix socket.
pub const NO_HEADERS: &str = "it is for HTTP and WebSockets: nothing on a Unix socket has headers";

impl UpstreamConfig {
    /// How the upstream is reached. Its texts are those of the file: references are not expanded.
    ///
    /// # Errors
    /// The key that is wrong, and why.
    pub fn server(&self) -> Result<ServerConfig, (&'static str, String)> {
        if let Some(fault) = &self.fault {
            return Err(("", fault.clone()));
        }
        let endpoint = match (&self.command, &self.url) {
            (Some(_), Some(_)) => {
                return Err(("url", "there is a `command`, too: an upstream has one of both".to_owned()));
            }
            (None, None) => return Err(("", "it has neither a `command` nor a `url`".to_owned())),
            (Some(command), None) => self.program(command)?,
            (None, Some(url)) => self.remote(url)?,
        };
        Ok(ServerConfig { endpoint, disabled: self.disabled, login: None })
    }

    /// Whether connections that were opened for `self` can serve `other`, too: only names and selections are different.
    pub fn connects_like(&self, other: &Self) -> bool {
        self.connection() == other.connection()
    }

    /// What of it concerns its connections, without names and selections.
    #[must_use]
    pub fn connection(&self) -> Self {
        Self {
            title: None,
            prefix: None,
            include: Vec::new(),
            exclude: Vec::new(),
            tools: IndexMap::new(),
            prompts: IndexMap::new(),
            resources: IndexMap::new(),
            require: Vec::new(),
            start: Start::OnDemand,
            pin: None,
            max_result_tokens: None,
            on_large_result: None,
            rate: None,
            cache: None,
            ..self.clone()
        }
    }

    /// The first key that is given of those for HTTP and WebSockets alone.
    pub fn key_for_http(&self) -> Option<&'static str> {
        let all = [("headers", !self.headers.is_empty()), ("bearer", self.bearer.is_some())];
        all.into_iter().find(|(_, given)| *given).map(|(key, _)| key)
    }

    fn program(&self, command: &Words) -> Result<Endpoint, (&'static str, String)> {
        let others = [
            ("auth", self.auth.is_some_and(|auth| auth != UpstreamAuth::None)),
            ("forward_headers", !self.forward_headers.is_empty()),
            ("tls_client_cert", self.tls_client_cert.is_some()),
            ("tls_client_key", self.tls_client_key.is_some()),
        ];
        let other = others.into_iter().find(|(_, given)| *given).map(|(key, _)| key);
        if let Some(key) = self.key_for_http().or(other).or(login::first_key(self)) {
            return Err((key, "it is for a `url`, and this upstream has a `command`".to_owned()));
        }
        let mut words = match command {
            Words::Program(program) => vec![program.clone()],
            Words::List(words) => words.clone(),
        };
        if words.first().is_none_or(String::is_empty) {
            return Err(("command", "it names no program".to_owned()));
        }
        self.limits.memory_bytes().map_err(|reason| ("limits", reason))?;
        let program = words.remove(0);
        words.extend(self.args.iter().cloned());
        Ok(Endpoint::Command {
            program,
            args: words,
            env: self.env.clone(),
            env_file: self.env_file.clone(),
            cwd: self.cwd.clone(),
        })
    }

    /// Checks that a certificate has its key, and a server that can ask for it.
    fn check_certificate(&self, url: &str) -> Result<(), (&'static str, String)> {
        let key = match (&self.tls_client_cert, &self.tls_client_key) {
            (None, None) => return Ok(()),
            (Some(_), Some(_)) => "tls_client_cert",
            (Some(_), None) => {
                return Err(("tls_client_cert", "its key is needed as well: `tls_client_key`".to_owned()));
            }
            (None, Some(_)) => {
                let reason = "its certificate is needed as well: `tls_client_cert`";
                return Err(("tls_client_key", reason.to_owned()));
            }
        };
        match url.starts_with("https://") || url.starts_with("${") {
            true => Ok(()),
            false => Err((key, "only a server at an https:// URL is shown a certificate".to_owned())),
        }
    }

    fn remote(&self, url: &str) -> Result<Endpoint, (&'static str, String)> {
        let of_a_program = [
            ("args", !self.args.is_empty()),
            ("env", !self.env.is_empty()),
            ("env_file", self.env_file.is_some()),
            ("cwd", self.cwd.is_some()),
            ("idle_stop", self.idle_stop.is_some()),
            ("limits", self.limits != ProgramLimits::default()),
            ("sandbox", self.sandbox.is_some()),
        ];
        if let Some((key, _)) = of_a_program.into_iter().find(|(_, given)| *given) {
            return Err((key, "it is for a `command`, and this upstream has a `url`".to_owned()));
        }
        if let Some(key) = self.key_for_http().filter(|_| url.starts_with("unix:")) {
            return Err((key, NO_HEADERS.to_owned()));
        }
        self.check_certificate(url)?;
        login::check(self, url)?;
        forwarded::check(self, url).map_err(|reason| ("forward_headers", reason))?;
        Ok(Endpoint::Url { url: url.to_owned(), headers: self.headers.clone(), sse: false })
    }
}

impl ProgramLimits {
    /// The memory in bytes, if it is limited.
    ///
    /// # Errors
    /// When the text is no size.
    pub fn memory_bytes(&self) -> Result<Option<u64>, String> {
        let Some(text) = &self.memory else { return Ok(None) };
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let shift = match text[digits.len()..].trim() {
            "" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => return Err(format!("{text:?} is no size such as 512MiB; there are KiB, MiB and GiB")),
        };
        let bytes = digits.parse().ok().and_then(|number: u64| number.checked_mul(1 << shift));
        let bytes = bytes.filter(|bytes| *bytes > 0);
        bytes.map(Some).ok_or_else(|| format!("{text:?} is no size such as 512MiB"))
    }
}

impl From<ServerConfig> for UpstreamConfig {
    /// The upstream of an entry in a client's file.
    fn from(server: ServerConfig) -> Self {
        let disabled = server.disabled;
        let login = server.login.map(|login| *login);
        match server.endpoint {
            Endpoint::Command { program, args, env, env_file, cwd } => Self {
                command: Some(Words::Program(program)),
                args,
                env,
                env_file,
                cwd,
                disabled,
                ..Self::default()
            },
            Endpoint::Url { url, headers, sse: _ } => {
                // A server that is given a token gets no other one, and one that is not reached over HTTP none at all.
                let has_token = headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"));
                let login = login.filter(|_| !has_token && url.starts_with("http"));
                let auth = login.as_ref().map(|_| UpstreamAuth::Oauth);
                let ClientLogin { client_id, client_secret, scope, redirect_uri, unused: _ } =
                    login.unwrap_or_default();
                Self {
                    url: Some(url),
                    headers,
                    disabled,
                    auth,
                    client_id,
                    client_secret,
                    scope,
                    redirect_uri,
                    ..Self::default()
                }
            }
        }
    }
}
