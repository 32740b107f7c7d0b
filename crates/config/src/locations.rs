//! Where clients keep their servers.

use std::path::{Path, PathBuf};

use crate::{
    clients::{CLIENTS, GATEWAY, McpClient, Place, READ_ONLY, Scope},
    error::ConfigError,
    file::ConfigFile,
    trust::check_trust,
    variables::Surroundings,
};

/// A file that may list servers.
#[derive(Clone, Debug)]
pub struct ConfigLocation {
    /// The client that the file belongs to.
    pub client: &'static McpClient,
    /// For whom it is.
    pub scope: Scope,
    /// The file.
    pub path: PathBuf,
    /// The folder that its relative parts belong to.
    pub workspace: PathBuf,
}

impl ConfigLocation {
    /// Reads the file; `None` if it is not there, or is no file: a pipe would be waited for.
    ///
    /// # Errors
    /// As for [`ConfigFile::read`], and [`ConfigError::Untrusted`] for a file of a project.
    pub fn read(&self, surroundings: &Surroundings) -> Result<Option<ConfigFile>, ConfigError> {
        if !self.path.is_file() {
            return Ok(None);
        }
        if self.scope == Scope::Project {
            check_trust(&self.path, &self.workspace, surroundings)
                .map_err(|distrust| ConfigError::Untrusted(self.path.clone(), distrust))?;
        }
        ConfigFile::read(&self.path, &surroundings.cwd).map(Some)
    }
}

/// The order in which the files of a project are looked at, and those of a user: the first with a name wins. Anyport's own come
/// first.
fn clients() -> impl Iterator<Item = &'static McpClient> {
    CLIENTS.into_iter().chain(READ_ONLY)
}

/// Every file to look at, the nearest first: what a project says wins over what its user says, as in those clients.
pub fn config_locations(surroundings: &Surroundings) -> Vec<ConfigLocation> {
    let mut locations = Vec::new();
    for folder in surroundings.cwd.ancestors() {
        // The user's own files come later, and are read otherwise.
        if surroundings.home.as_deref() == Some(folder) {
            break;
        }
        locations.extend(clients().flat_map(|client| client.in_project(folder)));
        // A repository is where a project ends.
        if folder.join(".git").exists() {
            break;
        }
    }
    locations.extend(clients().flat_map(|client| client.of_user(surroundings)));
    // Two clients share a file, which is read once.
    let mut seen: Vec<PathBuf> = Vec::new();
    locations.retain(|location| {
        let is_new = !seen.contains(&location.path);
        seen.push(location.path.clone());
        is_new
    });
    locations
}

impl ConfigFile {
    /// Where the file is that was named by its path: whose it is, by its place and its keys, and the folder that its relative parts
    /// belong to.
    pub fn location(&self, surroundings: &Surroundings) -> ConfigLocation {
        let path = surroundings.cwd.join(self.path());
        if let Some(known) = config_locations(surroundings).into_iter().find(|known| known.path == path) {
            return known;
        }
        let in_project = |client: &'static McpClient| {
            let own = client.project.iter().find(|own| path.ends_with(own))?;
            let folder = path.ancestors().nth(Path::new(own).components().count())?;
            Some((client.owner(), Scope::Project, folder))
        };
        let beside = path.parent().unwrap_or(Path::new("/"));
        let found = match self.is_of_gateway() {
            true => (GATEWAY, Scope::Project, beside),
            // No client's file is known by its keys alone; Anyport reads those of all.
            false => clients().find_map(in_project).unwrap_or((CLIENTS[0], Scope::User, beside)),
        };
        let (client, scope, workspace) = (found.0, found.1, found.2.to_owned());
        ConfigLocation { client, scope, path, workspace }
    }
}

impl McpClient {
    fn in_project(&'static self, folder: &Path) -> impl Iterator<Item = ConfigLocation> {
        let location = |path: &&str| ConfigLocation {
            client: self.owner(),
            scope: Scope::Project,
            path: folder.join(path),
            workspace: folder.to_owned(),
        };
        self.project.iter().map(location).collect::<Vec<_>>().into_iter()
    }

