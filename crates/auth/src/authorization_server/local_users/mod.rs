//! Local users: accounts of this server's own, with passwords.
//!
//! - [`LocalUserRecords`] adds, lists and removes them.
//! - `attempts` counts how often passwords are tried.
//! - `password` hashes and checks passwords.
//! - [`LocalUsers`] authenticates them, by a form.

mod attempts;
mod login;
mod password;
mod records;

pub use self::{
    attempts::LOGIN_ATTEMPTS,
    login::LocalUsers,
    records::{LOCAL_USERS, LocalUser, LocalUserError, LocalUserRecords},
};
