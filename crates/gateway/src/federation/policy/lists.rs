//! Lists without the items that a caller may not use.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyport_policy::{Facts, Item};
use anyport_protocol::Raw;
use anyport_service::Context;

use super::{Enforcement, filtered_lists::Reader, listed};
use crate::federation::{list_kind::ListKind, merged::Merged};

impl Enforcement {
    /// `whole`, without the items that the caller of `context` may not use. Where only the arguments of a call will decide, the
    /// item stays.
    pub(in crate::federation) fn filtered(
        &self,
        kind: ListKind,
        whole: Arc<Merged>,
        context: &Context,
    ) -> Arc<Merged> {
        let reader = Reader {
            caller: context.authorization().scoped_principal(),
            client: context.client_info().filter(|_| self.policy.reads("client")).map(Raw::compact),
            revision: context.revision(),
            address: context.address().filter(|_| self.policy.reads("address")),
        };
        self.lists.get(whole, reader, |whole| {
            let milliseconds = self.policy.limits().policy_list_milliseconds;
            let end = Instant::now().checked_add(Duration::from_millis(milliseconds.into()));
            let (mut undecided, mut unreached) = (BTreeMap::new(), 0_usize);
            let filtered = whole.filtered(|name, route| {
                if end.is_some_and(|end| Instant::now() > end) {
                    unreached += 1;
                    return false;
                }
                let (upstream, own) = (&*route.member.core.name, &*route.own);
                let facts = listed(context, kind, upstream, item(kind, name, own));
                self.policy.is_listed(&Facts { definition: Some(route.listed.text()), ..facts }, |report| {
                    if let Some(why) = report.undecided {
                        undecided.entry(report.rule.name()).or_insert((name.to_owned(), why));
                    }
                })
            });
            let principal = context.principal();
            for (rule, (item, why)) in undecided {
                self.counters.undecided(&why);
                tracing::warn!(rule, %principal, item, "the condition of a rule cannot be decided for a list: {why}");
            }
            if unreached > 0 {
                self.counters.list.increment();
                tracing::warn!(%principal, list = kind.entries(), unreached, "filtering a list took longer than `policy_list_milliseconds`");
            }
            filtered
        })
    }

    /// Whether an item is in no list of the caller of `context`, so that nothing may tell him of it.
    pub(in crate::federation) fn hides(
        &self,
        kind: ListKind,
        (name, own): (&str, &str),
        upstream: &str,
        context: &Context,
    ) -> bool {
        !self.policy.is_listed(&listed(context, kind, upstream, item(kind, name, own)), |_| {})
    }
}

fn item<'a>(kind: ListKind, name: &'a str, own: &'a str) -> Item<'a> {
    match kind {
        ListKind::Tools => Item::Tool { name, own_name: own },
        ListKind::Prompts => Item::Prompt { name, own_name: own },
        ListKind::Resources | ListKind::Templates => Item::Resource { uri: name, own_uri: own },
    }
}
