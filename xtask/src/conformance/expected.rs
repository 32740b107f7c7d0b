//! The scenarios that we know to fail, a list that may only shrink.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde::Deserialize;

use super::{sets::Set, verdict::Verdict};
use crate::Failure;

/// `conformance/expected-failures.json`: for each set and revision, the scenarios that fail and why.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Expected {
    sets: BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>,
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

    /// Compares what the suite found out about `set` with the list. What a revision does not require is held to as well:
    /// some of it passed once, and shall go on passing.
    ///
    /// # Errors
    /// Names the scenarios that failed and are not listed, those that are listed and passed, and those that are
    /// listed and do not exist.
    pub(super) fn compare(
        &self,
        set: &Set,
        revision: &str,
        required: &[(String, Verdict)],
        others: &[(String, Verdict)],
    ) -> Result<(), Failure> {
        let mut unknown = self.listed(set, revision);
        let mut complaints = Vec::new();
        for (name, verdict) in required.iter().chain(others) {
            let listed = unknown.remove(name.as_str());
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

    /// The scenarios that fail with `set`.
    fn listed(&self, set: &Set, revision: &str) -> BTreeSet<&str> {
        let lists = set.shares.iter().copied().chain([set.name]);
        let of = |name| self.sets.get(name)?.get(revision);
        lists.filter_map(of).flat_map(BTreeMap::keys).map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sets::SETS, *};

    fn set(name: &str) -> &'static Set {
        SETS.iter().find(|set| set.name == name).unwrap()
    }

    fn compare(required: &[(&str, Verdict)], others: &[(&str, Verdict)]) -> Result<(), String> {
        compare_set("server", required, others)
    }

    fn compare_set(
        name: &str,
        required: &[(&str, Verdict)],
        others: &[(&str, Verdict)],
    ) -> Result<(), String> {
        let expected: Expected = serde_json::from_str(
            r#"{"server": {"2026-07-28": {"tasks-lifecycle": "comes with tasks"}},
                "bridge-legacy": {"2026-07-28": {"sampling": "the server does not know it"}}}"#,
        )
        .unwrap();
        let own = |of: &[(&str, Verdict)]| -> Vec<_> {
            of.iter().map(|(name, verdict)| ((*name).to_owned(), verdict.clone())).collect()
        };
        let compared = expected.compare(set(name), "2026-07-28", &own(required), &own(others));
        compared.map_err(|failure| failure.to_string())
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
    fn what_fails_with_the_server_fails_behind_a_bridge_too() {
        let tasks = ("tasks-lifecycle", failed());
        let (sampling, tasks) = ([("sampling", failed())], [tasks]);
        assert_eq!(compare_set("bridge-legacy", &sampling, &tasks), Ok(()));
        let complaint = compare_set("bridge", &sampling, &tasks).unwrap_err();
        assert!(complaint.contains("sampling\n"), "not every bridge's: {complaint}");
    }

    /// The list may hold what is not required, what needs a token, and what an older server cannot know.
    #[test]
    fn nothing_else_may_be_listed() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../conformance/expected-failures.json");
        let expected = Expected::read(Path::new(path)).unwrap();
        for (name, revisions) in &expected.sets {
            let listed = revisions.values().flatten();
            let may: fn(&str) -> bool = match &**name {
                "server" => |scenario| scenario.starts_with("tasks-"),
                "bridge" => |scenario| ["server-sse-polling"].contains(&scenario),
                "client" => |scenario| scenario.starts_with("auth/"),
                "bridge-legacy" | "bridge-legacy-stdio" => |_| true,
                other => panic!("there is no set {other}, or it has failures of its own now"),
            };
            for (scenario, reason) in listed {
                assert!(may(scenario), "{name}: {scenario}");
                assert!(reason.len() > 20, "{name}: {scenario} fails, but why?");
            }
        }
    }

    #[test]
    fn what_is_listed_and_passes_is_an_error() {
        let complaint = compare(&[], &[("tasks-lifecycle", Verdict::Passed)]).unwrap_err();
        assert!(complaint.contains("tasks-lifecycle passes now"), "{complaint}");
        let complaint = compare(&[("tools-list", Verdict::Passed)], &[]).unwrap_err();
        assert!(complaint.contains("no such scenario"), "{complaint}");
    }
}
