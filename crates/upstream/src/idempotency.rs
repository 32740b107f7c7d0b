use std::{
    collections::BTreeSet,
    sync::{PoisonError, RwLock},
};

use anyport_protocol::{
    Method, Raw,
    json::{Elements, Members},
};
use anyport_service::Request;
use bytestring::ByteString;

/// Idempotency: the calls that may be repeated when it is unknown whether they were processed.
#[derive(Debug, Default)]
pub(crate) struct IdempotentTools(RwLock<BTreeSet<ByteString>>);

/// Tools that are noted; of a server that names ever others, the later ones are not called twice.
const MAX_TOOLS: usize = 10_000;

impl IdempotentTools {
    /// Reads a page of `tools/list`.
    ///
    /// 2026-07-28, schema `ToolAnnotations`: `readOnlyHint`: "If true, the tool does not modify its environment";
    /// `idempotentHint`: "calling the tool repeatedly with the same arguments will have no additional effect on its
    /// environment".
    pub(crate) fn listed(&self, page: &Raw) {
        let Some(tools) = page.member("tools").filter(Raw::is_array) else { return };
        let mut safe = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for tool in Elements::of(tools.as_str()) {
            let name = Members::find(tool, "name").and_then(|name| tools.slice(name).as_string());
            let Some(name) = name else { continue };
            let annotations = Members::find(tool, "annotations").unwrap_or("{}");
            let hinted = |hint| Members::find(annotations, hint) == Some("true");
            if !(hinted("readOnlyHint") || hinted("idempotentHint")) {
                safe.remove(&name);
            } else if safe.len() < MAX_TOOLS {
                safe.insert(name);
            }
        }
    }

    /// Whether `request` may be made twice.
    pub(crate) fn twice(&self, request: &Request) -> bool {
        match request.known() {
            Some(Method::ToolsCall) => request
                .name()
                .is_some_and(|name| self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&name)),
            Some(method) => method.only_reads(),
            // An unknown method may have any effect.
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_known_to_do_no_harm_is_done_twice() {
        let safe = IdempotentTools::default();
        let call = |name: &str| Request::new(Method::ToolsCall, Raw::from(json!({"name": name})));
        assert!(!safe.twice(&call("read")));
        safe.listed(
            &json!({"tools": [
                {"name": "read", "annotations": {"readOnlyHint": true}},
                {"name": "set", "annotations": {"idempotentHint": true, "destructiveHint": true}},
                {"name": "add", "annotations": {"readOnlyHint": false}},
                {"name": "send"},
            ]})
            .into(),
        );
        let twice = |name| safe.twice(&call(name));
        assert_eq!(["read", "set", "add", "send"].map(twice), [true, true, false, false]);
        safe.listed(&json!({"tools": [{"name": "read"}]}).into());
        assert!(!safe.twice(&call("read")), "the newest list holds");
        assert!(safe.twice(&Request::new(Method::ResourcesRead, Raw::EMPTY_OBJECT)));
        assert!(!safe.twice(&Request { method: "acme/pay".into(), params: Raw::EMPTY_OBJECT.into() }));
    }
}
