//! `anyport key`, `anyport user` and `anyport token`: what callers present to servers of this program.

use std::{path::Path, sync::Arc};

use anyport_auth::resource_server::{API_KEY_USES, API_KEYS, ApiKeys, SharedSecretJwt};
use anyport_service::Authorization;
use anyport_store::{BLOB, Options, SqliteStore};
use anyport_transport::http::{Credential, CredentialError, CredentialVerifier, Scheme, Verification};
use serde_json::Value;

use crate::support::{Ended, anyport, folder, to_the_end, with_input};

fn ran(home: &Path, arguments: &[&str]) -> Ended {
    let mut command = anyport(home);
    command.args(arguments).arg("--state-dir").arg(home.join("state"));
    to_the_end(command)
}

fn done(home: &Path, arguments: &[&str]) -> String {
    let ended = ran(home, arguments);
    assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
    ended.stdout
}

fn json(home: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&done(home, &[arguments, &["--json"]].concat())).unwrap()
}

async fn present(verifier: &impl CredentialVerifier, token: &str) -> Result<Authorization, CredentialError> {
    let credential = Credential::new(Scheme::Bearer, token.trim());
    let head = http::Request::new(()).into_parts().0;
    match verifier.verify(&credential, &head, "https://mcp.example.com/mcp") {
        Verification::Ready(result) => result,
        Verification::Pending(result) => result.await,
    }
}

#[test]
fn a_user_is_added_with_a_password_on_standard_input_listed_and_removed() {
    let home = folder(&[]);
    let home = home.path();
    let with_password = |arguments: &[&str], password: &str| {
        let mut command = anyport(home);
        command.args(arguments).arg("--state-dir").arg(home.join("state"));
        with_input(command, password)
    };
    assert!(done(home, &["user", "list"]).contains("anyport user add NAME"));
    let added = with_password(&["user", "add", "ada", "--scope", "data:read"], "correct horse\n");
    assert_eq!((added.code, added.stdout.as_str()), (Some(0), "added the user ada\n"), "{added:?}");
    let again = with_password(&["user", "add", "ada"], "correct horse\n");
    assert!(again.code == Some(2) && again.stderr.contains("already"), "{again:?}");
    let short = with_password(&["user", "add", "bob"], "short\n");
    assert!(short.code == Some(2) && short.stderr.contains("8 to 1024"), "{short:?}");
    let users = json(home, &["user", "list"]);
    assert_eq!(
        (&users["users"][0]["name"], &users["users"][0]["scopes"][0]),
        (&"ada".into(), &"data:read".into())
    );
    assert!(!users.to_string().contains("argon2"), "{users}");
    assert_eq!(done(home, &["user", "remove", "ada"]), "removed the user ada\n");
    assert_eq!(ran(home, &["user", "remove", "ada"]).code, Some(1));
}

#[test]
fn a_key_is_made_listed_and_revoked() {
    let home = folder(&[]);
    let home = home.path();
    assert!(done(home, &["key", "list"]).contains("anyport key create NAME"));
    let ended = ran(home, &["key", "create", "robot", "--scope", "data:read data:write", "--expires", "90d"]);
    assert!(ended.stderr.contains("not shown again"), "{ended:?}");
    let key = ended.stdout.trim();
    let id = key.strip_prefix("apk_").and_then(|rest| rest.split_once('_')).unwrap().0;
    let listed = done(home, &["key", "list"]);
    assert!(listed.contains(id) && listed.contains("data:read data:write") && listed.contains("never"));
    assert!(!listed.contains(key), "{listed}");
    let made = json(home, &["key", "create", "robot"]);
    assert_eq!(
        (&made["name"], &made["scopes"], &made["expires"]),
        (&"robot".into(), &Value::Null, &Value::Null)
    );
    assert!(made["key"].as_str().unwrap().contains(made["id"].as_str().unwrap()));
    let keys = json(home, &["key", "list"]);
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2);
    assert!(keys["keys"][0].get("key").is_none() && keys["keys"][0].get("hash").is_none());
    let several = ran(home, &["key", "revoke", "robot"]);
    assert_eq!(several.code, Some(2), "{several:?}");
    assert!(several.stderr.contains(id), "{several:?}");
    assert!(done(home, &["key", "revoke", id]).contains(&format!("revoked the key {id} of robot")));
    assert_eq!(json(home, &["key", "revoke", "robot"])["revoked"]["name"], "robot");
    let unknown = ran(home, &["key", "revoke", "robot"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.stderr.contains("anyport key list"), "{unknown:?}");
}

