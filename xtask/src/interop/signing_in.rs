//! Programs that sign in, with authorization servers of other projects or with ours: `tests/python/signing_in.py`.

use std::fmt;

/// A program, the server that it signs in to, and the authorization server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SigningIn {
    /// `anyport login` and other commands, at a server that verifies JWTs.
    OidcProvider,
    /// The same, at a server that asks the authorization server about tokens.
    Django,
    /// A client of another project, at `anyport serve`.
    Client(Client, Place),
}

/// A client of another project that signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    Python,
    TypeScript,
    McpRemote,
    Mcporter,
}

/// Who gives the tokens that `anyport serve` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `oidc-provider`: JWTs.
    OidcProvider,
    /// Django OAuth Toolkit, which is asked about them.
    Django,
    /// It does, to users of its own.
    Builtin,
    /// It does, to users of `oidc-provider`.
    Proxy,
}

/// A name and the package, as the file that pins it writes it; `None`: ours.
pub(super) type Named = (&'static str, Option<&'static str>);

const ANYPORT: Named = ("Anyport", None);
const PYTHON: Named = ("Python SDK 2", Some("mcp"));
const OIDC_PROVIDER: Named = ("oidc-provider", Some("oidc-provider"));
const DJANGO: Named = ("django-oauth-toolkit", Some("django-oauth-toolkit"));

impl SigningIn {
    /// All of them, those that take longest first.
    pub(super) const ALL: [Self; 12] = [
        Self::Django,
        Self::OidcProvider,
        Self::Client(Client::TypeScript, Place::OidcProvider),
        Self::Client(Client::McpRemote, Place::OidcProvider),
        Self::Client(Client::Mcporter, Place::OidcProvider),
        Self::Client(Client::Python, Place::OidcProvider),
        Self::Client(Client::Python, Place::Django),
        Self::Client(Client::TypeScript, Place::Builtin),
        Self::Client(Client::McpRemote, Place::Builtin),
        Self::Client(Client::Mcporter, Place::Builtin),
        Self::Client(Client::Python, Place::Builtin),
        Self::Client(Client::Python, Place::Proxy),
    ];

    /// Its name in the script.
    pub(super) fn argument(self) -> String {
        match self {
            Self::OidcProvider => "oidc-provider".to_owned(),
            Self::Django => "django".to_owned(),
            Self::Client(client, place) => format!("{}@{}", client.argument(), place.argument()),
        }
    }

    /// The program, the server and the authorization server.
    pub(super) fn parts(self) -> [Named; 3] {
        match self {
            Self::OidcProvider => [ANYPORT, ("FastMCP", Some("fastmcp-slim")), OIDC_PROVIDER],
            Self::Django => [ANYPORT, PYTHON, DJANGO],
            Self::Client(client, place) => [client.named(), ANYPORT, place.named()],
        }
    }
}

impl Client {
    fn argument(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::TypeScript => "typescript",
            Self::McpRemote => "mcp-remote",
            Self::Mcporter => "mcporter",
        }
    }

    fn named(self) -> Named {
        match self {
            Self::Python => PYTHON,
            Self::TypeScript => ("TypeScript SDK 2", Some("@modelcontextprotocol/client")),
            Self::McpRemote => ("mcp-remote", Some("mcp-remote")),
            Self::Mcporter => ("mcporter", Some("mcporter")),
        }
    }
}

impl Place {
    fn argument(self) -> &'static str {
        match self {
            Self::OidcProvider => "oidc-provider",
            Self::Django => "django",
            Self::Builtin => "builtin",
            Self::Proxy => "proxy",
        }
    }

    fn named(self) -> Named {
        match self {
            Self::OidcProvider => OIDC_PROVIDER,
            Self::Django => DJANGO,
            Self::Builtin => ("Anyport, `[auth.builtin]`", None),
            Self::Proxy => ("Anyport, `[auth.proxy]`", None),
        }
    }
}

impl fmt::Display for SigningIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [(program, _), (server, _), (authorization_server, _)] = self.parts();
        write!(f, "login of {program} to {server}, behind {authorization_server}")
    }
}
