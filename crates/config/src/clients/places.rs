//! Where clients keep the files of a user.

use std::path::PathBuf;

use crate::variables::Surroundings;

/// A file of a user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The folder that it is in.
    pub(crate) folder: Folder,
    /// Its path below that folder.
    pub(crate) path: &'static str,
    /// The systems on which it is there.
    pub(crate) systems: Systems,
}

/// A folder of a user.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Folder {
    /// The home folder.
    Home,
    /// Where applications keep their settings: `$XDG_CONFIG_HOME` or `~/.config`, `~/Library/Application Support` on macOS,
    /// `%APPDATA%` on Windows.
    Settings,
    /// `$XDG_CONFIG_HOME` or `~/.config`, on macOS and Windows too.
    Config,
    /// The folder in a variable, else one in the home folder.
    Variable {
        /// The variable.
        name: &'static str,
        /// Where in its folder.
        below: &'static str,
        /// The folder in the home folder.
        home: &'static str,
    },
}

/// Systems of which a place is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Systems {
    All,
    Windows,
    NotWindows,
}

impl Place {
    /// A file in the home folder.
    pub(crate) const fn home(path: &'static str) -> Self {
        Self { folder: Folder::Home, path, systems: Systems::All }
    }

    /// A file in the folder of applications' settings.
    pub(crate) const fn settings(path: &'static str) -> Self {
        Self { folder: Folder::Settings, path, systems: Systems::All }
    }

    /// A file in the folder of configurations.
    pub(crate) const fn config(path: &'static str) -> Self {
        Self { folder: Folder::Config, path, systems: Systems::All }
    }

    /// The same, on these systems only.
    pub(crate) const fn on(self, systems: Systems) -> Self {
        Self { systems, ..self }
    }

    /// The path on `system`, as `std::env::consts::OS` names it.
    pub(crate) fn resolve(&self, surroundings: &Surroundings, system: &str) -> Option<PathBuf> {
        let fits = match self.systems {
            Systems::All => true,
            Systems::Windows => system == "windows",
            Systems::NotWindows => system != "windows",
        };
        let variable = |name| surroundings.variable(name).map(PathBuf::from);
        let home = |path: &str| surroundings.home.as_deref().map(|home| home.join(path));
        let config = || variable("XDG_CONFIG_HOME").or_else(|| home(".config"));
        let folder = match self.folder {
            Folder::Home => home(""),
            Folder::Settings => match system {
                "macos" => home("Library/Application Support"),
                "windows" => variable("APPDATA").or_else(|| home("AppData/Roaming")),
                _ => config(),
            },
            Folder::Config => config(),
            Folder::Variable { name, below, home: path } => {
                variable(name).map(|folder| folder.join(below)).or_else(|| home(path))
            }
        };
        folder.filter(|_| fits).map(|folder| folder.join(self.path))
    }

    /// The path as documentation writes it.
    pub(crate) fn shown(&self) -> String {
        match self.folder {
            Folder::Home => format!("~/{}", self.path),
            Folder::Settings => format!("SETTINGS/{}", self.path),
            Folder::Config => format!("~/.config/{}", self.path),
            Folder::Variable { home, .. } => format!("~/{home}/{}", self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_lie_where_each_system_keeps_them() {
        let surroundings = Surroundings {
            cwd: "/".into(),
            home: Some("/home/me".into()),
            variables: [("APPDATA".to_owned(), "/roaming".to_owned())].into(),
        };
        let check = |place: Place, system, expected: Option<&str>| {
            assert_eq!(
                place.resolve(&surroundings, system),
                expected.map(PathBuf::from),
                "{place:?} {system}"
            );
        };
        let settings = Place::settings("a.json");
        check(settings, "macos", Some("/home/me/Library/Application Support/a.json"));
        check(settings, "windows", Some("/roaming/a.json"));
        check(settings, "linux", Some("/home/me/.config/a.json"));
        check(settings.on(Systems::Windows), "linux", None);
        check(settings.on(Systems::NotWindows), "windows", None);
        check(Place::config("a.json"), "macos", Some("/home/me/.config/a.json"));
        let own = Folder::Variable { name: "APPDATA", below: "x", home: ".own" };
        check(Place { folder: own, path: "a", systems: Systems::All }, "linux", Some("/roaming/x/a"));
        let own = Folder::Variable { name: "NONE", below: "x", home: ".own" };
        check(Place { folder: own, path: "a", systems: Systems::All }, "linux", Some("/home/me/.own/a"));
    }
}
