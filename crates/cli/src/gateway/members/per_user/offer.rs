//! What a caller sees of a server at which it has not signed in, if that lists nothing without a login: one tool, to sign in.
//!
//! The lists of other callers are not shown: what a server offers may depend on the account, and so say something of it.

use std::sync::Arc;

use anyport_protocol::{Method, Raw};
use anyport_service::{Outcome, Request};
use serde_json::json;

use super::question;

/// The lists for callers that have not signed in at one server. Clones are the same.
#[derive(Clone)]
pub(in crate::gateway::members) struct Offer(Arc<Inner>);

struct Inner {
    title: String,
    description: Raw,
    tools: Raw,
    prompts: Raw,
    resources: Raw,
    templates: Raw,
}

/// The tool that asks the user to sign in.
const TOOL: &str = "sign_in";

impl Offer {
    /// The lists of the server that people call `title`.
    pub(in crate::gateway::members) fn new(title: &str) -> Self {
        let lists = json!({"listChanged": true});
        let tool = json!({
            "name": TOOL,
            "title": format!("Sign in at {title}"),
            "description": format!(
                "Asks the user to sign in at {title} with a browser. After that, the tools of {title} are listed in place of this one."
            ),
            "inputSchema": {"type": "object", "properties": {}, "additionalProperties": false},
            "annotations": {"readOnlyHint": true, "openWorldHint": true},
        });
        let page = |entries: &str, all: serde_json::Value| {
            let page = json!({"resultType": "complete", entries: all, "ttlMs": 0, "cacheScope": "private"});
            Raw::from(page)
        };
        let none = || json!([]);
        Self(Arc::new(Inner {
            title: title.to_owned(),
            description: Raw::from(json!({
                "resultType": "complete",
                "supportedVersions": [anyport_protocol::Revision::NEWEST.as_str()],
                "capabilities": {"tools": lists, "prompts": lists, "resources": lists},
                "ttlMs": 0,
                "cacheScope": "private",
            })),
            tools: page("tools", json!([tool])),
            prompts: page("prompts", none()),
            resources: page("resources", none()),
            templates: page("resourceTemplates", none()),
        }))
    }

    /// What people call the server.
    pub(super) fn title(&self) -> &str {
        &self.0.title
    }

    /// The answer to a request for a list or the description.
    pub(super) fn answer(&self, method: Method) -> Outcome {
        Outcome::Result(match method {
            Method::ToolsList => self.0.tools.clone(),
            Method::PromptsList => self.0.prompts.clone(),
            Method::ResourcesList => self.0.resources.clone(),
            Method::TemplatesList => self.0.templates.clone(),
            _ => self.0.description.clone(),
        })
    }

    /// Whether `page` is one of these lists, and none that a server has sent: it is the very text.
    pub(in crate::gateway::members) fn is_own(&self, page: &Raw) -> bool {
        let own = [&self.0.tools, &self.0.prompts, &self.0.resources, &self.0.templates];
        own.iter().any(|own| std::ptr::eq(own.as_str(), page.as_str()))
    }

    /// Whether `request` calls the tool.
    pub(super) fn is_called_by(request: &Request) -> bool {
        request.known() == Some(Method::ToolsCall) && request.name().as_deref() == Some(TOOL)
    }

    /// The result of the tool for a caller that has signed in.
    pub(super) fn signed_in(&self) -> Raw {
        let title = &self.0.title;
        question::result(
            &format!("You are signed in at {title}. Its tools are listed now: list the tools again."),
            false,
        )
    }
}
