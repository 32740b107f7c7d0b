//! Passwords: hashed with Argon2id, which takes memory and time on purpose.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError, mpsc},
    thread,
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout,
};

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
///
/// Each runs on one of a few threads that stay: allocators keep what a thread has freed for that thread, so that on ever new threads the
/// memory of each check would stay with the program.
#[derive(Debug)]
pub(super) struct Checks {
    at_once: usize,
    places: Semaphore,
    /// Made at the first check.
    jobs: OnceLock<mpsc::Sender<Job>>,
}

/// A password to be checked.
struct Job {
    password: Secret,
    hash: Option<String>,
    answer: oneshot::Sender<bool>,
}

impl Checks {
    pub(super) fn new(at_once: usize) -> Self {
        Self { at_once, places: Semaphore::new(at_once), jobs: OnceLock::new() }
    }

    /// Whether `password` is the one with this hash; without a hash it is none. `None`: too many are checked now.
    pub(super) async fn check(&self, password: Secret, hash: Option<String>) -> Option<bool> {
        let Ok(Ok(_place)) = timeout(PATIENCE, self.places.acquire()).await else { return None };
        let (answer, checked) = oneshot::channel();
        let jobs = self.jobs.get_or_init(|| workers(self.at_once));
        jobs.send(Job { password, hash, answer }).ok()?;
        checked.await.ok()
    }
}

/// Starts the threads that check passwords. They end with the sender.
fn workers(count: usize) -> mpsc::Sender<Job> {
    let (sender, receiver) = mpsc::channel::<Job>();
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..count.max(1) {
        let receiver = receiver.clone();
        let work = move || {
            // The lock is held while one waits for the next password, so that they take turns.
            let next = || receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
            while let Ok(Job { password, hash, answer }) = next() {
                // Who asked may be gone.
                let _ = answer.send(is_right(&password, hash.as_deref()));
            }
        };
        let started = thread::Builder::new().name("passwords".to_owned()).spawn(work);
        if let Err(error) = started {
            tracing::warn!(%error, "no thread to check passwords on");
        }
    }
    sender
}

/// Whether `password` has this hash. Without one, as long is spent as with one.
fn is_right(password: &Secret, hash: Option<&str>) -> bool {
    let Ok(parsed) = PasswordHash::new(hash.unwrap_or(NONE)) else { return false };
    let Some(argon2) = argon2() else { return false };
    let matches = argon2.verify_password(password.expose().as_bytes(), &parsed).is_ok();
    matches && hash.is_some()
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
