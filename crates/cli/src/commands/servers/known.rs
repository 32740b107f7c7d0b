//! Every configured server, the nearest first.

use std::path::{Path, PathBuf};

use anyport_config::{
    ConfigError, ConfigFile, ConfigLocation, Endpoint, GATEWAY, Scope, ServerConfig, Surroundings,
    config_locations, gateway, name_of_command,
};

/// An entry of a configuration file.
pub(super) struct Known {
    pub(super) name: String,
    pub(super) location: ConfigLocation,
    /// The key that it stands under.
    pub(super) key: String,
    /// What it says.
    pub(super) server: Result<ServerConfig, ConfigError>,
    /// Whether a nearer file has another one of this name, which is the one that a command means.
    pub(super) is_shadowed: bool,
}

impl Known {
    /// Names the folder of a program of a gateway, if it has none: it runs in that of the gateway's file.
    pub(super) fn set_folder(&self, server: &mut ServerConfig) {
        if let Endpoint::Command { cwd, .. } = &mut server.endpoint
            && self.location.client.id == GATEWAY.id
        {
            cwd.get_or_insert_with(|| self.location.workspace.display().to_string());
        }
    }
}

/// Why a server is not used that is shadowed.
pub(super) const SHADOWED: &str = "not used: an earlier file has this name";

/// The configured servers, and the files that cannot be read.
pub(super) fn all(surroundings: &Surroundings) -> (Vec<Known>, Vec<(ConfigLocation, ConfigError)>) {
    let (mut servers, mut broken): (Vec<Known>, _) = (Vec::new(), Vec::new());
    let of_gateway = gateway::find(&surroundings.cwd).map(of_gateway);
    for location in of_gateway.into_iter().chain(config_locations(surroundings)) {
        match location.read(surroundings) {
            Ok(None) => {}
            Err(error) => broken.push((location, error)),
            Ok(Some(file)) => {
                let found: Vec<Known> = of_file(&file, &location)
                    .map(|known| Known {
                        is_shadowed: servers.iter().any(|other| other.name == known.name),
                        ..known
                    })
                    .collect();
                servers.extend(found);
            }
        }
    }
    (servers, broken)
}

/// The location of the file of a gateway.
pub(super) fn of_gateway(path: PathBuf) -> ConfigLocation {
    let workspace = path.parent().unwrap_or(Path::new("/")).to_owned();
    ConfigLocation { client: GATEWAY, scope: Scope::Project, path, workspace }
}

/// The servers of one file.
pub(super) fn of_file(file: &ConfigFile, location: &ConfigLocation) -> impl Iterator<Item = Known> {
    let known = |name: &str| {
        Some(Known {
            name: name.to_owned(),
            location: location.clone(),
            key: file.key(name)?,
            server: file.server(name)?,
            is_shadowed: false,
        })
    };
    file.names().filter_map(known)
}

/// A server in a few words, without anything that may be secret: its arguments may hold one.
pub(super) fn in_words(server: &ServerConfig) -> String {
    match &server.endpoint {
        Endpoint::Url { url, .. } => anyport_transport::client::http::without_secrets(url),
        Endpoint::Command { program, args, .. } => {
            let runs = name_of_command(program, args);
            match Path::new(program).file_stem().is_some_and(|stem| stem.to_string_lossy() == runs) {
                true => program.clone(),
                false => format!("{program} … {runs}"),
            }
        }
    }
}

/// A path, shorter where it is in the home folder.
pub(super) fn short(path: &Path, surroundings: &Surroundings) -> String {
    match surroundings.home.as_deref().and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}
