use crate::{grant::LoginGrant, limits::SignInLimits, registration::ClientOptions, scope::Scopes};

/// How this program signs in to one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignInOptions {
    /// How tokens are got.
    pub grant: LoginGrant,
    /// The client at the authorization server.
    pub client: ClientOptions,
    /// The authorization server, in place of the one that the server names.
    pub issuer: Option<String>,
    /// The scopes to ask for, in place of those that the server names.
    pub scopes: Option<Scopes>,
    /// Whether the authorization server is not told the resource, since it refuses that.
    pub omits_resource: bool,
    /// Whether the authorization server checks who redeems a code, though it does not say so.
    pub assumes_pkce: bool,
    /// Further parameters of the page to sign in at.
    pub authorize_parameters: Vec<(String, String)>,
    /// The limits.
    pub limits: SignInLimits,
}

impl SignInOptions {
    /// What these options give up of the protection that the specification demands, a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut all = Vec::new();
        if let Some(issuer) = &self.issuer {
            all.push(format!(
                "issuer: the authorization server {issuer} is used, whatever the server names: it gives the tokens of this server"
            ));
        }
        if self.omits_resource {
            all.push(
                "resource = \"omit\": the authorization server is not told which server the token is for, so other servers may \
                 take it, too"
                    .to_owned(),
            );
        }
        if self.assumes_pkce {
            all.push(
                "pkce = \"assume\": the authorization server does not say that it checks who redeems a code (PKCE); if it does not, \
                 a stolen code can be redeemed"
                    .to_owned(),
            );
        }
        if !self.authorize_parameters.is_empty() {
            let names: Vec<&str> = self.authorize_parameters.iter().map(|(name, _)| name.as_str()).collect();
            all.push(format!(
                "authorize_params: the page to sign in at gets {}, of which the specification says nothing",
                names.join(", ")
            ));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_that_departs_from_the_specification_warns() {
        assert!(SignInOptions::default().warnings().is_empty());
        let all = SignInOptions {
            issuer: Some("https://a.example".into()),
            omits_resource: true,
            assumes_pkce: true,
            authorize_parameters: vec![("audience".into(), "secret-value".into())],
            ..SignInOptions::default()
        };
        let warnings = all.warnings().join("\n");
        for option in ["issuer", "resource = \"omit\"", "pkce = \"assume\"", "authorize_params"] {
            assert!(warnings.contains(option), "{option} in {warnings}");
        }
        assert!(warnings.contains("audience") && !warnings.contains("secret-value"));
    }
}
