//! Large lists in the words of older revisions.

use anyport_protocol::{Method, Raw, Revision, jsonrpc::RpcResult, session::server::Translation};
use anyport_service::sync::Lock;

use super::large::LARGE;

/// Large lists, as they were lowered for sessions: a list that a service returns to one client after the other, as the same bytes
/// in memory, is lowered once for each revision. A list of ten thousand tools takes longer to lower than to send.
///
/// A list is forgotten once its service has another one.
#[derive(Default)]
pub(crate) struct LoweredLists(Lock<Vec<LoweredList>>);

struct LoweredList {
    /// The list as the service returns it. Held, so that no other text gets its place in memory.
    list: Raw,
    method: Method,
    to: Revision,
    lowered: Raw,
}

/// The lists that are kept: those of a few virtual servers in the four older revisions.
const MOST: usize = 32;

impl LoweredLists {
    /// Lowers the outcome of a call of `method`.
    pub(crate) fn lower(&self, translation: Translation, method: Method, outcome: RpcResult) -> RpcResult {
        let to = translation.revision();
        match outcome {
            Ok(list)
                if method.is_cacheable() && translation.changes_results() && list.as_str().len() > LARGE =>
            {
                if let Some(known) = self.find(&list, method, to) {
                    return Ok(known);
                }
                let lowered = translation.lower_outcome(Some(method), Ok(list.clone()))?;
                self.add(LoweredList { list, method, to, lowered: lowered.clone() });
                Ok(lowered)
            }
            outcome => translation.lower_outcome(Some(method), outcome),
        }
    }

    fn find(&self, list: &Raw, method: Method, to: Revision) -> Option<Raw> {
        let lists = self.0.lock();
        let is_it = |known: &&LoweredList| {
            known.method == method && known.to == to && known.list.shares_text_with(list)
        };
        lists.iter().find(is_it).map(|known| known.lowered.clone())
    }

    fn add(&self, list: LoweredList) {
        let mut lists = self.0.lock();
        lists.retain(|known| !known.list.is_unshared());
        if lists.len() >= MOST {
            lists.remove(0);
        }
        lists.push(list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(count: usize) -> Raw {
        let tool = r#"{"name":"add","inputSchema":{"type":"object","properties":{"any":true}}}"#;
        let list = vec![tool; count].join(",");
        Raw::trusted(format!(r#"{{"resultType":"complete","tools":[{list}],"ttlMs":0}}"#).into_bytes())
    }

    fn lower(lists: &LoweredLists, list: &Raw, to: Revision) -> Raw {
        lists.lower(Translation::to(to), Method::ToolsList, Ok(list.clone())).expect("a list")
    }

    #[test]
    fn a_large_list_is_lowered_once_for_each_revision() {
        let (lists, list) = (LoweredLists::default(), tools(2_000));
        let first = lower(&lists, &list, Revision::V2025_11_25);
        assert!(!first.as_str().contains("resultType") && first.as_str().contains(r#""any":{}"#));
        assert!(lower(&lists, &list, Revision::V2025_11_25).shares_text_with(&first));
        let older = lower(&lists, &list, Revision::V2024_11_05);
        assert!(!older.shares_text_with(&first));
        assert!(lower(&lists, &list, Revision::V2024_11_05).shares_text_with(&older));
        assert!(lower(&lists, &list, Revision::NEWEST).shares_text_with(&list));
    }

    #[test]
    fn equal_lists_of_two_services_are_two_lists() {
        let lists = LoweredLists::default();
        let (one, other) = (tools(2_000), tools(2_000));
        let first = lower(&lists, &one, Revision::V2025_11_25);
        assert!(!lower(&lists, &other, Revision::V2025_11_25).shares_text_with(&first));
    }

    #[test]
    fn small_results_and_errors_are_not_kept() {
        let lists = LoweredLists::default();
        lower(&lists, &tools(2), Revision::V2025_11_25);
        let incomplete = Raw::trusted(format!(r#"{{"resultType":"{}"}}"#, "x".repeat(LARGE)).into_bytes());
        let refused = lists.lower(Translation::to(Revision::V2025_11_25), Method::ToolsList, Ok(incomplete));
        assert!(refused.is_err());
        assert!(lists.0.lock().is_empty());
    }

    #[test]
    fn a_list_is_forgotten_when_its_service_has_another_one() {
        let (lists, list) = (LoweredLists::default(), tools(2_000));
        lower(&lists, &list, Revision::V2025_11_25);
        drop(list);
        let kept: Vec<Raw> = (2_000..2_000 + MOST + 1).map(tools).collect();
        for list in &kept {
            lower(&lists, list, Revision::V2025_11_25);
        }
        let sizes: Vec<usize> = lists.0.lock().iter().map(|known| known.list.as_str().len()).collect();
        let newest: Vec<usize> = kept[1..].iter().map(|list| list.as_str().len()).collect();
        assert_eq!(sizes, newest, "the oldest make room");
    }
}
