//! Where the programs that people use keep their servers.

use std::path::{Path, PathBuf};

use super::variables::Surroundings;

/// A file that may list servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigLocation {
    /// The program that owns the file.
    pub(crate) program: &'static str,
    /// The file.
    pub(crate) path: PathBuf,
    /// The folder that its relative parts belong to.
    pub(crate) workspace: PathBuf,
}

/// Files of a project, from the folder that we are in upwards.
const OF_PROJECTS: &[(&str, &str)] = &[
    ("Claude Code", ".mcp.json"),
    ("VS Code", ".vscode/mcp.json"),
    ("Cursor", ".cursor/mcp.json"),
    ("Gemini CLI", ".gemini/settings.json"),
];

/// Files in the user's folder.
const OF_USERS: &[(&str, &str)] = &[
    ("Claude Code", ".claude.json"),
    ("Cursor", ".cursor/mcp.json"),
    ("Gemini CLI", ".gemini/settings.json"),
    ("MCP Inspector", ".mcp-inspector/mcp.json"),
];

/// Files in the folder of applications' settings.
const OF_APPLICATIONS: &[(&str, &str)] =
    &[("Claude Desktop", "Claude/claude_desktop_config.json"), ("VS Code", "Code/User/mcp.json")];

/// Everywhere to look, the nearest first: what a project says wins over what its user says, as in those programs.
pub(crate) fn config_locations(surroundings: &Surroundings) -> Vec<ConfigLocation> {
    let mut locations = Vec::new();
    let cwd = &surroundings.cwd;
    for folder in cwd.ancestors() {
        // The user's own files come later, and are read otherwise.
        if surroundings.home.as_deref() == Some(folder) {
            break;
        }
        let here = OF_PROJECTS.iter().map(|&(program, name)| ConfigLocation {
            program,
            path: folder.join(name),
            workspace: folder.to_owned(),
        });
        locations.extend(here);
        // A repository is where a project ends.
        if folder.join(".git").exists() {
            break;
        }
    }
    let mut user =
        |program, path: PathBuf| locations.push(ConfigLocation { program, path, workspace: cwd.clone() });
    if let Some(home) = &surroundings.home {
        OF_USERS.iter().for_each(|&(program, name)| user(program, home.join(name)));
    }
    if let Some(settings) = settings(surroundings, std::env::consts::OS) {
        OF_APPLICATIONS.iter().for_each(|&(program, name)| user(program, settings.join(name)));
    }
    locations
}

/// The folder in which applications keep their settings on `system`.
fn settings(surroundings: &Surroundings, system: &str) -> Option<PathBuf> {
    let folder = |variable| surroundings.variable(variable).map(PathBuf::from);
    let home = |path| surroundings.home.as_deref().map(|home: &Path| home.join(path));
    match system {
        "macos" => home("Library/Application Support"),
        "windows" => folder("APPDATA").or_else(|| home("AppData/Roaming")),
        _ => folder("XDG_CONFIG_HOME").or_else(|| home(".config")),
    }
}

/// Each program with its files in a project and of its user, for the documentation.
#[cfg(test)]
pub(crate) fn by_program() -> Vec<(&'static str, Vec<String>, Vec<String>)> {
    let of = |list: &[(&str, &str)], program: &str, folder: &str| -> Vec<String> {
        let mine = list.iter().filter(|(other, _)| *other == program);
        mine.map(|(_, path)| format!("{folder}{path}")).collect()
    };
    let mut programs: Vec<&str> = Vec::new();
    for (program, _) in OF_PROJECTS.iter().chain(OF_USERS).chain(OF_APPLICATIONS) {
        if !programs.contains(program) {
            programs.push(program);
        }
    }
    let one = |program: &'static str| {
        let mut user = of(OF_USERS, program, "~/");
        user.extend(of(OF_APPLICATIONS, program, "SETTINGS/"));
        (program, of(OF_PROJECTS, program, ""), user)
    };
    programs.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_looked_at_before_its_user_and_not_beyond_its_repository() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("repository/inner");
        std::fs::create_dir_all(inner.join("deep")).unwrap();
        std::fs::create_dir_all(root.path().join("repository/.git")).unwrap();
        let surroundings = Surroundings {
            cwd: inner.join("deep"),
            home: Some(root.path().join("home")),
            variables: [("XDG_CONFIG_HOME".to_owned(), "/settings".to_owned())].into(),
        };
        let found = config_locations(&surroundings);
        let of_projects: Vec<_> = found.iter().filter(|location| location.program == "Claude Code").collect();
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
    }

    #[test]
    fn settings_lie_where_each_system_keeps_them() {
        let surroundings = Surroundings {
            cwd: "/".into(),
            home: Some("/home/me".into()),
            variables: [("APPDATA".to_owned(), "/roaming".to_owned())].into(),
        };
        let check = |system, expected: &str| {
            assert_eq!(settings(&surroundings, system), Some(PathBuf::from(expected)), "{system}");
        };
        check("macos", "/home/me/Library/Application Support");
        check("windows", "/roaming");
        check("linux", "/home/me/.config");
    }
}