    /// Anyport has no file of its own in a project.
    fn owner(&'static self) -> &'static Self {
        let shares =
            |other: &&&'static Self| other.id != "anyport" && other.project.first() == self.project.first();
        match self.id {
            "anyport" => CLIENTS.iter().find(shares).copied().unwrap_or(self),
            _ => self,
        }
    }

    fn of_user(&'static self, surroundings: &Surroundings) -> Vec<ConfigLocation> {
        self.of_user_on(surroundings, std::env::consts::OS)
    }

    fn of_user_on(&'static self, surroundings: &Surroundings, system: &str) -> Vec<ConfigLocation> {
        let paths = self.user.iter().filter_map(|place| place.resolve(surroundings, system));
        let location = |path| ConfigLocation {
            client: self,
            scope: Scope::User,
            path,
            workspace: surroundings.cwd.clone(),
        };
        paths.map(location).collect()
    }

    /// The files of this client, those that do not exist too: of the project, in the working folder and above it, and of the user.
    pub fn locations(&'static self, surroundings: &Surroundings) -> Vec<ConfigLocation> {
        let all = config_locations(surroundings);
        all.into_iter().filter(|location| location.client.id == self.id).collect()
    }

    /// The file of this client that a server is written to: the first that exists, else the first. `None` if the client has none for
    /// this scope.
    pub fn file(&'static self, scope: Scope, surroundings: &Surroundings) -> Option<ConfigLocation> {
        let locations = match scope {
            Scope::Project => self.in_project(&surroundings.cwd).collect(),
            Scope::User => self.of_user(surroundings),
        };
        let existing = locations.iter().position(|location| location.path.exists());
        locations.into_iter().nth(existing.unwrap_or_default())
    }
}

/// Each client with its files in a project and of its user, for documentation.
pub fn by_client() -> Vec<(&'static McpClient, Vec<String>, Vec<String>)> {
    let one = |client: &'static McpClient| {
        let project = client.project.iter().map(|&path| path.to_owned()).collect();
        (client, project, client.user.iter().map(Place::shown).collect())
    };
    clients().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings(cwd: PathBuf, home: PathBuf) -> Surroundings {
        let variables = [("XDG_CONFIG_HOME".to_owned(), "/settings".to_owned())].into();
        Surroundings { cwd, home: Some(home), variables }
    }

    #[test]
    fn a_project_is_looked_at_before_its_user_and_not_beyond_its_repository() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("repository/inner");
        std::fs::create_dir_all(inner.join("deep")).unwrap();
        std::fs::create_dir_all(root.path().join("repository/.git")).unwrap();
        let found = config_locations(&surroundings(inner.join("deep"), root.path().join("home")));
        let of_projects: Vec<_> =
            found.iter().filter(|location| location.client.id == "claude-code").collect();
        let expected = [
            inner.join("deep/.mcp.json"),
            inner.join(".mcp.json"),
            root.path().join("repository/.mcp.json"),
            root.path().join("home/.claude.json"),
        ];
        assert_eq!(
            of_projects.iter().map(|location| &location.path).collect::<Vec<_>>(),
            expected.each_ref()
        );
        let own = found.iter().find(|location| location.client.id == "anyport").unwrap();
        assert_eq!(own.scope, Scope::User);
    }

    #[test]
    fn a_file_that_is_named_by_its_path_is_known_by_its_place_and_its_keys() {
        let surroundings = surroundings("/here".into(), "/home/me".into());
        let found = |path: &str, text: &str| {
            let file = ConfigFile::parse(Path::new(path), text, &surroundings.cwd).unwrap();
            let location = file.location(&surroundings);
            (location.client.id, location.scope, location.workspace.display().to_string())
        };
        let json = r#"{"mcpServers": {"a": {"command": "a"}}}"#;
        assert_eq!(found("/x/.vscode/mcp.json", json), ("vscode", Scope::Project, "/x".into()));
        assert_eq!(found("sub/.codex/config.toml", ""), ("codex", Scope::Project, "/here/sub".into()));
        assert_eq!(found("/home/me/.cursor/mcp.json", json), ("cursor", Scope::User, "/here".into()));
        assert_eq!(found("/x/all.json", json), ("anyport", Scope::User, "/x".into()));
        let gateway = "[upstreams.a]\ncommand = \"a\"\n";
        assert_eq!(found("/x/other.toml", gateway), ("gateway", Scope::Project, "/x".into()));
    }

    #[test]
    fn every_client_has_a_file_on_every_system() {
        let surroundings = surroundings("/here".into(), "/home/me".into());
        for client in CLIENTS {
            for system in ["linux", "macos", "windows"] {
                assert!(!client.of_user_on(&surroundings, system).is_empty(), "{} on {system}", client.title);
            }
        }
        let path = |id, system| {
            let client = crate::client(id).unwrap();
            client.of_user_on(&surroundings, system)[0].path.to_string_lossy().replace('\\', "/")
        };
        assert_eq!(path("zed", "linux"), "/settings/zed/settings.json");
        assert_eq!(path("zed", "windows"), "/home/me/AppData/Roaming/Zed/settings.json");
        assert_eq!(path("goose", "windows"), "/home/me/AppData/Roaming/Block/goose/config/config.yaml");
        assert_eq!(
            path("claude-desktop", "macos"),
            "/home/me/Library/Application Support/Claude/claude_desktop_config.json"
        );
        assert_eq!(path("codex", "linux"), "/home/me/.codex/config.toml");
        assert_eq!(path("mcporter", "linux"), "/settings/mcporter/mcporter.json");
        assert_eq!(path("windsurf", "windows"), "/home/me/.codeium/windsurf/mcp_config.json");
    }
}
