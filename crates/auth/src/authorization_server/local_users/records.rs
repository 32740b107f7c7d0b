use std::sync::Arc;

use anyport_store::{Bucket, Clock, Collection, Error as StoreError, Store};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::password;
use crate::{authorization_server::time::seconds_since_1970, secret::Secret};

/// The local users, by name. Of a password only its hash is stored.
pub static LOCAL_USERS: Bucket = Bucket::new("local-user").max_bytes(16 << 20);

/// A local user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LocalUser {
    /// The name, with which the user signs in.
    pub name: String,
    /// The subject: the name and some letters, so that another user of the same name later is another subject.
    pub subject: String,
    /// The scopes that the user may grant to clients; `None`: all.
    pub scopes: Option<Vec<String>>,
    /// When the user was added, in seconds since 1970.
    pub created: u64,
    /// The Argon2id hash of the password.
    pub(super) password: Secret,
}

/// Why a user is not added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalUserError {
    /// The name cannot be used.
    #[error("the name of a user has 1 to 64 letters, digits, dots, `-`, `_` and `@`")]
    Name,
    /// The password is too short or too long.
    #[error("a password has {least} to {most} characters")]
    Password {
        /// The least number of characters.
        least: usize,
        /// The largest number of characters.
        most: usize,
    },
    /// There is a user of this name.
    #[error("there is a user of this name already")]
    Exists,
    /// The system has no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness,
    /// The store fails.
    #[error("the user cannot be stored: {0}")]
    Store(#[from] StoreError),
}

/// The local users of a store.
#[derive(Clone, Debug)]
pub struct LocalUserRecords {
    records: Collection<LocalUser>,
    clock: Clock,
}

const FORMAT: u8 = 1;
/// How many records are read at once.
const PAGE: usize = 100;
/// NIST SP 800-63B §5.1.1.2: "at least 8 characters in length".
const LEAST: usize = 8;
/// The longest password: the work for one must be bounded.
const MOST: usize = 1024;

impl LocalUserRecords {
    /// The users in `store`, which must have been opened with [`LOCAL_USERS`].
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { records: Collection::new(store, &LOCAL_USERS, FORMAT), clock: Clock::default() }
    }

    /// Adds a user.
    ///
    /// # Errors
    /// [`LocalUserError`].
    pub async fn add(
        &self,
        name: &str,
        password: &Secret,
        scopes: Option<Vec<String>>,
    ) -> Result<LocalUser, LocalUserError> {
        if !is_name(name) {
            return Err(LocalUserError::Name);
        }
        check_password(password)?;
        let mut id = [0; 4];
        getrandom::fill(&mut id).map_err(|_| LocalUserError::NoRandomness)?;
        let user = LocalUser {
            name: name.to_owned(),
            subject: format!("{name}-{}", HEXLOWER.encode(&id)),
            scopes,
            created: seconds_since_1970(&self.clock),
            password: Secret::new(password::hash(password).ok_or(LocalUserError::NoRandomness)?),
        };
        match self.records.insert(name, &user, None).await {
            Ok(_) => Ok(user),
            Err(StoreError::Conflict(_)) => Err(LocalUserError::Exists),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the user `name` another password. Returns the user; `None` if there is none.
    ///
    /// # Errors
    /// [`LocalUserError`].
    pub async fn set_password(
        &self,
        name: &str,
        password: &Secret,
    ) -> Result<Option<LocalUser>, LocalUserError> {
        check_password(password)?;
        let Some(user) = self.find(name).await? else { return Ok(None) };
        let password = Secret::new(password::hash(password).ok_or(LocalUserError::NoRandomness)?);
        let user = LocalUser { password, ..user };
        self.records.set(name, &user, None).await?;
        Ok(Some(user))
    }

    /// All users, by name.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn list(&self) -> Result<Vec<LocalUser>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = self.records.list("", after.as_deref(), PAGE).await?;
            all.extend(page.into_iter().map(|(_, record)| record.value));
            match next {
                Some(next) => after = Some(next.to_string()),
                None => return Ok(all),
            }
        }
    }

    /// Removes the user `name`, whose tokens end within seconds. Returns who it was; `None` if there is none.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn remove(&self, name: &str) -> Result<Option<LocalUser>, StoreError> {
        let Some(user) = self.find(name).await? else { return Ok(None) };
        self.records.remove(name).await?;
        Ok(Some(user))
    }

    /// The user `name`.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn find(&self, name: &str) -> Result<Option<LocalUser>, StoreError> {
        if !is_name(name) {
            return Ok(None);
        }
        Ok(self.records.get(name).await?.map(|record| record.value))
    }
}

fn check_password(password: &Secret) -> Result<(), LocalUserError> {
    match (LEAST..=MOST).contains(&password.expose().chars().count()) {
        true => Ok(()),
        false => Err(LocalUserError::Password { least: LEAST, most: MOST }),
    }
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_@".contains(&byte))
}
