//! What the entries of clients say of the login to a server.
//!
//! Each client has keys of its own, and all are read in every file, as the others are:
//! - VS Code and Claude Code: `oauth` with `clientId`; Claude Code also with `callbackPort` and `scopes`, a text.
//! - Gemini CLI: `oauth` with `enabled`, `clientId`, `clientSecret`, `scopes` (a list) and `redirectUri`.
//! - Cursor: `auth` with `CLIENT_ID`, `CLIENT_SECRET` and `scopes`.
//! - opencode: `oauth` with `clientId`, `clientSecret`, `scope` and `redirectUri`, or `false`.
//! - Codex: `scopes` beside the URL.
//!
//! Endpoints that some clients are told (`authorizationUrl`, `tokenUrl`) are those of the server's metadata here: such keys are named in
//! [`ClientLogin::unused`], so that nothing is ignored without a word.

use serde_json::{Map, Value};

use crate::{
    references::{only_variable, variables_of},
    value_kind::kind,
};

/// What the entry of a client says of the login to a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientLogin {
    /// The id of a client that is registered at the authorization server.
    pub client_id: Option<String>,
    /// The place of its secret, as an `anyport.toml` has it: `env:NAME`.
    pub client_secret: Option<String>,
    /// The scopes to ask for, separated by spaces.
    pub scope: Option<String>,
    /// Where the browser brings the answer of the login.
    pub redirect_uri: Option<String>,
    /// What is not used, and why.
    pub unused: Vec<String>,
}

/// The keys under which an entry has an object about its login.
const OBJECTS: [&str; 2] = ["oauth", "auth"];

impl ClientLogin {
    /// The login of an entry whose texts `read` reads; `None` if it says nothing of one.
    ///
    /// # Errors
    /// A value of the wrong kind.
    pub(crate) fn of(
        entry: &Map<String, Value>,
        read: impl Fn(&str) -> String,
    ) -> Result<Option<Self>, String> {
        let mut login = Self::default();
        let mut is_there = false;
        for object in OBJECTS {
            // Other values are switches: `false`, or `"oauth"`, which is what happens anyhow.
            let Some(keys) = entry.get(object).and_then(Value::as_object) else { continue };
            if keys.get("enabled").and_then(Value::as_bool) == Some(false) {
                continue;
            }
            is_there = true;
            for (key, value) in keys.iter().filter(|(_, value)| !value.is_null()) {
                login.read(&format!("{object}.{key}"), key, value, &read)?;
            }
        }
        if let Some(scopes) = entry.get("scopes").filter(|scopes| !scopes.is_null()) {
            is_there = true;
            login.scope = Some(scopes_of("scopes", scopes)?);
        }
        if login.client_secret.is_some() && login.client_id.is_none() {
            login.client_secret = None;
            login.unused.push("the secret of a client without its id".to_owned());
        }
        Ok(is_there.then_some(login))
    }

    fn read(
        &mut self,
        path: &str,
        key: &str,
        value: &Value,
        read: &impl Fn(&str) -> String,
    ) -> Result<(), String> {
        let text = || match value {
            Value::String(text) => Ok(read(text)),
            other => Err(wrong(path, other, "a text")),
        };
        match key {
            "enabled" => {}
            "clientId" | "client_id" | "CLIENT_ID" => match text()? {
                id if variables_of(&id).is_empty() => self.client_id = Some(id),
                _ => self.unused.push(format!("{path}, which refers to a variable: an id is no secret, write it there")),
            },
            "clientSecret" | "client_secret" | "CLIENT_SECRET" => match only_variable(&text()?) {
                Some(name) => self.client_secret = Some(format!("env:{name}")),
                None => self.unused.push(format!(
                    "{path}, which is the secret itself: write the name of a variable there, as in ${{CLIENT_SECRET}}"
                )),
            },
            "scopes" | "scope" => self.scope = Some(scopes_of(path, value)?),
            "redirectUri" | "redirect_uri" => self.redirect_uri = Some(text()?),
            // The address that this client registers with its port.
            "callbackPort" => match value.as_u64().and_then(|port| u16::try_from(port).ok()) {
                Some(port) => self.redirect_uri = Some(format!("http://localhost:{port}/callback")),
                None => return Err(wrong(path, value, "a port")),
            },
            _ => self.unused.push(format!("{path}: what a server publishes of its login is used")),
        }
        Ok(())
    }
}

