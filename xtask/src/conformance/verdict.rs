//! The suite's result for one scenario.

use std::{collections::BTreeMap, fmt, fs, io, path::Path};

use serde::Deserialize;

use super::requirements::Leg;
use crate::Failure;

/// The outcome of a scenario.
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
    pub(super) fn read_all(folder: &Path, leg: Leg) -> Result<BTreeMap<String, Self>, Failure> {
        let mut verdicts = BTreeMap::new();
        Self::read_below(folder, "", leg, &mut verdicts)?;
        Ok(verdicts)
    }

    /// Some names have a slash in them, and are folders in folders; `above` is what stands before it.
    fn read_below(
        folder: &Path,
        above: &str,
        leg: Leg,
        verdicts: &mut BTreeMap<String, Self>,
    ) -> Result<(), Failure> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            match scenario(&name, leg) {
                Some(name) if path.join("checks.json").exists() => {
                    verdicts.insert(format!("{above}{name}"), Self::read(&path, leg)?);
                }
                None if path.is_dir() => {
                    Self::read_below(&path, &format!("{above}{name}/"), leg, verdicts)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads what the suite left of one scenario.
    fn read(folder: &Path, leg: Leg) -> Result<Self, Failure> {
        let path = folder.join("checks.json");
        let checks: Vec<Check> = serde_json::from_slice(&fs::read(&path)?).map_err(|error| {
            format!("the suite wrote something unexpected in {}: {error}", path.display())
        })?;
        let verdict = Self::of(&checks);
        if leg != Leg::Client || !verdict.passed() {
            return Ok(verdict);
        }
        // The suite keeps what the client wrote, and not how it ended; ours says when it has come to its end.
        let words = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        if words("stdout.txt").trim_end().ends_with(" done") {
            return Ok(verdict);
        }
        Ok(Self::Failed(vec![format!("the client did not come to its end: {}", words("stderr.txt").trim())]))
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

/// The scenario whose results a folder such as `server-ping-2026-07-28T09-30-00-000Z` holds; of a client's, the name
/// begins at once.
fn scenario(folder: &str, leg: Leg) -> Option<&str> {
    const TIME: &str = "-2026-07-28T09-30-00-000Z";
    let name = match leg {
        Leg::Server => folder.strip_prefix("server-")?,
        Leg::AuthorizationServer => folder.strip_prefix("authorization-server-")?,
        Leg::Client => folder,
    };
    let (name, time) = name.split_at_checked(name.len().checked_sub(TIME.len())?)?;
    let like = |(a, b): (char, char)| a == b || (a.is_ascii_digit() && b.is_ascii_digit());
    time.chars().zip(TIME.chars()).all(like).then_some(name)
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
        let server = |folder| scenario(folder, Leg::Server);
        assert_eq!(server("server-ping-2026-11-21T03-37-36-859Z"), Some("ping"));
        let folder = "server-server-initialize-2026-11-21T03-37-36-736Z";
        assert_eq!(server(folder), Some("server-initialize"));
        assert_eq!(server("client-ping-2026-11-21T03-37-36-859Z"), None);
        assert_eq!(server("server-short"), None);
        assert_eq!(scenario("sse-retry-2026-11-21T03-37-36-859Z", Leg::Client), Some("sse-retry"));
        assert_eq!(scenario("auth", Leg::Client), None);
        assert_eq!(scenario("a-folder-with-a-name-of-some-length", Leg::Client), None);
    }

    /// The suite's files of one scenario.
    fn write(folder: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    const GOOD: (&str, &str) = ("checks.json", r#"[{"id":"ping","status":"SUCCESS"}]"#);

    #[test]
    fn results_are_read_from_their_folders() {
        let folder = std::env::temp_dir().join(format!("xtask-results-{}", std::process::id()));
        let of = |name: &str| folder.join(format!("server-{name}-2026-11-21T03-37-36-859Z"));
        write(&of("ping"), &[GOOD]);
        write(&of("tools-list"), &[]);
        let verdicts = Verdict::read_all(&folder, Leg::Server).unwrap();
        assert_eq!(verdicts, BTreeMap::from([("ping".to_owned(), Verdict::Passed)]));
        write(&of("tools-list"), &[("checks.json", "<html>")]);
        let failure = Verdict::read_all(&folder, Leg::Server).unwrap_err().to_string();
        assert!(failure.contains("something unexpected"), "{failure}");
        fs::remove_dir_all(&folder).unwrap();
        assert!(Verdict::read_all(&folder, Leg::Server).unwrap().is_empty());
    }

    #[test]
    fn a_client_must_come_to_its_end() {
        let folder = std::env::temp_dir().join(format!("xtask-client-results-{}", std::process::id()));
        let of = |name: &str| folder.join(format!("{name}-2026-11-21T03-37-36-859Z"));
        write(&of("tools_call"), &[GOOD, ("stdout.txt", "everything_client: tools_call done\n")]);
        write(&of("auth/dpop"), &[GOOD, ("stdout.txt", ""), ("stderr.txt", "Error: Unauthorized\n")]);
        let verdicts = Verdict::read_all(&folder, Leg::Client).unwrap();
        assert_eq!(verdicts["tools_call"], Verdict::Passed);
        let Verdict::Failed(wrong) = &verdicts["auth/dpop"] else { panic!("{verdicts:?}") };
        assert_eq!(*wrong, ["the client did not come to its end: Error: Unauthorized"]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
