//! What is fed: each takes any bytes, and panics where a promise is broken.

mod audit;
mod client;
mod configs;
mod credentials;
mod rules;
mod servers;
mod session;
mod sign_in;
mod streams;
mod templates;
mod texts;

/// A reader of foreign bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of the folder of its inputs.
    pub name: &'static str,
    /// Reads any bytes.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "message", run: texts::message },
    Target { name: "revisions", run: texts::revisions },
    Target { name: "document", run: texts::document },
    Target { name: "uri", run: texts::uri },
    Target { name: "config", run: configs::config },
    Target { name: "gateway", run: configs::gateway },
    Target { name: "template", run: templates::template },
    Target { name: "events", run: streams::events },
    Target { name: "client", run: client::client },
    Target { name: "session", run: session::session },
    Target { name: "sign_in", run: sign_in::sign_in },
    Target { name: "stdio_server", run: servers::stdio },
    Target { name: "http_server", run: servers::http },
    Target { name: "credential", run: credentials::credential },
    Target { name: "policy", run: rules::policy },
    Target { name: "guard", run: rules::guard },
    Target { name: "mask", run: rules::mask },
    Target { name: "audit", run: audit::audit },
];
