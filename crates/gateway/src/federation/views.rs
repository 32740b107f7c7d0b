//! The views of one endpoint.

use std::{collections::HashMap, sync::Arc};

use anyport_protocol::Raw;
use anyport_service::{Context, sync::Lock};
use foldhash::fast::RandomState;

use super::{
    catalog::{CatalogKey, ListOwner},
    pattern::Selection,
    shared::Shared,
    view::{MergedLists, View},
};

/// The views of one endpoint. The one that has been unused for longest makes room.
pub(super) struct Views {
    shared: Arc<Shared>,
    selection: Arc<Selection>,
    stored: Arc<MergedLists>,
    table: Lock<Table>,
}

#[derive(Default)]
struct Table {
    views: Vec<Arc<View>>,
    /// The view of callers as they describe themselves: several descriptions may mean the same.
    callers: HashMap<Caller, Arc<View>, RandomState>,
}

/// A caller as it describes itself.
#[derive(PartialEq, Eq, Hash)]
struct Caller {
    is_stateless: bool,
    capabilities: Raw,
    changes_roots: bool,
    owner: ListOwner,
}

impl Views {
    pub(super) fn new(shared: Arc<Shared>, selection: Arc<Selection>) -> Self {
        Self { shared, selection, stored: Arc::default(), table: Lock::default() }
    }

    /// The view of the caller of `context`.
    pub(super) fn of(&self, context: &Context) -> Arc<View> {
        let members = self.shared.members();
        let scope = &members.list_scope;
        let caller = Caller {
            is_stateless: context.revision().is_stateless(),
            capabilities: context.capabilities().clone(),
            changes_roots: context.announces_roots(),
            owner: scope.of(context),
        };
        let mut table = self.table.lock();
        if let Some(view) = table.callers.get(&caller) {
            view.touch();
            return view.clone();
        }
        let max = self.shared.limits.catalog_views.max(1);
        let view = table.view(CatalogKey::of(context, scope), max, |key| {
            View::new(self.shared.clone(), self.selection.clone(), self.stored.clone(), key)
        });
        if table.callers.len() >= max.saturating_mul(4) {
            table.callers.clear();
        }
        // The text may be a part of a large message.
        let caller = Caller { capabilities: caller.capabilities.compact(), ..caller };
        table.callers.insert(caller, view.clone());
        view
    }
}

impl Table {
    /// The view under `key`, which is made if there is none.
    fn view(&mut self, key: CatalogKey, max: usize, make: impl FnOnce(CatalogKey) -> Arc<View>) -> Arc<View> {
        if let Some(view) = self.views.iter().find(|view| *view.key() == key) {
            view.touch();
            return view.clone();
        }
        while self.views.len() >= max {
            let oldest = (0..self.views.len()).min_by_key(|at| self.views[*at].used());
            let Some(oldest) = oldest.map(|at| self.views.swap_remove(at)) else { break };
            self.callers.retain(|_, view| !Arc::ptr_eq(view, &oldest));
        }
        let view = make(key);
        self.views.push(view.clone());
        view
    }
}
