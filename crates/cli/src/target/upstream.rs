//! From an upstream of a gateway's file to a server.

use anyport_config::gateway::{KnowledgeConfig, UpstreamConfig};

use super::{configured::resolved_with, redact::SecretValue, server::Server};
use crate::{
    confine::Confinement,
    gateway::{GatewayFile, SERVED_FILES, served_files},
    secret_source::SecretSource,
};

/// How an upstream of `file` is reached, with its secrets.
///
/// # Errors
/// What has no value, or is not how a server is reached.
pub(crate) fn of_upstream(config: &UpstreamConfig, file: &GatewayFile) -> Result<Server, String> {
    let surroundings = file.surroundings();
    let described = config.server().map_err(|(key, reason)| match key {
        "" => reason,
        key => format!("`{key}`: {reason}"),
    })?;
    let mut server = resolved_with(&described, surroundings, &surroundings.cwd, |key, text| {
        Some(source(file, key, text)?.read_text(surroundings))
    })?;
    if let Server::Command { environment, cwd, confinement, .. } = &mut server {
        *confinement = Confinement::of(config, surroundings)?;
        // Clients start the programs of their files wherever they are themselves.
        if !file.config.is_of_client {
            cwd.get_or_insert_with(|| surroundings.cwd.clone());
        }
        environment.push(served(file));
    }
    let Some(place) = &config.bearer else { return Ok(server) };
    let place = place.parse::<SecretSource>();
    let place =
        place.map_err(|_| "its `bearer` is the place of a token: env:NAME, file:PATH or cmd:COMMAND")?;
    let token = place.read_text(surroundings).map_err(|reason| format!("its `bearer`: {reason}"))?;
    if let Server::Http { headers, .. } | Server::WebSocket { headers, .. } = &mut server {
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
        headers.push(("Authorization".into(), SecretValue::new(format!("Bearer {token}"))));
    }
    Ok(server)
}

/// The source that the value `text` of `key` names. The values of a client's file are texts, whatever they begin with.
fn source(file: &GatewayFile, key: &str, text: &str) -> Option<SecretSource> {
    let may_be = !file.config.is_of_client && (key.starts_with("env.") || key.starts_with("headers."));
    text.parse().ok().filter(|_| may_be)
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
