//! Credentials: tokens and proofs of callers.

use std::sync::LazyLock;

use anyport_auth::resource_server::fuzzing::{Fuzzed, ISSUER, RESOURCE};

static FUZZED: LazyLock<Fuzzed> = LazyLock::new(|| Fuzzed::new().expect("the key is one"));

/// A token that nobody has signed lets nobody in; one that is signed, in the name of its issuer alone; and a proof, only if it is
/// one of the key that its token is bound to. The first byte says what the others are: a token, or the header and claims of a
/// token or of a proof, parted by a zero byte.
pub(super) fn credential(input: &[u8]) {
    let [kind, rest @ ..] = input else { return };
    let (header, claims) = match rest.iter().position(|byte| *byte == 0) {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (rest, &[][..]),
    };
    match kind % 3 {
        0 => {
            let Ok(token) = std::str::from_utf8(rest) else { return };
            let answer = FUZZED.present(token, None).expect("nothing is fetched");
            assert!(answer.is_err(), "{token} lets its caller in");
        }
        1 => {
            let token = FUZZED.sign(header, claims);
            let answer = FUZZED.present(&token, None).expect("nothing is fetched");
            if let Ok(authorization) = answer {
                assert_eq!(authorization.principal().issuer(), Some(ISSUER));
                assert!(authorization.expires().is_some(), "a token without an end lets its caller in");
            }
        }
        _ => {
            let proof = FUZZED.sign(header, claims);
            let claims = format!(
                r#"{{"iss":"{ISSUER}","sub":"a","aud":"{RESOURCE}","exp":99999999999,"cnf":{{"jkt":"none"}}}}"#
            );
            let token = FUZZED.sign(br#"{"alg":"EdDSA"}"#, claims.as_bytes());
            let answer = FUZZED.present(&token, Some(&proof)).expect("nothing is fetched");
            assert!(answer.is_err(), "a proof of another key lets its caller in");
        }
    }
}
