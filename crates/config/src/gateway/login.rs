//! The keys of an upstream about its login.

use super::model::{ExchangeProtocol, UpstreamAuth, UpstreamConfig};

/// The keys that only mean something beside `auth`, and whether each is given.
fn keys(config: &UpstreamConfig) -> [(&'static str, bool); 14] {
    [
        ("account", config.account.is_some()),
        ("issuer", config.issuer.is_some()),
        ("resource", config.resource.is_some()),
        ("pkce", config.pkce.is_some()),
        ("authorize_params", !config.authorize_params.is_empty()),
        ("client_id", config.client_id.is_some()),
        ("client_secret", config.client_secret.is_some()),
        ("client_key", config.client_key.is_some()),
        ("client_metadata_url", config.client_metadata_url.is_some()),
        ("redirect_uri", config.redirect_uri.is_some()),
        ("scope", config.scope.is_some()),
        ("assertion", config.assertion.is_some()),
        ("exchange", config.exchange.is_some()),
        ("audience", config.audience.is_some()),
    ]
}

/// The first of these keys that is given.
pub(super) fn first_key(config: &UpstreamConfig) -> Option<&'static str> {
    keys(config).into_iter().find(|(_, given)| *given).map(|(key, _)| key)
}

/// Checks the keys of the login to the server at `url`.
///
/// # Errors
/// The key that is wrong, and why.
pub(super) fn check(config: &UpstreamConfig, url: &str) -> Result<(), (&'static str, String)> {
    let Some(auth) = config.auth else {
        return match first_key(config) {
            Some(key) => {
                Err((key, "it is about the login of `auth = \"oauth\"`, which is not there".to_owned()))
            }
            None => Ok(()),
        };
    };
    let is_token = |name: &String| name.eq_ignore_ascii_case("authorization");
    if let UpstreamAuth::Bearer | UpstreamAuth::None = auth {
        if let Some(key) = first_key(config) {
            return Err((key, "it is about a login, and `auth` says that there is none".to_owned()));
        }
        return match (auth, &config.bearer) {
            (UpstreamAuth::Bearer, None) => {
                Err(("auth", "`bearer` needs the place of the token: `bearer`".to_owned()))
            }
            (UpstreamAuth::None, Some(_)) => {
                Err(("bearer", "`auth = \"none\"` says that there is no token".to_owned()))
            }
            _ => Ok(()),
        };
    }
    if config.bearer.is_some() || config.headers.keys().any(is_token) {
        return Err(("auth", "the upstream is given a token, too, by `bearer` or `headers`".to_owned()));
    }
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(("auth", "only servers at http:// and https:// URLs have logins".to_owned()));
    }
    check_client(config)?;
    let is_of_caller = matches!(auth, UpstreamAuth::PerUser | UpstreamAuth::TokenExchange);
    if is_of_caller && config.cache.as_ref().is_some_and(|cache| cache.rules().is_some()) {
        let why =
            "the server knows each caller by a login of its own, and a kept answer would outlive that login";
        return Err(("cache", why.to_owned()));
    }
    if auth != UpstreamAuth::TokenExchange {
        refuse(config, &["exchange", "audience"], "it is for `auth = \"token_exchange\"`")?;
    }
    match auth {
        UpstreamAuth::None | UpstreamAuth::Bearer => Ok(()),
        UpstreamAuth::TokenExchange => check_exchange(config),
        UpstreamAuth::PerUser => {
            refuse(config, &["assertion"], "it is for `auth = \"workload_identity\"`")?;
            refuse(config, &["account"], "with `per_user`, each caller has a login of its own")?;
            refuse(
                config,
                &["redirect_uri"],
                "with `per_user`, it is `/connect/callback/NAME` below the public URL",
            )?;
            refuse_authorization(config)
        }
        UpstreamAuth::Oauth => refuse(config, &["assertion"], "it is for `auth = \"workload_identity\"`"),
        UpstreamAuth::ClientCredentials => {
            refuse(config, OF_USERS, "it is for logins of users, and `client_credentials` has none")?;
            refuse(config, &["assertion"], "it is for `auth = \"workload_identity\"`")?;
            let proof = config.client_secret.is_some() || config.client_key.is_some();
            demand("client_id", config.client_id.is_some(), "`client_credentials` needs the id of a client")?;
            demand("client_secret", proof, "`client_credentials` needs this, or a `client_key`")
        }
        UpstreamAuth::WorkloadIdentity => {
            refuse(config, OF_USERS, "it is for logins of users, and `workload_identity` has none")?;
            demand("client_id", config.client_id.is_some(), "`workload_identity` needs the id of a client")?;
            demand(
                "assertion",
                config.assertion.is_some(),
                "`workload_identity` needs the place of its assertion",
            )
        }
    }
}

