//! `[store]`: where the state is that the gateways of a cluster share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the state is that processes share: pins, API keys, users, logins of clients, known lists. A change holds after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// The store: `memory`, `sqlite:FOLDER`, or `nats://HOST:PORT` with further servers after commas, over TLS `tls://HOST:PORT`; or the place of
    /// such a text: `env:NAME`, `file:PATH` or `cmd:COMMAND`. Default: the state folder.
    pub url: Option<String>,
    /// The user at the servers of NATS.
    pub user: Option<String>,
    /// The place of the user's password: `env:NAME`, `file:PATH` or `cmd:COMMAND`.
    pub password: Option<String>,
    /// The place of a token, for servers that want one in place of a user.
    pub token: Option<String>,
    /// The name of the store: one account of NATS can hold several. Default: anyport.
    pub name: Option<String>,
    /// On how many servers of NATS each write is kept, 1 to 5. Default: 3 if the cluster has three servers, else 1.
    pub replicas: Option<u8>,
    /// The monitoring address of a server of NATS, `http://HOST:PORT`, where it says how often it syncs its disk. Default: not asked.
    pub monitor: Option<String>,
    /// The file of the keys that all gateways of the store share, relative to the folder of the file. Servers of NATS need one.
    pub state_key: Option<String>,
    /// The file of the issuers of the servers' certificates, in PEM. Default: those that the system trusts.
    pub tls_ca: Option<String>,
    /// The file of the certificate, with its chain, that the servers are shown, in PEM.
    pub tls_client_cert: Option<String>,
    /// The file of its private key, in PEM.
    pub tls_client_key: Option<String>,
}

impl StoreConfig {
    /// Checks what can be checked without reading secrets. The error is the key, and what is wrong.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let is_name = |name: &String| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=32).contains(&name.len()) && name.bytes().all(is_plain)
        };
        if self.name.as_ref().is_some_and(|name| !is_name(name)) {
            return Err(("name", "it is 1 to 32 letters, digits, - and _".to_owned()));
        }
        if self.replicas.is_some_and(|replicas| !(1..=5).contains(&replicas)) {
            return Err(("replicas", "it is a number from 1 to 5".to_owned()));
        }
        if self.monitor.as_ref().is_some_and(|url| !url.starts_with("http://")) {
            return Err(("monitor", "it is the URL of a monitoring address: `http://HOST:PORT`".to_owned()));
        }
        match (&self.user, &self.password, &self.token) {
            (Some(_), None, _) => {
                return Err(("user", "its password is needed as well: `password`".to_owned()));
            }
            (None, Some(_), _) => return Err(("password", "its user is needed as well: `user`".to_owned())),
            (Some(_), Some(_), Some(_)) => {
                return Err(("token", "it stands in place of `user` and `password`".to_owned()));
            }
            _ => {}
        }
        match (&self.tls_client_cert, &self.tls_client_key) {
            (Some(_), None) => {
                Err(("tls_client_cert", "its key is needed as well: `tls_client_key`".to_owned()))
            }
            (None, Some(_)) => {
                Err(("tls_client_key", "its certificate is needed as well: `tls_client_cert`".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_do_not_go_together_are_named() {
        let check = |text: &str| toml::from_str::<StoreConfig>(text).unwrap().check().map_err(|(key, _)| key);
        assert_eq!(check("url = \"nats://a:4222\"\nname = \"team-a_1\"\nreplicas = 3"), Ok(()));
        assert_eq!(check("user = \"me\"\npassword = \"env:P\"\nmonitor = \"http://a:8222\""), Ok(()));
        for (text, key) in [
            ("name = \"a.b\"", "name"),
            ("name = \"\"", "name"),
            ("replicas = 0", "replicas"),
            ("replicas = 6", "replicas"),
            ("monitor = \"a:8222\"", "monitor"),
            ("user = \"me\"", "user"),
            ("password = \"env:P\"", "password"),
            ("user = \"me\"\npassword = \"env:P\"\ntoken = \"env:T\"", "token"),
            ("tls_client_cert = \"c\"", "tls_client_cert"),
            ("tls_client_key = \"c\"", "tls_client_key"),
        ] {
            assert_eq!(check(text), Err(key), "{text}");
        }
    }
}
