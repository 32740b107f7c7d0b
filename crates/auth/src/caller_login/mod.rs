//! Logins of a gateway's callers at the servers behind it: each signs in there himself, with his browser, by pages of ours.
//!
//! - [`CallerLogins`]: the servers, and the pages below `/connect`, at which users sign in.
//! - [`CallerLogin`]: the login of one caller at one server.
//! - `link`: what the address of such a page says; `attempts`: the logins that are under way.
//! - `pages`: the pages of a login; `own_logins`: the page at which a user ends logins; `refusals`: what pages do not take.
//! - `asked`: the key of the question to sign in; `step_ups`: operations for which a login lacks scopes.
//! - [`CallerLoginLimits`].

mod account;
mod asked;
mod attempts;
mod limits;
mod link;
mod login;
mod own_logins;
mod pages;
mod refusals;
mod registry;
mod step_ups;

pub use self::{
    account::{caller_subject, is_caller_account},
    asked::AskedLogin,
    attempts::CONNECT_ATTEMPTS,
    limits::CallerLoginLimits,
    login::CallerLogin,
    pages::connect_routes,
    registry::{CONNECT, CONNECT_CALLBACK, CallerCounts, CallerLogins, LoginServer},
};
