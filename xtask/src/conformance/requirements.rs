//! Which scenarios a revision requires.

use crate::Failure;

/// The scenarios of one revision that are run against a server, or against a client.
#[derive(Debug, Default)]
pub(super) struct Requirements {
    /// Those that conforming to the revision requires.
    pub(super) required: Vec<String>,
    /// Those that are run and reported, but not required: extensions and what was added later.
    pub(super) others: Vec<String>,
}

/// The scenarios of 2025-03-26, for which the suite has no list, and which later revisions do not require.
pub(super) const OLD_REVISION: &str = "2025-03-26";
const OF_AUTHORIZATION_SERVER: [&str; 2] =
    ["authorization-server-metadata-endpoint", "authorization-code-grant"];
const OF_OLD_REVISION: [&str; 2] =
    ["auth/2025-03-26-oauth-metadata-backcompat", "auth/2025-03-26-oauth-endpoint-fallback"];

/// One part of the suite, named for the suite's subcommand that runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leg {
    Server,
    AuthorizationServer,
    Client,
}

impl Leg {
    /// The subcommand.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::AuthorizationServer => "authorization",
        }
    }
}

impl Requirements {
    /// What is asked of an authorization server, for which the suite has no list.
    pub(super) fn of_authorization_server() -> Self {
        Self { required: OF_AUTHORIZATION_SERVER.map(str::to_owned).into(), others: Vec::new() }
    }

    /// What is asked of a client that meets servers of 2025-03-26.
    pub(super) fn of_old_revision() -> Self {
        Self { required: OF_OLD_REVISION.map(str::to_owned).into(), others: Vec::new() }
    }

    /// Reads what one of the suite's `requirements/*.yaml` says of `leg`.
    ///
    /// The files are lists under `server:` and `client:` and a list of small mappings under `not_scored:`; of YAML that
    /// needs no more than indentation and dashes.
    ///
    /// # Errors
    /// When no required scenario is found: then the file has another form, and everything would pass.
    pub(super) fn parse(text: &str, leg: Leg) -> Result<Self, Failure> {
        let mut requirements = Self::default();
        let (ours, its_leg) = (format!("{}:", leg.name()), format!("leg: {}", leg.name()));
        let mut section = "";
        let mut scenario = None;
        for line in text.lines() {
            let entry = line.trim();
            if !line.starts_with([' ', '#']) && !entry.is_empty() {
                section = entry;
            } else if section == ours {
                requirements.required.extend(entry.strip_prefix("- ").map(str::to_owned));
            } else if section == "not_scored:" {
                if let Some(name) = entry.strip_prefix("- scenario: ") {
                    scenario = Some(name.to_owned());
                } else if entry == its_leg {
                    requirements.others.extend(scenario.take());
                }
            }
        }
        if requirements.required.is_empty() {
            let name = leg.name();
            return Err(format!("the suite's list of requirements names no scenario for a {name}").into());
        }
        Ok(requirements)
    }

    /// Whether `scenario` is among them.
    pub(super) fn has(&self, scenario: &str) -> bool {
        self.required.iter().chain(&self.others).any(|name| name == scenario)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_of_each_half_are_read() {
        let text = "# A comment\n#\nserver:\n  - server-stateless\n  # why\n  - tools-list\n\nclient:\n  - request-metadata\n\
             not_scored:\n  - scenario: auth/dpop\n    leg: client\n    reason: extension\n  - scenario: tasks-lifecycle\n\
             \x20   leg: server\n    reason: extension\n    note: >-\n      run for visibility\n";
        let server = Requirements::parse(text, Leg::Server).unwrap();
        assert_eq!(server.required, ["server-stateless", "tools-list"]);
        assert_eq!(server.others, ["tasks-lifecycle"]);
        assert!(server.has("tasks-lifecycle") && !server.has("request-metadata"));
        let client = Requirements::parse(text, Leg::Client).unwrap();
        assert_eq!(
            (client.required, client.others),
            (vec!["request-metadata".into()], vec!["auth/dpop".into()])
        );
    }

    #[test]
    fn an_empty_list_is_refused() {
        assert!(Requirements::parse("client:\n  - ping\n", Leg::Server).is_err());
        assert!(Requirements::parse("server:\n  - ping\n", Leg::Client).is_err());
    }
}
