//! Local users: accounts of this server's own, with passwords.
//!
//! - [`LocalUserRecords`] adds, lists and removes them.
//! - `password` hashes and checks passwords.
//! - [`LocalUsers`] authenticates them, by a form.

mod login;
mod password;
mod records;

pub use self::{
    login::LocalUsers,
    records::{LOCAL_USERS, LocalUser, LocalUserError, LocalUserRecords},
};
