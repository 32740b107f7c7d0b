//! The servers and documents of a file, as members of the federation.
//!
//! - `upstream`: a server; `connection`: how it is connected, whoever calls it.
//! - `documents`: folders of documents.
//! - `offer`: what becomes of what they offer.
//! - `lifecycle`: how they are started and ended.
//! - `status`: what is known of them.

mod connection;
mod documents;
mod lifecycle;
mod offer;
#[cfg(unix)]
mod status;
mod upstream;

use std::sync::Arc;

use anyhow::Result;
use anyport_gateway::federation::{Member, Pins};
use http::HeaderName;
use indexmap::IndexMap;

use self::{connection::brought_headers, documents::DocumentsMember, upstream::UpstreamMember};
use super::{file::GatewayFile, own_address::is_own};
use crate::{serve::Arguments, target, upstream_factory::UpstreamFactory};

/// The members of a federation, in the order of the file, and what is stopped with them.
pub(super) struct Members {
    upstreams: IndexMap<String, UpstreamMember>,
    documents: IndexMap<String, DocumentsMember>,
    /// The pinned definitions by upstream. Those of an upstream that is gone stay, since it may come back.
    pins: IndexMap<String, Pins>,
}

impl Members {
    /// The members that `file` describes. What is reached as it was in `old` is taken from there. Nothing is connected.
    ///
    /// # Errors
    /// What is wrong with one of them, and what to do.
    pub(super) fn new(
        file: &GatewayFile,
        old: Option<&Self>,
        arguments: &Arguments,
        factory: &Arc<UpstreamFactory>,
    ) -> Result<Self> {
        let pins = old.map(|old| old.pins.clone()).unwrap_or_default();
        let mut members = Self { upstreams: IndexMap::new(), documents: IndexMap::new(), pins };
        for (name, config) in file.config.upstreams.iter().filter(|(_, config)| !config.disabled) {
            if config.url.as_deref().is_some_and(|url| is_own(url, &arguments.listen)) {
                tracing::warn!("the upstream {name} is left out: its URL is that of this gateway");
                continue;
            }
            let revision = target::check_upstream(name, config, file)?;
            let server = target::of_upstream(config, file);
            let server = server.map_err(|reason| file.wrong_upstream(name, &[], &reason))?;
            let known = old.and_then(|old| old.upstreams.get(name));
            let member = match known
                .filter(|known| known.server == server && known.config.connects_like(config))
            {
                Some(known) => known.configured(config, &file.config.gateway),
                None => UpstreamMember::new(file, (name, config), (server, revision), arguments, factory)?,
            };
            if let Some(mode) = member.pin {
                let new = || factory.pins(&file.pinned_as(), name, mode);
                members.pins.entry(name.clone()).or_insert_with(new);
            }
            members.upstreams.insert(name.clone(), member);
        }
        for (name, config) in &file.config.knowledge {
            let known = old.and_then(|old| old.documents.get(name));
            let member = match known.filter(|known| known.config.docs == config.docs) {
                Some(known) => known.configured(config, &file.config.gateway),
                None => DocumentsMember::new(file, (name, config), arguments, factory)?,
            };
            members.documents.insert(name.clone(), member);
        }
        Ok(members)
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

    /// Whether `name` is a folder of documents.
    pub(super) fn has_documents(&self, name: &str) -> bool {
        self.documents.contains_key(name)
    }

    /// All but the server `name`; `None` if it is not there.
    pub(super) fn except(&self, name: &str) -> Option<Self> {
        let (mut upstreams, documents) = (self.upstreams.clone(), self.documents.clone());
        upstreams.shift_remove(name)?;
        Some(Self { upstreams, documents, pins: self.pins.clone() })
    }

    /// What `successor` does not have.
    pub(super) fn without(&self, successor: &Self) -> Self {
        let upstreams = self.upstreams.iter().filter(|(name, _)| !self.shares(successor, name));
        let documents = self.documents.iter().filter(|(name, _)| !self.shares(successor, name));
        Self {
            upstreams: upstreams.map(|(name, member)| (name.clone(), member.clone())).collect(),
            documents: documents.map(|(name, member)| (name.clone(), member.clone())).collect(),
            pins: IndexMap::new(),
        }
    }

    /// The names of the headers that clients bring for the servers.
    pub(super) fn forwarded_headers(&self) -> Vec<HeaderName> {
        let names = self.upstreams.values().flat_map(|member| brought_headers(&member.config));
        // They were checked when the file was read.
        names.filter_map(|name| name.parse().ok()).collect()
    }

    /// The names of the servers.
    pub(super) fn upstream_names(&self) -> Vec<&str> {
        self.upstreams.keys().map(String::as_str).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.upstreams.is_empty() && self.documents.is_empty()
    }
}
