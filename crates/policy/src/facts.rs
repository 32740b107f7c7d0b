//! What conditions can look at.

use std::net::IpAddr;

use anyport_protocol::{Raw, Revision};
use anyport_service::Authorization;

/// What is known of a call, or of an item that a caller lists.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who calls, and what its credential allows: `principal`.
    pub caller: &'a Authorization,
    /// The method of the call; in a list, the method by which the item is used: `method`.
    pub method: &'a str,
    /// The server that has the item, as the configuration names it: `upstream`.
    pub upstream: &'a str,
    /// The item: `tool`, `prompt` or `resource`.
    pub item: Item<'a>,
    /// The item's definition as it is listed, if that is known: `annotations`.
    pub definition: Option<&'a Raw>,
    /// The arguments, as the server receives them: `arguments`. `None` in a list, where they are not known yet.
    pub arguments: Option<&'a Raw>,
    /// What the client says of itself: `client`.
    pub client: Option<&'a Raw>,
    /// The revision that the client speaks: `revision`.
    pub revision: Revision,
    /// The address of the client: `address`.
    pub address: Option<IpAddr>,
}

/// A tool, prompt or resource: its name or URI for clients, and that of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A tool.
    Tool {
        /// The name that clients see.
        name: &'a str,
        /// The name that its server gave it.
        own_name: &'a str,
    },
    /// A prompt.
    Prompt {
        /// The name that clients see.
        name: &'a str,
        /// The name that its server gave it.
        own_name: &'a str,
    },
    /// A resource, or a template of resources.
    Resource {
        /// The URI, or URI template, that clients see.
        uri: &'a str,
        /// That of its server.
        own_uri: &'a str,
    },
}

/// The variables, each with its members, for the check of an expression. Those without members are strings, or, as `arguments`
/// and `annotations`, have what their author wrote.
pub(crate) const VARIABLES: &[(&str, &[&str])] = &[
    ("address", &[]),
    ("annotations", &[]),
    ("arguments", &[]),
    ("client", &["name", "version"]),
    ("method", &[]),
    ("principal", &["id", "issuer", "is_anonymous", "name", "permissions", "subject"]),
    ("prompt", &["name", "own_name"]),
    ("resource", &["own_uri", "uri"]),
    ("revision", &[]),
    ("tool", &["name", "own_name"]),
    ("upstream", &[]),
];
