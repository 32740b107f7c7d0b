//! The scenarios that we know to fail, a list that may only shrink.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde::Deserialize;

use super::verdict::Verdict;
use crate::Failure;

/// `conformance/expected-failures.json`: for each revision, the scenarios that fail and why.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Expected {
    revisions: BTreeMap<String, BTreeMap<String, String>>,
}

impl Expected {
    /// Reads the list.
    ///
    /// # Errors
    /// When it is missing or has another form.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    /// Compares what the suite found out with the list. What a revision does not require is held to as well: some of it
    /// passed once, and shall go on passing.
    ///
    /// # Errors
    /// Names the scenarios that failed and are not listed, those that are listed and passed, and those that are
    /// listed and do not exist.
    pub(super) fn compare(
        &self,
        revision: &str,
        required: &[(String, Verdict)],
        others: &[(String, Verdict)],
    ) -> Result<(), Failure> {
        let none = BTreeMap::new();
        let listed = self.revisions.get(revision).unwrap_or(&none);
        let mut unknown: BTreeSet<_> = listed.keys().collect();
        let mut complaints = Vec::new();
        for (name, verdict) in required.iter().chain(others) {
            let listed = unknown.remove(name);
            match verdict {
                Verdict::Passed if listed => {
                    complaints
                        .push(format!("{name} passes now: take it off conformance/expected-failures.json"));
                }
                Verdict::Passed => {}
                _ if listed => {}
                verdict => complaints.push(format!("{name}\n    {verdict}")),
            }
        }
        complaints.extend(
            unknown.iter().map(|name| format!("{name} is listed as failing, but there is no such scenario")),
        );
        if complaints.is_empty() { Ok(()) } else { Err(format!("  {}", complaints.join("\n  ")).into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(required: &[(&str, Verdict)], others: &[(&str, Verdict)]) -> Result<(), String> {
        let expected: Expected =
            serde_json::from_str(r#"{"2026-07-28": {"tasks-lifecycle": "comes with tasks"}}"#).unwrap();
        let own = |of: &[(&str, Verdict)]| -> Vec<_> {
            of.iter().map(|(name, verdict)| ((*name).to_owned(), verdict.clone())).collect()
        };
        expected.compare("2026-07-28", &own(required), &own(others)).map_err(|failure| failure.to_string())
    }

    fn failed() -> Verdict {
        Verdict::Failed(vec!["check: wrong".into()])
    }

    #[test]
    fn what_is_listed_may_fail() {
        let required = [("tools-list", Verdict::Passed)];
        for verdict in [failed(), Verdict::Missing, Verdict::Skipped] {
            assert_eq!(compare(&required, &[("tasks-lifecycle", verdict)]), Ok(()));
        }
    }

    #[test]
    fn a_failure_that_is_not_listed_is_an_error() {
        let others = [("tasks-lifecycle", failed())];
        for verdict in [failed(), Verdict::Missing, Verdict::Skipped] {
            let complaint = compare(&[("tools-list", verdict.clone())], &others).unwrap_err();
            assert!(complaint.contains("tools-list\n"), "{complaint}");
            let beside = [("tasks-lifecycle", failed()), ("http-header-validation", verdict)];
            let complaint = compare(&[], &beside).unwrap_err();
            assert!(complaint.contains("http-header-validation\n"), "not required, but held: {complaint}");
        }
    }

    #[test]
    fn nothing_but_tasks_may_fail() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../conformance/expected-failures.json");
        let expected = Expected::read(Path::new(path)).unwrap();
        let listed = expected.revisions.values().flat_map(BTreeMap::keys);
        assert_eq!(listed.filter(|name| !name.starts_with("tasks-")).count(), 0, "{expected:?}");
    }

    #[test]
    fn what_is_listed_and_passes_is_an_error() {
        let complaint = compare(&[], &[("tasks-lifecycle", Verdict::Passed)]).unwrap_err();
        assert!(complaint.contains("tasks-lifecycle passes now"), "{complaint}");
        let complaint = compare(&[("tools-list", Verdict::Passed)], &[]).unwrap_err();
        assert!(complaint.contains("no such scenario"), "{complaint}");
    }
}
