//! Clients and servers that others wrote, with `anyport bridge` between them; and our own client with those servers.

use std::fmt;

use super::{
    dialogue::{Client, Era, Over},
    pairwise::Parts,
};

/// One client and one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meeting {
    pub(super) client: Client,
    /// The era that the client begins with.
    pub(super) era: Era,
    /// How the client reaches the bridge, or the server where there is none.
    pub(super) over: Over,
    pub(super) server: Server,
    /// The server's side of the bridge; `None`: there is no bridge.
    pub(super) behind: Option<Behind>,
}

/// The server's side of a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Behind {
    pub(super) era: Era,
    pub(super) over: Over,
}

const OVER: [Over; 2] = [Over::Http, Over::Stdio];
const ERAS: [Era; 2] = [Era::Modern, Era::Legacy];

/// Every meeting through a bridge that there is.
pub(super) fn bridged() -> Vec<Meeting> {
    let mut all = Vec::new();
    for server in Server::ALL {
        for client in Client::BRIDGED {
            for over in OVER {
                for &era in client.eras(over) {
                    let behind = server.eras().iter().flat_map(|&era| OVER.map(|over| Behind { era, over }));
                    all.extend(behind.map(|behind| Meeting {
                        client,
                        era,
                        over,
                        server,
                        behind: Some(behind),
                    }));
                }
            }
        }
    }
    all
}

/// Our own client with every server.
pub(super) fn ours() -> Vec<Meeting> {
    let mut all = Vec::new();
    for server in Server::ALL {
        for over in OVER {
            // Our client demands a revision, so the server limits it.
            let eras = ERAS.into_iter().filter(|era| server.eras().contains(era));
            all.extend(eras.map(|era| Meeting { client: Client::Anyport, era, over, server, behind: None }));
        }
    }
    all
}

impl Parts for Meeting {
    fn parts(&self) -> Vec<String> {
        let eras = format!("{} to {:?}", self.era, self.behind.map(|behind| behind.era));
        let carriers = format!("{} to {:?}", self.over, self.behind.map(|behind| behind.over));
        vec![format!("{:?}", self.client), format!("{:?}", self.server), eras, carriers]
    }
}

impl Meeting {
    /// The arguments of the client's script, except for the server.
    pub(super) fn arguments(&self) -> Vec<String> {
        let words = [
            ["--client", self.client.argument()],
            ["--era", self.era.name()],
            ["--server", self.server.checks()],
            ["--transport", self.over.name()],
        ];
        words.into_iter().flatten().map(str::to_owned).collect()
    }

    /// The checks that must hold.
    pub(super) fn checks(&self) -> impl Iterator<Item = &'static str> + use<> {
        let server = self.server;
        self.client.can().iter().copied().filter(move |check| server.has(check))
    }
}

impl fmt::Display for Meeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} over {}", self.client.name(), self.era, self.over)?;
        match self.behind {
            Some(behind) => {
                write!(f, ", through a bridge to {}, {} over {}", self.server, behind.era, behind.over)
            }
            None => write!(f, ", to {}", self.server),
        }
    }
}

/// Which server is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Server {
    /// `server-everything`, the reference server of the protocol's own project.
    Everything,
    /// The server of `examples/tour.rs`, with FastMCP: `tests/python/fastmcp_tour.py`.
    FastMcp,
    /// The same with the official Rust SDK: `tests/rust/src/rmcp_tour.rs`.
    Rmcp,
    /// `examples/tour.rs` itself.
    Anyport,
}

impl Server {
    pub(super) const ALL: [Self; 4] = [Self::Everything, Self::FastMcp, Self::Rmcp, Self::Anyport];

    /// Its name and, where somebody else wrote it, its package as the file that pins it writes it.
    pub(super) fn name(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Everything => ("server-everything", Some("@modelcontextprotocol/server-everything")),
            Self::FastMcp => ("FastMCP", Some("fastmcp-slim")),
            Self::Rmcp => ("rmcp", Some("rmcp")),
            Self::Anyport => ("Anyport", None),
        }
    }

    /// The eras that it speaks.
    pub(super) fn eras(self) -> &'static [Era] {
        match self {
            Self::Everything => &[Era::Legacy],
            Self::FastMcp | Self::Rmcp | Self::Anyport => &ERAS,
        }
    }

    /// The name of its expected answers in the scripts.
    fn checks(self) -> &'static str {
        match self {
            Self::Everything => "everything",
            Self::FastMcp | Self::Rmcp | Self::Anyport => "tour",
        }
    }

    /// Whether it can be put to a check: what `server-everything` logs is random.
    fn has(self, check: &str) -> bool {
        self != Self::Everything || check != "log"
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interop::pairwise::pairwise;

    /// Invariant: Any two clients and servers of other projects work together through a bridge, in every era
    /// and over every transport.
    #[test]
    fn eras_meet_over_http_in_what_is_chosen() {
        let all = bridged();
        let chosen = pairwise(&all);
        assert!(chosen.len() * 4 < all.len(), "{} of {}", chosen.len(), all.len());
        for (era, theirs) in ERAS.into_iter().flat_map(|era| ERAS.map(|theirs| (era, theirs))) {
            let behind = Some(Behind { era: theirs, over: Over::Http });
            let over_http = |meeting: &&Meeting| meeting.over == Over::Http && meeting.behind == behind;
            assert!(
                chosen.iter().filter(over_http).any(|meeting| meeting.era == era),
                "{era:?} to {theirs:?}"
            );
        }
    }

    #[test]
    fn ours_meets_every_server_in_every_era_that_it_speaks() {
        let ours = ours();
        assert_eq!(ours.len(), 2 * Server::ALL.iter().map(|server| server.eras().len()).sum::<usize>());
        assert!(
            ours[0].checks().any(|check| check == "sample") && !ours[0].checks().any(|check| check == "log")
        );
        assert_eq!(ours[0].to_string(), "Anyport, legacy over http, to server-everything");
    }
}
