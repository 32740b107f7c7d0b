//! Which file a command changes: that of a gateway, of a user, of a project, or of a client.

use std::path::{Path, PathBuf};

use anyhow::Result;
use anyport_config::{GATEWAY, Language, McpClient, Scope, Surroundings, gateway::FILE_NAME};
use clap::ValueEnum;

use super::{edit::Edit, known::of_gateway};
use crate::{gateway::nearest_file, user_error::UserError};

/// The file that a command changes.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Place {
    /// Whose file is changed; else the gateway's, if this folder or one above it has an anyport.toml, and else the user's.
    #[arg(long, value_enum)]
    scope: Option<PlaceScope>,
    /// The anyport.toml that is changed.
    #[arg(long, value_name = "FILE", conflicts_with = "scope")]
    config: Option<PathBuf>,
}

/// Whose file is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PlaceScope {
    /// The file of the user, for all projects.
    User,
    /// The file in the working folder, for everybody who works on the project.
    Project,
    /// The nearest anyport.toml, which `anyport serve` reads; a new one in the working folder if there is none.
    Gateway,
}

impl Place {
    /// Begins to change the file: of the gateway, or of Anyport itself as a client.
    pub(super) fn begin(&self, surroundings: &Surroundings) -> Result<(&'static McpClient, Edit)> {
        let own = |scope| Ok((super::own()?, Edit::begin(super::own()?, scope, surroundings)?));
        let path = match (&self.config, self.scope) {
            (Some(path), _) => checked(&surroundings.cwd.join(path))?,
            (None, Some(PlaceScope::User)) => return own(Scope::User),
            (None, Some(PlaceScope::Project)) => return own(Scope::Project),
            (None, Some(PlaceScope::Gateway)) => {
                nearest_file().unwrap_or_else(|| surroundings.cwd.join(FILE_NAME))
            }
            (None, None) => match nearest_file() {
                Some(path) => path,
                None => return own(Scope::User),
            },
        };
        Ok((GATEWAY, Edit::of(of_gateway(path))?))
    }

    /// Begins to change the file of a client.
    ///
    /// # Errors
    /// When a gateway was named, too.
    pub(super) fn begin_of(
        &self,
        client: &'static McpClient,
        surroundings: &Surroundings,
    ) -> Result<(&'static McpClient, Edit)> {
        let scope = match self.scope {
            None | Some(PlaceScope::User) => Scope::User,
            Some(PlaceScope::Project) => Scope::Project,
            Some(PlaceScope::Gateway) => return Err(two_files()),
        };
        if self.config.is_some() {
            return Err(two_files());
        }
        Ok((client, Edit::begin(client, scope, surroundings)?))
    }
}

fn two_files() -> anyhow::Error {
    UserError::usage(
        "both a client and a gateway were named",
        "leave out --client, or --config and --scope gateway",
    )
}

/// Checks that a path can be that of a gateway.
fn checked(path: &Path) -> Result<PathBuf> {
    if Language::of(path) == Language::Toml {
        return Ok(path.to_owned());
    }
    Err(UserError::usage(
        format!("--config takes the {FILE_NAME} of a gateway, and {} is of another kind", path.display()),
        "name the file of a client by its client, with --client",
    ))
}
