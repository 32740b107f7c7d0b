//! Lists without the items that a caller may not use.

use std::sync::Arc;

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
            whole.filtered(|name, route| {
                let (upstream, own) = (&*route.member.core.name, &*route.own);
                let item = match kind {
                    ListKind::Tools => Item::Tool { name, own_name: own },
                    ListKind::Prompts => Item::Prompt { name, own_name: own },
                    ListKind::Resources | ListKind::Templates => Item::Resource { uri: name, own_uri: own },
                };
                let annotations = route.text.member("annotations");
                let facts = listed(context, kind, upstream, item);
                self.policy.is_listed(&Facts { annotations: annotations.as_ref(), ..facts })
            })
        })
    }
}
