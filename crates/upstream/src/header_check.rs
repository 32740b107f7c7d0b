//! The check of the `Mcp-Param-*` headers that a caller sent, before its call goes on.

use anyport_protocol::jsonrpc::code;
use anyport_service::{Context, Outcome, Reply, Request, Service};

use crate::{Upstream, deferred::deferred, tool_listing::list_tools, tools::sent_headers};

impl Upstream {
    /// Calls a tool if the `Mcp-Param-*` headers of the call match its arguments; otherwise returns -32020. The server's
    /// transport may have no headers, or the server may not compare them, so they are compared here.
    ///
    /// If the server has not listed the tool yet, and the caller sent such headers, its tools are listed first: without
    /// the tool's schema nobody knows which argument a header repeats. A call whose tools cannot be listed ends with that
    /// error; it is not sent.
    pub fn call_tool(&self, request: Request, context: Context) -> Reply {
        let tools = self.tools();
        let is_known = !context.revision().has_request_headers()
            || !sent_headers(&context)
            || tools.has_listed(&request);
        if is_known {
            return self.call_checked(request, context);
        }
        let upstream = self.clone();
        deferred(async move {
            let listing = context.clone().without_param_headers();
            let is_found = || upstream.tools().has_listed(&request);
            match list_tools(&upstream, &listing, is_found).await {
                Ok(()) => upstream.call_checked(request, context),
                // A server without tools recognizes no header of a tool.
                Err(Outcome::Error(error)) if error.code == code::METHOD_NOT_FOUND => {
                    upstream.call(request, context)
                }
                Err(outcome) => Reply::ready(outcome),
            }
        })
    }

    fn call_checked(&self, request: Request, context: Context) -> Reply {
        match self.tools().check_headers(&request, &context) {
            Ok(()) => self.call(request, context),
            Err(error) => Reply::error(error),
        }
    }
}
