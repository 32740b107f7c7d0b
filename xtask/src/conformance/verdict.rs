//! What the suite found out about one scenario.

use std::{collections::BTreeMap, fmt, fs, io, path::Path};

use serde::Deserialize;

use crate::Failure;

/// What became of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Something succeeded and nothing was found wrong.
    Passed,
    /// These checks found something wrong.
    Failed(Vec<String>),
    /// The suite ran it but found nothing that it could check.
    Skipped,
    /// The suite left no checks: it could not run the scenario to its end.
    #[default]
    Missing,
}

/// An element of a scenario's `checks.json`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    id: String,
    status: String,
    error_message: Option<String>,
}

impl Verdict {
    /// Reads the checks of all scenarios that the suite left in `folder`, by the scenarios' names.
    ///
    /// # Errors
    /// When a file cannot be read or is not what the suite writes. A folder without a file is a scenario that did
    /// not end, and is left out.
    pub(super) fn read_all(folder: &Path) -> Result<BTreeMap<String, Self>, Failure> {
        let mut verdicts = BTreeMap::new();
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(verdicts),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path().join("checks.json");
            if let (Some(name), true) = (scenario(&entry.file_name().to_string_lossy()), path.exists()) {
                let checks = fs::read(&path)?;
                let checks: Vec<Check> = serde_json::from_slice(&checks).map_err(|error| {
                    format!("the suite wrote something unexpected in {}: {error}", path.display())
                })?;
                verdicts.insert(name.to_owned(), Self::of(&checks));
            }
        }
        Ok(verdicts)
    }

    fn of(checks: &[Check]) -> Self {
        let wrong = checks.iter().filter(|check| matches!(check.status.as_str(), "FAILURE" | "WARNING"));
        let wrong: Vec<_> = wrong
            .map(|check| {
                format!("{}: {}", check.id, check.error_message.as_deref().unwrap_or("(no message)"))
            })
            .collect();
        if !wrong.is_empty() {
            Self::Failed(wrong)
        } else if checks.iter().any(|check| check.status == "SUCCESS") {
            Self::Passed
        } else {
            Self::Skipped
        }
    }

    /// Whether the scenario passed.
    pub(super) fn passed(&self) -> bool {
        *self == Self::Passed
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Failed(wrong) => f.write_str(&wrong.join("\n    ")),
            Self::Skipped => f.write_str("the suite found nothing that it could check"),
            Self::Missing => f.write_str("the suite could not run it to its end"),
        }
    }
}

/// The scenario whose results a folder such as `server-ping-2026-07-28T09-30-00-000Z` holds.
fn scenario(folder: &str) -> Option<&str> {
    const TIME: usize = "-2026-07-28T09-30-00-000Z".len();
    let name = folder.strip_prefix("server-")?;
    name.get(..name.len().checked_sub(TIME)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(checks: &str) -> Verdict {
        Verdict::of(&serde_json::from_str::<Vec<Check>>(checks).unwrap())
    }

    #[test]
    fn a_warning_counts_like_a_failure() {
        let checks = r#"[{"id":"a","status":"SUCCESS"},{"id":"b","status":"WARNING","errorMessage":"no ask"},
                         {"id":"c","status":"FAILURE","name":"C"}]"#;
        assert_eq!(verdict(checks), Verdict::Failed(vec!["b: no ask".into(), "c: (no message)".into()]));
    }

    #[test]
    fn nothing_succeeded_is_not_passed() {
        assert_eq!(verdict(r#"[{"id":"a","status":"SUCCESS"},{"id":"b","status":"INFO"}]"#), Verdict::Passed);
        assert_eq!(
            verdict(r#"[{"id":"b","status":"SKIPPED"},{"id":"c","status":"INFO"}]"#),
            Verdict::Skipped
        );
        assert_eq!(verdict("[]"), Verdict::Skipped);
        assert!(!Verdict::default().passed());
    }

    #[test]
    fn the_scenario_is_read_from_the_folder() {
        assert_eq!(scenario("server-ping-2026-11-21T03-37-36-859Z"), Some("ping"));
        let folder = "server-server-initialize-2026-11-21T03-37-36-736Z";
        assert_eq!(scenario(folder), Some("server-initialize"));
        assert_eq!(scenario("client-ping-2026-11-21T03-37-36-859Z"), None);
        assert_eq!(scenario("server-short"), None);
    }

    #[test]
    fn results_are_read_from_their_folders() {
        let folder = std::env::temp_dir().join(format!("xtask-results-{}", std::process::id()));
        let write = |name: &str, checks: Option<&str>| {
            let scenario = folder.join(format!("server-{name}-2026-11-21T03-37-36-859Z"));
            fs::create_dir_all(&scenario).unwrap();
            if let Some(checks) = checks {
                fs::write(scenario.join("checks.json"), checks).unwrap();
            }
        };
        write("ping", Some(r#"[{"id":"ping","status":"SUCCESS"}]"#));
        write("tools-list", None);
        let verdicts = Verdict::read_all(&folder).unwrap();
        assert_eq!(verdicts, BTreeMap::from([("ping".to_owned(), Verdict::Passed)]));
        write("tools-list", Some("<html>"));
        assert!(Verdict::read_all(&folder).unwrap_err().to_string().contains("something unexpected"));
        fs::remove_dir_all(&folder).unwrap();
        assert!(Verdict::read_all(&folder).unwrap().is_empty());
    }
}
