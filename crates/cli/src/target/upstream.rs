//! From an upstream of a gateway's file to a server.

use std::str::FromStr as _;

use anyport_config::{
    Endpoint, expand,
    gateway::{KnowledgeConfig, NO_HEADERS, UpstreamConfig},
};
use anyport_protocol::Revision;
use indexmap::IndexMap;

use super::{
    configured::resolved_with,
    login,
    redact::SecretValue,
    server::{ClientCertificate, Server},
    upstream_fault::UpstreamFault,
};
use crate::{
    confine::Confinement,
    gateway::{GatewayFile, SERVED_FILES, served_files},
    secret_source::{InvalidSecretSource, SecretSource, text_itself},
};

fn fault<const N: usize>(keys: [&str; N], reason: impl Into<String>) -> UpstreamFault {
    UpstreamFault::new(keys, reason)
}

/// Checks how an upstream of `file` is reached, without its secrets, and returns the only revision that is spoken with it.
///
/// # Errors
/// What is wrong.
pub(crate) fn check_upstream(
    config: &UpstreamConfig,
    file: &GatewayFile,
) -> Result<Option<Revision>, UpstreamFault> {
    let revision = config.revision.as_deref().map(Revision::from_str).transpose();
    let revision = revision.map_err(|_| {
        let all = Revision::ALL.map(Revision::as_str).join(", ");
        fault(["revision"], format!("its `revision` is not known; there are {all}"))
    })?;
    let described = config.server().map_err(|(key, reason)| fault([key], in_key(key, reason)))?;
    bearer(config).map_err(|reason| fault(["bearer"], reason))?;
    login::check(config)?;
    if let Endpoint::Url { url, headers, .. } = &described.endpoint {
        check_url(url, headers, config, file)?;
    }
    Ok(revision)
}

/// Checks that `url` is one of a server, which can be sent `headers`. A variable that is not set can have any value.
fn check_url(
    url: &str,
    headers: &IndexMap<String, String>,
    config: &UpstreamConfig,
    file: &GatewayFile,
) -> Result<(), UpstreamFault> {
    let surroundings = file.surroundings();
    let url = expand(url, surroundings, &surroundings.cwd);
    let url = url.as_deref().unwrap_or("http://any.invalid");
    let with = |headers| Server::url(url, headers).map_err(|error| format!("its `url`: {error}"));
    let sendable = |server: Server| server.destination().map_err(|error| error.to_string());
    let server = with(Vec::new()).map_err(|reason| fault(["url"], reason))?;
    if let Server::Unix(_) = &server {
        return match config.key_for_http() {
            Some(key) => Err(fault([key], in_key(key, NO_HEADERS.to_owned()))),
            None => Ok(()),
        };
    }
    sendable(server).map_err(|reason| fault(["url"], reason))?;
    for (name, text) in headers {
        let key = format!("headers.{name}");
        let value = match (source(file, &key, text), own_text(file, &key, text)) {
            (Some(_), _) => None,
            (None, own) => expand(own.unwrap_or(text), surroundings, &surroundings.cwd).ok(),
        };
        let value = SecretValue(value.unwrap_or_default());
        with(vec![(name.clone(), value)])
            .and_then(sendable)
            .map_err(|reason| fault(["headers", name], reason))?;
    }
    Ok(())
}

fn in_key(key: &str, reason: String) -> String {
    if key.is_empty() { reason } else { format!("`{key}`: {reason}") }
}

/// How an upstream of `file` is reached, with its secrets.
///
/// # Errors
/// What has no value, or is not how a server is reached.
pub(crate) fn of_upstream(config: &UpstreamConfig, file: &GatewayFile) -> Result<Server, UpstreamFault> {
    let surroundings = file.surroundings();
    let described = config.server().map_err(|(key, reason)| in_key(key, reason))?;
    let mut server =
        resolved_with(&described, surroundings, &surroundings.cwd, |key, text| value(file, key, text))?;
    if let Server::Command { environment, cwd, confinement, .. } = &mut server {
        *confinement = Confinement::of(config, surroundings)?;
        // Clients start the programs of their files wherever they are themselves.
        if !file.config.is_of_client {
            cwd.get_or_insert_with(|| surroundings.cwd.clone());
        }
        environment.push(served(file));
    }
    if let Some(place) = bearer(config)?
        && let Server::Http { headers, .. } | Server::WebSocket { headers, .. } = &mut server
    {
        let token = place.read_text(surroundings).map_err(|reason| format!("its `bearer`: {reason}"))?;
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
        headers.push(("Authorization".into(), SecretValue::new(format!("Bearer {token}"))));
    }
    if let Server::Http { login, certificate, .. } = &mut server {
        *login = login::of_upstream(config, surroundings)?.map(Box::new);
        *certificate = certificate_of(config, file)?.map(Box::new);
    }
    // A secret may have what no header can.
    server.destination().map_err(|error| error.to_string())?;
    Ok(server)
}

