use crate::{limits::SignInLimits, registration::ClientOptions};

/// How this program signs in to one server.
#[derive(Clone, Debug, Default)]
pub struct SignInOptions {
    /// The client at the authorization server.
    pub client: ClientOptions,
    /// The authorization server, in place of the one that the server names.
    pub issuer: Option<String>,
    /// Whether the authorization server is not told the resource, since it refuses that.
    pub omits_resource: bool,
    /// Whether the authorization server checks who redeems a code, though it does not say so.
    pub assumes_pkce: bool,
    /// Further parameters of the page to sign in at.
    pub authorize_parameters: Vec<(String, String)>,
    /// The limits.
    pub limits: SignInLimits,
}
