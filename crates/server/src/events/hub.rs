//! The subscribers of changes, and their waiting notifications.
use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    sync::{OnceLock, Weak},
    task::Waker,
};

use anyport_protocol::{Method, Raw, json::Splice, subscription::SubscriptionFilter, uri::contains};
use anyport_service::{Notification, Principal, sync::Lock};
use bytestring::ByteString;

use crate::visibility::{Audience, VisibilityRule};

#[derive(Default)]
pub(super) struct Hub {
    pub(super) bus: Lock<Bus>,
    /// Says who may hear of the change of which URI; unset, everybody.
    pub(super) may_hear_of: OnceLock<Box<MayHear>>,
    /// Where it is mounted.
    pub(super) hosts: Lock<Vec<Host>>,
}

type MayHear = dyn Fn(&str, &Principal) -> bool + Send + Sync;

/// Where a server is mounted.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) hub: Weak<Hub>,
    /// Whether what can be read is, too.
    pub(super) readable: bool,
    /// Its audience there.
    pub(super) visible: Option<VisibilityRule>,
}

#[derive(Debug, Default)]
pub(super) struct Bus {
    pub(super) listeners: HashMap<u64, Listener>,
    pub(super) next: u64,
    /// How many bytes the URIs of all listeners take.
    pub(super) bytes: usize,
    pub(super) closed: bool,
}

#[derive(Debug)]
pub(super) struct Listener {
    pub(super) filter: SubscriptionFilter,
    pub(super) principal: Principal,
    pub(super) waiting: VecDeque<Change>,
    /// The waiting notifications, for a fast lookup.
    pub(super) known: HashSet<Change>,
    pub(super) waker: Option<Waker>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Change {
    Tools,
    Prompts,
    Resources,
    Updated(String),
}

/// How many changed resources wait for one listener by their own names; beyond that the name that was subscribed to
/// stands for all below it.
pub(super) const MAX_WAITING: usize = 1_024;

impl Hub {
    /// Notifies the subscribers that are in both audiences of a change.
    pub(super) fn tell(&self, change: &Change, audience: &Audience, seen_by: &Audience) {
        let told: Option<HashSet<u64>> = match (audience, seen_by) {
            (Audience::Everybody, Audience::Everybody) => None,
            // Visibility rules run without the lock: they are user code.
            _ => {
                let wants = |listener: &Listener| change.is_wanted(&listener.filter).then_some(());
                let wanting = self.listening(wants).into_iter();
                let told = wanting.filter(|(_, caller, ())| audience.has(caller) && seen_by.has(caller));
                Some(told.map(|(id, ..)| id).collect())
            }
        };
        for (id, listener) in &mut self.bus.lock().listeners {
            let told = told.as_ref().is_none_or(|told| told.contains(id));
            if told && change.is_wanted(&listener.filter) {
                listener.tell(change.clone());
            }
        }
    }

    pub(super) fn updated(&self, uri: &str, is_for: impl Fn(&Principal) -> bool) {
        let subscribed = |listener: &Listener| {
            let concerned = concerned(&listener.filter.uris, uri);
            (!concerned.is_empty()).then_some(concerned)
        };
        let may_hear = |caller: &Principal| self.may_hear_of.get().is_none_or(|rule| rule(uri, caller));
        let told: Vec<(u64, Vec<String>)> = self
            .listening(subscribed)
            .into_iter()
            .filter(|(_, caller, _)| is_for(caller) && may_hear(caller))
            .map(|(id, _, concerned)| (id, concerned))
            .collect();
        let mut bus = self.bus.lock();
        for (id, concerned) in told {
            let Some(listener) = bus.listeners.get_mut(&id) else { continue };
            for subscribed in concerned {
                let is_whole = contains(&subscribed, uri) && listener.waiting.len() < MAX_WAITING;
                let named = if is_whole { uri.to_owned() } else { subscribed };
                listener.tell(Change::Updated(named));
            }
        }
    }

    /// The listeners of which `of` makes something, and who they are.
    fn listening<T>(&self, of: impl Fn(&Listener) -> Option<T>) -> Vec<(u64, Principal, T)> {
        let bus = self.bus.lock();
        let listeners = bus.listeners.iter();
        listeners
            .filter_map(|(id, listener)| Some((*id, listener.principal.clone(), of(listener)?)))
            .collect()
    }
}

/// The bytes that the URIs of a filter take.
pub(super) fn bytes(filter: &SubscriptionFilter) -> usize {
    filter.uris.iter().map(|uri| uri.len() + size_of::<ByteString>()).sum()
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("bus", &self.bus).finish_non_exhaustive()
    }
}

impl Listener {
    fn tell(&mut self, change: Change) {
        if self.known.insert(change.clone()) {
            self.waiting.push_back(change);
            self.wake();
        }
    }

    pub(super) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Change {
    fn is_wanted(&self, filter: &SubscriptionFilter) -> bool {
        match self {
            Self::Tools => filter.tools,
            Self::Prompts => filter.prompts,
            Self::Resources => filter.resources,
            Self::Updated(uri) => filter.uris.iter().any(|whole| contains(whole, uri)),
        }
    }

    pub(super) fn notification(self) -> Notification {
        let (method, params) = match self {
            Self::Tools => (Method::ToolsChanged, Raw::EMPTY_OBJECT),
            Self::Prompts => (Method::PromptsChanged, Raw::EMPTY_OBJECT),
            Self::Resources => (Method::ResourcesChanged, Raw::EMPTY_OBJECT),
            Self::Updated(uri) => {
                (Method::ResourceUpdated, Splice::new().with("uri", &Raw::string(&uri)).finish())
            }
        };
        Notification { method, params }
    }
}

/// Returns the subscribed URIs that a change of `uri` concerns: `uri` itself, URIs that contain it, and its fragments.
fn concerned(subscribed: &[ByteString], uri: &str) -> Vec<String> {
    let whole = subscribed.iter().find(|whole| contains(whole, uri));
    let fragments = subscribed.iter().filter(|part| part.strip_prefix(uri).is_some_and(is_fragment));
    whole.into_iter().chain(fragments).map(ToString::to_string).collect()
}

fn is_fragment(rest: &str) -> bool {
    rest.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_small() {
        // Ten thousand of them are allowed.
        assert!(size_of::<(u64, Listener)>() <= 256, "{}", size_of::<(u64, Listener)>());
    }
}