/// The certificate that an upstream is shown, if it is shown one.
fn certificate_of(
    config: &UpstreamConfig,
    file: &GatewayFile,
) -> Result<Option<ClientCertificate>, UpstreamFault> {
    let (Some(certificate), Some(key)) = (&config.tls_client_cert, &config.tls_client_key) else {
        return Ok(None);
    };
    let surroundings = file.surroundings();
    let read = |name: &'static str, path: &str| {
        let path = expand(path, surroundings, &surroundings.cwd)
            .map_err(|error| fault([name], format!("`{name}`: {error}")))?;
        let path = surroundings.cwd.join(path);
        std::fs::read_to_string(&path)
            .map_err(|error| fault([name], format!("`{name}`: {} cannot be read: {error}", path.display())))
    };
    let chain = read("tls_client_cert", certificate)?;
    let key = SecretValue::new(read("tls_client_key", key)?);
    Ok(Some(ClientCertificate { chain, key }))
}

/// Whether secrets of the upstream are written by commands.
pub(crate) fn runs_commands(config: &UpstreamConfig) -> bool {
    let mut values = config.env.values().chain(config.headers.values()).chain(&config.bearer);
    values.any(|value| matches!(value.parse(), Ok(SecretSource::Command(_)))) || login::runs_commands(config)
}

/// The place of the bearer token.
fn bearer(config: &UpstreamConfig) -> Result<Option<SecretSource>, String> {
    let source = config.bearer.as_deref().map(str::parse).transpose();
    source.map_err(|_: InvalidSecretSource| {
        "its `bearer` is the place of a token: env:NAME, file:PATH or cmd:COMMAND".to_owned()
    })
}

/// What the value `text` of `key` stands for, if that is another text: a secret from its source, or the text after `text:`.
fn value(file: &GatewayFile, key: &str, text: &str) -> Option<Result<String, String>> {
    let surroundings = file.surroundings();
    if let Some(own) = own_text(file, key, text) {
        return Some(expand(own, surroundings, &surroundings.cwd).map_err(|error| error.to_string()));
    }
    Some(source(file, key, text)?.read_text(surroundings))
}

/// The source that the value `text` of `key` names.
fn source(file: &GatewayFile, key: &str, text: &str) -> Option<SecretSource> {
    text.parse().ok().filter(|_| may_have_source(file, key))
}

/// The text that the value `text` of `key` is by its prefix.
fn own_text<'a>(file: &GatewayFile, key: &str, text: &'a str) -> Option<&'a str> {
    text_itself(text).filter(|_| may_have_source(file, key))
}

/// Whether the value of `key` can name a source. The values of a client's file are texts, whatever they begin with.
fn may_have_source(file: &GatewayFile, key: &str) -> bool {
    !file.config.is_of_client && (key.starts_with("env.") || key.starts_with("headers."))
}

/// The documents of `file` as a server of their own: this program, which serves their folders.
///
/// # Errors
/// When this program is not found.
pub(super) fn of_documents(config: &KnowledgeConfig, file: &GatewayFile) -> Result<Server, String> {
    let program = std::env::current_exe().map_err(|error| format!("this program is not found: {error}"))?;
    let folders = config.docs.iter().map(|folder| file.surroundings().cwd.join(folder));
    let folders = folders.flat_map(|folder| ["--docs".to_owned(), folder.to_string_lossy().into_owned()]);
    Ok(Server::Command {
        program: program.to_string_lossy().into_owned(),
        arguments: ["serve", "--stdio"].map(str::to_owned).into_iter().chain(folders).collect(),
        environment: vec![served(file)],
        cwd: Some(file.surroundings().cwd.clone()),
        confinement: None,
    })
}

/// What a program of `file` has in its environment: it must not serve the file itself.
fn served(file: &GatewayFile) -> (String, SecretValue) {
    (SERVED_FILES.into(), SecretValue(served_files(&file.path)))
}
