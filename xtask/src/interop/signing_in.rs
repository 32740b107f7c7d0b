//! Programs that sign in, with authorization servers of other projects: `tests/python/signing_in.py`.

use std::fmt;

/// A program, the server that it signs in to, and the authorization server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SigningIn {
    /// `anyport login` and other commands, at a server that verifies JWTs.
    OidcProvider,
    /// The same, at a server that asks the authorization server about tokens.
    Django,
    /// A client of another project, at `anyport serve`, which verifies JWTs.
    Client(Client),
    /// The same, and `anyport serve` asks the authorization server about tokens.
    Opaque,
}

/// A client of another project that signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    Python,
    TypeScript,
    McpRemote,
    Mcporter,
}

/// A name and the package, as the file that pins it writes it; `None`: ours.
pub(super) type Named = (&'static str, Option<&'static str>);

const ANYPORT: Named = ("Anyport", None);
const PYTHON: Named = ("Python SDK 2", Some("mcp"));
const OIDC_PROVIDER: Named = ("oidc-provider", Some("oidc-provider"));
const DJANGO: Named = ("django-oauth-toolkit", Some("django-oauth-toolkit"));

impl SigningIn {
    /// All of them, those that take longest first.
    pub(super) const ALL: [Self; 7] = [
        Self::Django,
        Self::OidcProvider,
        Self::Client(Client::TypeScript),
        Self::Client(Client::McpRemote),
        Self::Client(Client::Mcporter),
        Self::Client(Client::Python),
        Self::Opaque,
    ];

    /// Its name in the script.
    pub(super) fn argument(self) -> &'static str {
        match self {
            Self::OidcProvider => "oidc-provider",
            Self::Django => "django",
            Self::Client(Client::Python) => "python",
            Self::Client(Client::TypeScript) => "typescript",
            Self::Client(Client::McpRemote) => "mcp-remote",
            Self::Client(Client::Mcporter) => "mcporter",
            Self::Opaque => "python-opaque",
        }
    }

    /// The program, the server and the authorization server.
    pub(super) fn parts(self) -> [Named; 3] {
        match self {
            Self::OidcProvider => [ANYPORT, ("FastMCP", Some("fastmcp-slim")), OIDC_PROVIDER],
            Self::Django => [ANYPORT, PYTHON, DJANGO],
            Self::Client(client) => [client.named(), ANYPORT, OIDC_PROVIDER],
            Self::Opaque => [PYTHON, ANYPORT, DJANGO],
        }
    }
}

impl Client {
    fn named(self) -> Named {
        match self {
            Self::Python => PYTHON,
            Self::TypeScript => ("TypeScript SDK 2", Some("@modelcontextprotocol/client")),
            Self::McpRemote => ("mcp-remote", Some("mcp-remote")),
            Self::Mcporter => ("mcporter", Some("mcporter")),
        }
    }
}

impl fmt::Display for SigningIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [(program, _), (server, _), (authorization_server, _)] = self.parts();
        write!(f, "login of {program} to {server}, behind {authorization_server}")
    }
}
