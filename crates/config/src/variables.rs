//! `${...}` in an `mcp.json`, written out as the programs that read these files do.
//!
//! - Claude Code: `${VAR}` and `${VAR:-default}`; one that is not set and has no default is a mistake
//!   (<https://code.claude.com/docs/en/mcp>, "Environment variable expansion in `.mcp.json`").
//! - VS Code and Cursor: `${env:VAR}`, empty when it is not set, `${userHome}`, `${workspaceFolder}`,
//!   `${workspaceFolderBasename}`, `${pathSeparator}` or `${/}`; VS Code also `${input:ID}`, for which it asks its user
//!   (<https://code.visualstudio.com/docs/reference/variables-reference>).
//!
//! The forms differ, so all are accepted in every file. Values that VS Code prompts for are read from
//! `ANYPORT_INPUT_ID`.

use std::{
    collections::BTreeMap,
    path::{MAIN_SEPARATOR_STR, Path, PathBuf},
};

use crate::inputs;

/// The environment of the program.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Where it was started.
    pub cwd: PathBuf,
    /// The user's folder.
    pub home: Option<PathBuf>,
    /// The environment.
    pub variables: BTreeMap<String, String>,
}

impl Surroundings {
    /// Those of this process.
    pub fn here() -> Self {
        let text = |value: std::ffi::OsString| value.into_string().ok();
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?)));
        Self {
            cwd: std::env::current_dir().unwrap_or_default(),
            home: std::env::home_dir().filter(|home| !home.as_os_str().is_empty()),
            variables: variables.collect(),
        }
    }

    /// A variable that is set to something.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Why a `${...}` means nothing here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unexpanded {
    /// The variable is not set.
    #[error("${{{0}}} is not set in the environment; set it, or write ${{{0}:-DEFAULT}}")]
    Unset(String),
    /// VS Code would ask for it.
    #[error(
        "${{input:{id}}} is what VS Code asks its user for; set {variable} in the environment, or run this in a terminal, which asks for it"
    )]
    Input {
        /// Its id.
        id: String,
        /// The variable read in its place.
        variable: String,
    },
    /// There is no home folder.
    #[error("${{userHome}} is not known: there is no home folder")]
    NoHome,
    /// It belongs to a program that has more to tell than this one.
    #[error("${{{0}}} can only be written out by the program that the file was made for")]
    Foreign(String),
}

/// Expands the folders of `text` (`${workspaceFolder}`, `${userHome}` and the like), and leaves every other `${...}` as it is:
/// a file of another folder may have the result.
///
/// # Errors
/// When there is no home folder.
pub fn expand_paths(text: &str, surroundings: &Surroundings, workspace: &Path) -> Result<String, Unexpanded> {
    const FOLDERS: [&str; 5] =
        ["userHome", "workspaceFolder", "workspaceFolderBasename", "pathSeparator", "/"];
    let mut out = text.to_owned();
    for name in FOLDERS {
        let written = format!("${{{name}}}");
        if out.contains(&written) {
            out = out.replace(&written, &value(name, surroundings, workspace)?);
        }
    }
    Ok(out)
}

/// `text` with every `${...}` written out; `workspace` is the folder that the file belongs to.
///
/// # Errors
/// When a `${...}` has no value here.
pub fn expand(text: &str, surroundings: &Surroundings, workspace: &Path) -> Result<String, Unexpanded> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let inside = &rest[start + 2..];
        // Without an end it is text.
        let Some(end) = inside.find('}') else { break };
        out.push_str(&rest[..start]);
        out.push_str(&value(&inside[..end], surroundings, workspace)?);
        rest = &inside[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn value(name: &str, surroundings: &Surroundings, workspace: &Path) -> Result<String, Unexpanded> {
    let shown = |path: &Path| path.display().to_string();
    if let Some(variable) = name.strip_prefix("env:") {
        return Ok(surroundings.variables.get(variable).cloned().unwrap_or_default());
    }
    if let Some(id) = name.strip_prefix("input:") {
        let variable = inputs::variable(id);
        let given = surroundings.variable(&variable).map(str::to_owned);
        return given.ok_or(Unexpanded::Input { id: id.to_owned(), variable });
    }
    match name {
        "userHome" => surroundings.home.as_deref().map(shown).ok_or(Unexpanded::NoHome),
        "workspaceFolder" => Ok(shown(workspace)),
        "workspaceFolderBasename" => {
            Ok(workspace.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default())
        }
        "pathSeparator" | "/" => Ok(MAIN_SEPARATOR_STR.to_owned()),
        name => {
            let (variable, default) = match name.split_once(":-") {
                Some((variable, default)) => (variable, Some(default)),
                None => (name, None),
            };
            if variable.contains(':') {
                return Err(Unexpanded::Foreign(name.to_owned()));
            }
            let set = surroundings.variable(variable).or(default).map(str::to_owned);
            // Set to nothing is set, when there is no default for it.
            let set = set.or_else(|| surroundings.variables.get(variable).cloned());
            set.ok_or_else(|| Unexpanded::Unset(variable.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings() -> Surroundings {
        let variables = [("KEY", "k1"), ("EMPTY", ""), ("ANYPORT_INPUT_API_KEY", "k2")];
        Surroundings {
            cwd: "/home/me/here".into(),
            home: Some("/home/me".into()),
            variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        }
    }

    fn check(text: &str, expected: Result<&str, Unexpanded>) {
        let found = expand(text, &surroundings(), Path::new("/home/me/here"));
        assert_eq!(found, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn variables_are_written_out_as_each_program_writes_them() {
        check("Bearer ${KEY}", Ok("Bearer k1"));
        check("${NONE:-fall back}", Ok("fall back"));
        check("${EMPTY:-fall back}", Ok("fall back"));
        check("<${EMPTY}>", Ok("<>"));
        check("${NONE}", Err(Unexpanded::Unset("NONE".into())));
        check("${env:KEY}${env:NONE}", Ok("k1"));
        check("${userHome}/a:${workspaceFolder}/b", Ok("/home/me/a:/home/me/here/b"));
        check("${workspaceFolderBasename}", Ok("here"));
        check("${input:api-key}", Ok("k2"));
        let variable = "ANYPORT_INPUT_OTHER".to_owned();
        check("${input:other}", Err(Unexpanded::Input { id: "other".into(), variable }));
        check("${config:editor.x}", Err(Unexpanded::Foreign("config:editor.x".into())));
    }

    #[test]
    fn what_is_no_variable_stays() {
        check("$KEY ${KEY", Ok("$KEY ${KEY"));
        check("", Ok(""));
        check("{}$", Ok("{}$"));
    }
}
