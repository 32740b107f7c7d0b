//! What names say of their values: whether they may be secret.

/// What stands in the names of secrets.
const SECRET: [&str; 12] = [
    "accesskey",
    "apikey",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "token",
];

/// What stands in the names of options and variables that may be secrets, too: much that is called so in the arguments of a tool is none.
const DOUBTFUL: [&str; 3] = ["auth", "header", "key"];

/// The end of the names of members of the protocol that are none.
const HARMLESS: &str = "progresstoken";

/// Whether a member of this name has a secret, as far as names say it.
///
/// Every member of every call that is recorded is asked about.
pub(crate) fn is_secret(name: &str) -> bool {
    let folded: Vec<u8> =
        name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase()).collect();
    let mut rest = folded.as_slice();
    while let [first, after @ ..] = rest {
        let begins =
            |part: &&str| part.as_bytes().first() == Some(first) && rest.starts_with(part.as_bytes());
        if SECRET.iter().any(begins) {
            return !folded.ends_with(HARMLESS.as_bytes());
        }
        rest = after;
    }
    false
}

/// Whether the value of an option or a variable of this name may be secret.
pub(crate) fn may_be_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    is_secret(name) || DOUBTFUL.iter().any(|part| lower.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_may_be_secret() {
        for name in ["api_key", "X-Api-Key", "Authorization", "userPassword", "GITHUB_TOKEN", "client secret"]
        {
            assert!(is_secret(name) && may_be_secret(name), "{name}");
        }
        for name in ["key", "--auth", "header"] {
            assert!(!is_secret(name) && may_be_secret(name), "{name}");
        }
        for name in ["text", "progressToken", "io.modelcontextprotocol/progressToken"] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