/// Scopes as one text, whichever way they are written.
fn scopes_of(path: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Array(all) => {
            let words = all.iter().map(|scope| scope.as_str().ok_or_else(|| wrong(path, scope, "a text")));
            Ok(words.collect::<Result<Vec<_>, _>>()?.join(" "))
        }
        other => Err(wrong(path, other, "a text or a list")),
    }
}

fn wrong(path: &str, found: &Value, expected: &str) -> String {
    format!("its `{path}` is {}, and {expected} was expected", kind(found))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn login(entry: &Value) -> Result<Option<ClientLogin>, String> {
        ClientLogin::of(entry.as_object().unwrap(), crate::references::from_dollar)
    }

    fn some(id: &str, secret: Option<&str>, scope: Option<&str>, redirect: Option<&str>) -> ClientLogin {
        let own = |text: Option<&str>| text.map(str::to_owned);
        ClientLogin {
            client_id: Some(id.to_owned()),
            client_secret: own(secret),
            scope: own(scope),
            redirect_uri: own(redirect),
            unused: Vec::new(),
        }
    }

    #[test]
    fn each_client_says_it_in_its_own_keys() {
        for (client, entry, expected) in [
            ("VS Code", json!({"oauth": {"clientId": "c"}}), some("c", None, None, None)),
            (
                "Claude Code",
                json!({"oauth": {"clientId": "c", "callbackPort": 8080, "scopes": "a b"}}),
                some("c", None, Some("a b"), Some("http://localhost:8080/callback")),
            ),
            (
                "Gemini CLI",
                json!({"oauth": {"enabled": true, "clientId": "c", "clientSecret": "$SECRET", "scopes": ["a", "b"],
                    "redirectUri": "http://localhost:7777/oauth/callback"}}),
                some("c", Some("env:SECRET"), Some("a b"), Some("http://localhost:7777/oauth/callback")),
            ),
            (
                "Cursor",
                json!({"auth": {"CLIENT_ID": "c", "CLIENT_SECRET": "${env:SECRET}", "scopes": ["a"]}}),
                some("c", Some("env:SECRET"), Some("a"), None),
            ),
            (
                "opencode",
                json!({"oauth": {"clientId": "c", "scope": "a b"}}),
                some("c", None, Some("a b"), None),
            ),
            (
                "Codex",
                json!({"scopes": ["a", "b"]}),
                ClientLogin { client_id: None, ..some("", None, Some("a b"), None) },
            ),
        ] {
            assert_eq!(login(&entry).unwrap().as_ref(), Some(&expected), "{client}");
        }
        for none in [
            json!({}),
            json!({"oauth": false}),
            json!({"oauth": null}),
            json!({"oauth": {"enabled": false, "clientId": "c"}}),
            json!({"auth": "oauth"}),
        ] {
            assert_eq!(login(&none).unwrap(), None, "{none}");
        }
    }

    #[test]
    fn what_is_not_used_is_named_and_a_secret_is_not_repeated() {
        let entry = json!({"oauth": {
            "clientId": "c", "clientSecret": "hunter2", "tokenUrl": "https://a.example/token", "audiences": ["x"],
        }});
        let login = login(&entry).unwrap().unwrap();
        assert_eq!((login.client_id.as_deref(), &login.client_secret), (Some("c"), &None));
        let unused = login.unused.join("\n");
        for key in ["oauth.clientSecret", "oauth.tokenUrl", "oauth.audiences"] {
            assert!(unused.contains(key), "{unused}");
        }
        assert!(!unused.contains("hunter2") && login.unused.len() == 3, "{unused}");
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_a_fault() {
        for (entry, words) in [
            (json!({"oauth": {"clientId": 7}}), "its `oauth.clientId` is a number, and a text was expected"),
            (json!({"oauth": {"callbackPort": 70_000}}), "a port was expected"),
            (json!({"scopes": [7]}), "its `scopes` is a number"),
            (json!({"auth": {"scopes": {}}}), "a text or a list was expected"),
        ] {
            assert!(login(&entry).unwrap_err().contains(words), "{entry}");
        }
    }
}
