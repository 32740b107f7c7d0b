//! Servers that others wrote, whose tools ask in one era alone, behind `anyport bridge` without `--revision`, or among the
//! servers of a gateway: each tool is called twice in a row by a client of either era.

use std::fmt;

use super::{
    dialogue::{Client, Era, Over},
    pairwise::Parts,
};

/// One client and one such server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asking {
    pub(super) server: Sdk,
    pub(super) client: Client,
    /// The era of the client.
    pub(super) era: Era,
    /// How the client reaches the bridge or gateway, and that the server.
    pub(super) over: Over,
    pub(super) between: Between,
}

/// What stands between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Between {
    Bridge,
    /// `anyport serve --config`, where the server keeps its names among two others.
    Gateway,
}

/// What the server is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sdk {
    /// `tests/python/fastmcp_asking.py`.
    FastMcp,
    /// `tests/python/mcp_asking.py`.
    Python,
    /// `tests/typescript/asking-server.mjs`.
    TypeScript,
    /// `tests/rust/src/rmcp_asking.rs`.
    Rmcp,
}

impl Sdk {
    const ALL: [Self; 4] = [Self::FastMcp, Self::Python, Self::TypeScript, Self::Rmcp];
}

/// Every such dialogue.
pub(super) fn all() -> Vec<Asking> {
    let mut all = Vec::new();
    for server in Sdk::ALL {
        for over in [Over::Stdio, Over::Http] {
            // Over HTTP the SDK's handler serves older clients without sessions, so it can push no question to any client.
            if (server, over) == (Sdk::TypeScript, Over::Http) {
                continue;
            }
            for client in [Client::Python2, Client::TypeScript2] {
                for between in [Between::Bridge, Between::Gateway] {
                    let eras = client.eras(over).iter();
                    all.extend(eras.map(|&era| Asking { server, client, era, over, between }));
                }
            }
        }
    }
    all
}

impl Parts for Asking {
    fn parts(&self) -> Vec<String> {
        let Self { server, client, era, over, between } = self;
        vec![
            format!("{server:?}"),
            format!("{client:?}"),
            era.to_string(),
            over.to_string(),
            format!("{between:?}"),
        ]
    }
}

impl Asking {
    /// The checks that must hold.
    pub(super) const CHECKS: [&str; 2] = ["push", "give"];

    /// The arguments of the client's script, except for the server.
    pub(super) fn arguments(&self) -> Vec<String> {
        let words = [
            ["--client", self.client.argument()],
            ["--era", self.era.name()],
            ["--server", "asking"],
            ["--transport", self.over.name()],
        ];
        words.into_iter().flatten().map(str::to_owned).collect()
    }

    /// A name for its files.
    pub(super) fn file(&self) -> String {
        let Self { server, client, era, over, between } = self;
        format!("asking-{server:?}-{}-{era}-{over}-{between:?}", client.argument())
    }
}

impl fmt::Display for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, client, era, over, between } = self;
        let between = match between {
            Between::Bridge => "bridge",
            Between::Gateway => "gateway",
        };
        write!(f, "{}, {era}, asked over {over} through a {between} by {server:?}", client.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_asks_clients_of_both_eras() {
        let all = all();
        assert_eq!(all.len(), 56);
        for server in Sdk::ALL {
            for era in [Era::Modern, Era::Legacy] {
                assert!(all.iter().any(|asking| (asking.server, asking.era) == (server, era)));
            }
        }
        assert_eq!(
            all[0].arguments().join(" "),
            "--client mcp --era modern --server asking --transport stdio"
        );
    }
}