fn check_exchange(config: &UpstreamConfig) -> Result<(), (&'static str, String)> {
    refuse(config, OF_USERS, "it is for logins with a browser, and `token_exchange` has none")?;
    refuse(config, &["assertion"], "it is for `auth = \"workload_identity\"`")?;
    demand("client_id", config.client_id.is_some(), "`token_exchange` needs the id of a client")?;
    let proof = config.client_secret.is_some() || config.client_key.is_some();
    demand("client_secret", proof, "`token_exchange` needs this, or a `client_key`")?;
    refuse_authorization(config)?;
    if config.exchange == Some(ExchangeProtocol::OnBehalfOf) {
        let names_server = "`on_behalf_of` needs the scopes of the server, such as `api://ID/.default`";
        demand("scope", config.scope.is_some(), names_server)?;
        refuse(config, &["audience", "resource"], "with `on_behalf_of` the scopes name the server")?;
    }
    Ok(())
}

/// Refuses a token that callers would bring beside the one that is got for them.
fn refuse_authorization(config: &UpstreamConfig) -> Result<(), (&'static str, String)> {
    match config.forward_headers.values().any(|under| under.eq_ignore_ascii_case("authorization")) {
        true => Err(("forward_headers", "the token of `auth` is sent in Authorization".to_owned())),
        false => Ok(()),
    }
}

/// The keys of logins with a browser.
const OF_USERS: &[&str] = &["account", "pkce", "authorize_params", "client_metadata_url", "redirect_uri"];

fn check_client(config: &UpstreamConfig) -> Result<(), (&'static str, String)> {
    for (key, given) in [("client_secret", &config.client_secret), ("client_key", &config.client_key)] {
        if given.is_some() && config.client_id.is_none() {
            return Err((key, "it belongs to a `client_id`, which is not there".to_owned()));
        }
    }
    match (&config.client_secret, &config.client_key) {
        (Some(_), Some(_)) => {
            Err(("client_key", "there is a `client_secret`, too: a client has one of both".to_owned()))
        }
        _ => Ok(()),
    }
}

/// Refuses the first of `names` that is given.
fn refuse(config: &UpstreamConfig, names: &[&str], why: &str) -> Result<(), (&'static str, String)> {
    match keys(config).into_iter().find(|(key, given)| *given && names.contains(key)) {
        Some((key, _)) => Err((key, why.to_owned())),
        None => Ok(()),
    }
}

fn demand(key: &'static str, is_given: bool, why: &str) -> Result<(), (&'static str, String)> {
    if is_given { Ok(()) } else { Err((key, why.to_owned())) }
}

#[cfg(test)]
mod tests {
    use crate::gateway::UpstreamConfig;

    #[test]
    fn keys_of_the_login_are_checked_together() {
        for (text, wrong) in [
            (
                "auth = \"oauth\"\nissuer = \"https://i.example\"\nresource = \"omit\"\npkce = \"assume\"",
                None,
            ),
            ("auth = \"oauth\"\nauthorize_params = { audience = \"a\" }", None),
            ("issuer = \"https://i.example\"", Some("issuer")),
            ("account = \"work\"", Some("account")),
            ("auth = \"oauth\"\nassertion = \"file:a\"", Some("assertion")),
            ("auth = \"oauth\"\nclient_secret = \"env:S\"", Some("client_secret")),
            ("auth = \"oauth\"\nbearer = \"env:S\"", Some("auth")),
            (
                "auth = \"client_credentials\"\nclient_id = \"c\"\nclient_secret = \"env:S\"\nscope = \"a\"",
                None,
            ),
            ("auth = \"client_credentials\"\nclient_id = \"c\"\nclient_key = \"file:key.pem\"", None),
            ("auth = \"client_credentials\"\nclient_id = \"c\"", Some("client_secret")),
            ("auth = \"client_credentials\"\nclient_secret = \"env:S\"", Some("client_secret")),
            (
                "auth = \"client_credentials\"\nclient_id = \"c\"\nclient_secret = \"env:S\"\nclient_key = \"file:k\"",
                Some("client_key"),
            ),
            (
                "auth = \"client_credentials\"\nclient_id = \"c\"\nclient_secret = \"env:S\"\npkce = \"assume\"",
                Some("pkce"),
            ),
            ("auth = \"workload_identity\"\nclient_id = \"c\"\nassertion = \"file:token\"", None),
            ("auth = \"workload_identity\"\nclient_id = \"c\"", Some("assertion")),
            ("auth = \"workload_identity\"\nassertion = \"file:token\"", Some("client_id")),
        ] {
            let config: UpstreamConfig =
                toml::from_str(&format!("url = \"https://a.example/mcp\"\n{text}")).unwrap();
            assert_eq!(config.server().err().map(|(key, _)| key), wrong, "{text}");
        }
        let program: UpstreamConfig = toml::from_str("command = \"a\"\nscope = \"x\"").unwrap();
        assert_eq!(program.server().unwrap_err().0, "scope");
    }
}
