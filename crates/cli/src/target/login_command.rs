//! The command that signs in to a server.

use std::path::Path;

use super::{lookup::Target, server::Server};
use crate::render::safe;

/// The command that signs in to the server `name` of `file`, which says more of the login than a URL does.
pub(crate) fn login_command(file: &Path, name: &str) -> String {
    format!("anyport login {}", safe::word(&format!("{}#{name}", file.display())))
}

/// The command that signs in to the server of `target`; `None` if it is none of HTTP, or is sent a credential of another kind.
pub(crate) fn login_command_of(target: &Target) -> Option<String> {
    let Server::Http { headers, .. } = &target.server else { return None };
    if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
        return None;
    }
    Some(match &target.found {
        Some(file) => login_command(file, &target.name),
        None => format!("anyport login {}", safe::word(&target.server.to_string())),
    })
}
