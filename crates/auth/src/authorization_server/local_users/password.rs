//! Passwords: hashed with Argon2id, which takes memory and time on purpose.

use std::time::Duration;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::secret::Secret;

/// The memory in KiB, the passes and the threads: those that the OWASP Password Storage Cheat Sheet recommends first.
const PARAMETERS: (u32, u32, u32) = (19 * 1024, 2, 1);
/// How long a check waits for others.
const PATIENCE: Duration = Duration::from_secs(5);

/// A hash that no password has, for users who do not exist: they take as long as those who do.
const NONE: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn argon2() -> Option<Argon2<'static>> {
    let (memory, passes, threads) = PARAMETERS;
    let parameters = Params::new(memory, passes, threads, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters))
}

/// Hashes a password with a random salt. `None` without randomness.
pub(super) fn hash(password: &Secret) -> Option<String> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).ok()?;
    let hash: PasswordHash = argon2()?.hash_password_with_salt(password.expose().as_bytes(), &salt).ok()?;
    Some(hash.to_string())
}

/// Checks passwords, a few at once.
#[derive(Debug)]
pub(super) struct Checks(Semaphore);

impl Checks {
    pub(super) fn new(at_once: usize) -> Self {
        Self(Semaphore::new(at_once))
    }

    /// Whether `password` is the one with this hash; without a hash it is none. `None`: too many are checked now.
    pub(super) async fn check(&self, password: Secret, hash: Option<String>) -> Option<bool> {
        let Ok(Ok(_permit)) = timeout(PATIENCE, self.0.acquire()).await else { return None };
        let is_known = hash.is_some();
        let matches = spawn_blocking(move || {
            let hash = hash.as_deref().unwrap_or(NONE);
            let parsed = PasswordHash::new(hash).ok()?;
            Some(argon2()?.verify_password(password.expose().as_bytes(), &parsed).is_ok())
        });
        let matches = matches.await.ok().flatten().unwrap_or(false);
        Some(matches && is_known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_alone() {
        let (checks, password) = (Checks::new(2), Secret::new("correct horse"));
        let hash = hash(&password).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(checks.check(password.clone(), Some(hash.clone())).await, Some(true));
        assert_eq!(checks.check(Secret::new("correct horsf"), Some(hash)).await, Some(false));
        assert_eq!(checks.check(password, None).await, Some(false));
        assert!(PasswordHash::new(NONE).is_ok());
    }
}
