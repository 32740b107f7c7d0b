//! The servers and documents of a file, as members of the federation.
//!
//! - `upstream`: a server; `connection`: how it is connected, whoever calls it.
//! - `caller_access`: how callers get tokens of their own: `exchange`, in exchange for theirs; `per_user`, by a login of each.
//! - `reached`: how servers are reached, with their secrets.
//! - `documents`: folders of documents.
//! - `offer`: what becomes of what they offer.
//! - `lifecycle`: how they are started and ended.
//! - `status`: what is known of them.

mod caller_access;
mod connection;
mod documents;
mod exchange;
mod lifecycle;
mod offer;
mod per_user;
mod reached;
#[cfg(unix)]
mod status;
mod upstream;

use std::sync::Arc;

use anyhow::Result;
use anyport_config::gateway::UpstreamConfig;
use anyport_gateway::federation::{Member, Pins};
use http::HeaderName;
use indexmap::IndexMap;

pub(super) use self::reached::ReachedServers;
use self::{
    connection::brought_headers, documents::DocumentsMember, reached::Reached, upstream::UpstreamMember,
};
use super::{file::GatewayFile, own_address::is_own};
use crate::{serve::Arguments, target::UpstreamFault, upstream_factory::UpstreamFactory};

/// The members of a federation, in the order of the file, and what is stopped with them.
pub(super) struct Members {
    upstreams: IndexMap<String, UpstreamMember>,
    documents: IndexMap<String, DocumentsMember>,
    /// The pinned definitions by upstream. Those of an upstream that is gone stay, since it may come back.
    pins: IndexMap<String, Pins>,
    limits: MemberLimits,
}

/// The values of the limits that members were made under.
#[derive(Clone, Default, PartialEq, Eq)]
struct MemberLimits {
    upstreams: Vec<Option<u64>>,
    documents: Vec<Option<u64>>,
}

impl Members {
    /// The members that `file` describes, whose servers are `reached`. What is reached as it was in `old` is taken from there. Nothing is connected. A server that
    /// cannot be used, for want of a secret for instance, is a member whose calls fail.
    ///
    /// # Errors
    /// What is wrong with the documents; or with a server, if `old` has it and it could be used there, or if none can be used.
    pub(super) fn new(
        file: &GatewayFile,
        mut reached: ReachedServers,
        old: Option<&Self>,
        arguments: &Arguments,
        factory: &Arc<UpstreamFactory>,
    ) -> Result<Self> {
        let pins = old.map(|old| old.pins.clone()).unwrap_or_default();
        let limits = MemberLimits {
            upstreams: factory.limits.of_upstreams(),
            documents: factory.limits.of_all_documents(),
        };
        let has_limits = |are_same: fn(&MemberLimits, &MemberLimits) -> bool| {
            old.is_some_and(|old| are_same(&old.limits, &limits))
        };
        let keeps_upstreams = has_limits(|one, other| one.upstreams == other.upstreams);
        let keeps_documents = has_limits(|one, other| one.documents == other.documents);
        let mut members = Self { upstreams: IndexMap::new(), documents: IndexMap::new(), pins, limits };
        let mut first_fault = None;
        for (name, config) in file.config.upstreams.iter().filter(|(_, config)| !config.disabled) {
            if config.url.as_deref().is_some_and(|url| is_own(url, &arguments.listen)) {
                tracing::warn!("the upstream {name} is left out: its URL is that of this gateway");
                continue;
            }
            let Some(reached) = reached.remove(name) else { continue };
            let known = old.and_then(|old| old.upstreams.get(name));
            let same = known.filter(|_| keeps_upstreams);
            let member = match upstream(file, (name, config), reached, same, arguments, factory) {
                Ok(member) => member,
                // What works goes on as it is.
                Err(fault) if known.is_some_and(|known| known.server.is_ok()) => {
                    return Err(file.wrong_upstream(name, &fault));
                }
                Err(fault) => match known.filter(|known| known.is_reached(Err(&fault), config)) {
                    Some(known) => known.configured(config, &file.config, &factory.limits),
                    None => {
                        first_fault.get_or_insert_with(|| file.wrong_upstream(name, &fault));
                        UpstreamMember::unusable(file, (name, config), fault, arguments, factory)
                    }
                },
            };
            if let Some(mode) = member.pin {
                let new = || factory.pins(&file.pinned_as(), name, mode);
                members.pins.entry(name.clone()).or_insert_with(new);
            }
            members.upstreams.insert(name.clone(), member);
        }
        for (name, config) in &file.config.knowledge {
            let known = old.and_then(|old| old.documents.get(name));
            let member = match known.filter(|known| keeps_documents && known.config.docs == config.docs) {
                Some(known) => known.configured(config, &file.config, &factory.limits),
                None => DocumentsMember::new(file, (name, config), arguments, factory)?,
            };
            members.documents.insert(name.clone(), member);
        }
        match first_fault.filter(|_| old.is_none() && !members.has_any_usable()) {
            Some(fault) => Err(fault),
            None => Ok(members),
        }
    }

    /// Whether anything can be served but lists that were known before.
    fn has_any_usable(&self) -> bool {
        !self.documents.is_empty() || self.upstreams.values().any(|member| member.server.is_ok())
    }

    /// The servers that cannot be used, with the reasons and what to do.
    pub(super) fn unusable(&self) -> impl Iterator<Item = (&str, String)> {
        let unusable =
            self.upstreams.iter().filter_map(|(name, member)| Some((name, member.server.as_ref().err()?)));
        unusable.map(|(name, unusable)| (name.as_str(), unusable.why(name)))
    }

