//! Logins of a gateway's callers at the servers behind it: each signs in there himself, with his browser, by pages of ours.
//!
//! - [`CallerLogins`]: the servers, and the pages below `/connect`, at which users sign in.
//! - [`CallerLogin`]: the login of one caller at one server.
//! - `link`: what the address of such a page says; `attempts`: the logins that are under way.
//! - [`CallerLoginLimits`].

mod account;
mod attempts;
mod limits;
mod link;
mod login;
mod pages;
mod registry;

pub use self::{
    account::is_caller_account,
    limits::CallerLoginLimits,
    login::CallerLogin,
    pages::connect_routes,
    registry::{CONNECT, CONNECT_CALLBACK, CallerLogins, LoginServer},
};
