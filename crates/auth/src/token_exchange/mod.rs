//! Tokens for the servers behind a gateway, in exchange for those of its callers (RFC 8693).
//!
//! 2026-07-28, authorization §Access Token Privilege Restriction: "If the MCP server makes requests to upstream APIs, it may act as an
//! OAuth client to them. The access token used at the upstream API is a separate token, issued by the upstream authorization server. The
//! MCP server **MUST NOT** pass through the token it received from the MCP client."
//!
//! - [`TokenExchange`]: how tokens are exchanged for one server.
//! - [`ExchangedToken`]: the token of one caller there.
//! - [`ExchangeError`]: why there is none, and what to change.

mod error;
mod exchange;
mod exchanged_token;
mod options;

pub use self::{
    error::ExchangeError,
    exchange::TokenExchange,
    exchanged_token::ExchangedToken,
    options::{ExchangeOptions, ExchangeProtocol, SubjectToken, SubjectTokens},
};