#[test]
fn what_is_wrong_with_a_key_is_said_before_it_is_made() {
    let home = folder(&[]);
    for (arguments, why) in [
        (&["key", "create", "robot", "--expires", "soon"][..], "90d"),
        (&["key", "create", "robot", "--scope", "a\"b"], "no scope"),
        (&["key", "create", ""], "name of a key"),
    ] {
        let ended = ran(home.path(), arguments);
        assert!(ended.code != Some(0) && ended.stderr.contains(why), "{arguments:?}: {ended:?}");
    }
}

/// Invariant: Of an API key only its hash is stored.
#[tokio::test]
async fn a_key_of_the_program_is_accepted_until_another_process_revokes_it() {
    let home = folder(&[]);
    let home = home.path();
    let key = done(home, &["key", "create", "robot", "--scope", "data:read"]);
    let store =
        SqliteStore::new(home.join("state/store"), &[&API_KEYS, &API_KEY_USES, &BLOB], Options::default());
    let verifier = ApiKeys::new(Arc::new(store));
    let authorization = present(&verifier, &key).await.unwrap();
    assert_eq!(authorization.principal().name(), Some("robot"));
    assert!(authorization.allows("data:read") && !authorization.allows("data:write"));
    // The secret itself may have a `_`, and what is behind that may be anywhere.
    let secret = key.trim().splitn(3, '_').nth(2).unwrap();
    assert!(secret.len() > 40, "{key}");
    for file in std::fs::read_dir(home.join("state/store")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()));
    }
    done(home, &["key", "revoke", "robot"]);
    while present(&verifier, &key).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_token_is_one_that_a_server_with_the_secret_accepts() {
    let secret = "0123456789abcdef0123456789abcdef";
    let home = folder(&[("secret", secret)]);
    let signed = |arguments: &[&str], secret: &str| {
        let mut command = anyport(home.path());
        command
            .args(["token", "alice", "--secret", "env:JWT_SECRET"])
            .args(arguments)
            .env("JWT_SECRET", secret);
        to_the_end(command)
    };
    let verifier = SharedSecretJwt::new(secret.as_bytes()).unwrap();
    let ended = signed(&["--scope", "data:read"], secret);
    let authorization = present(&verifier, &ended.stdout).await.unwrap();
    assert_eq!(authorization.principal().subject(), Some("alice"));
    assert!(authorization.allows("data:read") && !authorization.allows("data:write"));
    let named = signed(&["--issuer", "us", "--audience", "https://mcp.example.com/mcp", "--json"], secret);
    let named: Value = serde_json::from_str(&named.stdout).unwrap();
    assert_eq!((&named["user"], &named["expiresIn"]), (&"alice".into(), &3600.into()));
    assert!(present(&verifier, named["token"].as_str().unwrap()).await.is_err());
    let verifier = SharedSecretJwt::new(secret.as_bytes()).unwrap().issuer("us");
    present(&verifier, named["token"].as_str().unwrap()).await.unwrap();
    let weak = signed(&[], "0123456789abcdef0123456789abcde");
    assert!(
        weak.code == Some(2) && weak.stderr.contains("31 bytes") && !weak.stderr.contains("0123456789"),
        "{weak:?}"
    );
    let mut itself = anyport(home.path());
    itself.args(["token", "alice", "--secret", secret]);
    let itself = to_the_end(itself);
    assert!(itself.code == Some(2) && !itself.stderr.contains(secret), "{itself:?}");
}
