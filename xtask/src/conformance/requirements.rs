//! Which scenarios a revision requires of a server.

use crate::Failure;

/// The scenarios of one revision that are run against a server.
#[derive(Debug, Default)]
pub(super) struct Requirements {
    /// Those that conforming to the revision requires.
    pub(super) required: Vec<String>,
    /// Those that are run and reported, but not required: extensions and what was added later.
    pub(super) others: Vec<String>,
}

impl Requirements {
    /// Reads one of the suite's `requirements/*.yaml`.
    ///
    /// The files are a list under `server:` and a list of small mappings under `not_scored:`; of YAML that needs no
    /// more than indentation and dashes.
    ///
    /// # Errors
    /// When no required scenario is found: then the file has another form, and everything would pass.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let mut requirements = Self::default();
        let mut section = "";
        let mut scenario = None;
        for line in text.lines() {
            let entry = line.trim();
            if !line.starts_with([' ', '#']) && !entry.is_empty() {
                section = entry;
            } else if section == "server:" {
                requirements.required.extend(entry.strip_prefix("- ").map(str::to_owned));
            } else if section == "not_scored:" {
                if let Some(name) = entry.strip_prefix("- scenario: ") {
                    scenario = Some(name.to_owned());
                } else if entry == "leg: server" {
                    requirements.others.extend(scenario.take());
                }
            }
        }
        if requirements.required.is_empty() {
            return Err("the suite's list of requirements names no scenario for servers".into());
        }
        Ok(requirements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_for_servers_are_read() {
        let requirements = Requirements::parse(
            "# A comment\n#\nserver:\n  - server-stateless\n  # why\n  - tools-list\n\nclient:\n  - request-metadata\n\
             not_scored:\n  - scenario: auth/dpop\n    leg: client\n    reason: extension\n  - scenario: tasks-lifecycle\n\
             \x20   leg: server\n    reason: extension\n    note: >-\n      run for visibility\n",
        )
        .unwrap();
        assert_eq!(requirements.required, ["server-stateless", "tools-list"]);
        assert_eq!(requirements.others, ["tasks-lifecycle"]);
    }

    #[test]
    fn an_empty_list_is_refused() {
        assert!(Requirements::parse("client:\n  - ping\n").is_err());
    }
}