    /// The same with the server `name` connected anew, as `file` has it and as it is `reached`; and why that cannot be used, if it could not before either.
    ///
    /// # Errors
    /// Why nothing is to be changed.
    pub(super) fn with_restarted(
        &self,
        name: &str,
        file: &GatewayFile,
        mut reached: ReachedServers,
        arguments: &Arguments,
        factory: &Arc<UpstreamFactory>,
    ) -> Result<(Self, Option<UpstreamFault>), String> {
        let described = (self.upstreams.get(name), file.config.upstreams.get(name), reached.remove(name));
        let (Some(known), Some(config), Some(reached)) = described else {
            return Err(match self.documents.contains_key(name) {
                true => format!("{name} is a folder of documents, which are read again when they change"),
                false => format!("the gateway has no server {name}"),
            });
        };
        let (member, fault) = match upstream(file, (name, config), reached, None, arguments, factory) {
            Ok(member) => (member, None),
            Err(fault) if known.server.is_ok() => return Err(format!("{name} stays as it is: {fault}")),
            Err(fault) => {
                let member =
                    UpstreamMember::unusable(file, (name, config), fault.clone(), arguments, factory);
                (member, Some(fault))
            }
        };
        let (mut upstreams, documents) = (self.upstreams.clone(), self.documents.clone());
        upstreams.insert(name.to_owned(), member);
        Ok((Self { upstreams, documents, pins: self.pins.clone(), limits: self.limits.clone() }, fault))
    }

    /// Each as a member of a federation.
    pub(super) fn all(&self) -> impl Iterator<Item = Member> {
        let upstreams = self.upstreams.iter().map(|(name, member)| member.member(name, self.pins.get(name)));
        upstreams.chain(self.documents.iter().map(|(name, member)| member.member(name)))
    }

    /// What is different from `old`, in words.
    pub(super) fn changes(&self, old: &Self) -> String {
        let names =
            |of: &Self| -> Vec<String> { of.upstreams.keys().chain(of.documents.keys()).cloned().collect() };
        let (now, before) = (names(self), names(old));
        let added = now.iter().filter(|name| !before.contains(name)).cloned().collect::<Vec<_>>();
        let removed = before.iter().filter(|name| !now.contains(name)).cloned().collect::<Vec<_>>();
        let restarted = now.iter().filter(|name| before.contains(name) && !self.shares(old, name));
        let restarted: Vec<_> = restarted.cloned().collect();
        let said = [("added", added), ("removed", removed), ("replaced", restarted)];
        let said = said.into_iter().filter(|(_, names)| !names.is_empty());
        let said: Vec<_> = said.map(|(what, names)| format!("{what} {}", names.join(", "))).collect();
        if said.is_empty() { "no server was added, removed or replaced".to_owned() } else { said.join("; ") }
    }

    /// Whether the member `name` is the same server in both.
    fn shares(&self, other: &Self, name: &str) -> bool {
        let service = |of: &Self| {
            let upstream = of.upstreams.get(name).map(|member| member.service.clone());
            upstream.or_else(|| of.documents.get(name).map(|member| member.service.clone()))
        };
        match (service(self), service(other)) {
            (Some(one), Some(two)) => Arc::ptr_eq(&one, &two),
            _ => false,
        }
    }

    /// What `successor` does not have.
    pub(super) fn without(&self, successor: &Self) -> Self {
        let upstreams = self.upstreams.iter().filter(|(name, _)| !self.shares(successor, name));
        let documents = self.documents.iter().filter(|(name, _)| !self.shares(successor, name));
        Self {
            upstreams: upstreams.map(|(name, member)| (name.clone(), member.clone())).collect(),
            documents: documents.map(|(name, member)| (name.clone(), member.clone())).collect(),
            pins: IndexMap::new(),
            limits: MemberLimits::default(),
        }
    }

    /// The names of the headers that clients bring for the servers.
    pub(super) fn forwarded_headers(&self) -> Vec<HeaderName> {
        let names = self.upstreams.values().flat_map(|member| brought_headers(&member.config));
        // They were checked when the file was read.
        names.filter_map(|name| name.parse().ok()).collect()
    }

    /// Lets `factory` know from which callers the servers take tokens, and at which of them callers sign in.
    pub(super) fn announce_callers(&self, factory: &UpstreamFactory) {
        let access =
            || self.upstreams.iter().filter_map(|(name, member)| Some((name, member.access.as_ref()?)));
        let issuers = access().filter_map(|(_, access)| access.exchanged_at().map(str::to_owned));
        factory.caller_tokens.set_issuers(issuers.collect::<Vec<_>>());
        if let Some(logins) = &factory.caller_logins {
            let is_named =
                |other: &str| access().any(|(name, access)| name == other && access.per_user().is_some());
            logins.retain(is_named);
        }
    }

    /// The names of the servers.
    pub(super) fn upstream_names(&self) -> Vec<&str> {
        self.upstreams.keys().map(String::as_str).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.upstreams.is_empty() && self.documents.is_empty()
    }
}

/// The upstream `name` of `file`: `known` as it is configured now, if that is reached in the same way.
///
/// # Errors
/// Why it cannot be used.
fn upstream(
    file: &GatewayFile,
    (name, config): (&str, &UpstreamConfig),
    reached: Reached,
    known: Option<&UpstreamMember>,
    arguments: &Arguments,
    factory: &Arc<UpstreamFactory>,
) -> Result<UpstreamMember, UpstreamFault> {
    let (server, revision) = reached?;
    match known.filter(|known| known.is_reached(Ok(&server), config)) {
        Some(known) => Ok(known.configured(config, &file.config, &factory.limits)),
        None => UpstreamMember::new(file, (name, config), (server, revision), arguments, factory),
    }
}
