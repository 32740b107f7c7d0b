//! Several services behind one endpoint.
//!
//! # Layout
//! - [`Federation`], [`FederationBuilder`]: the service; [`Member`]: one of those behind it; [`VirtualServer`]: a selection
//!   of their items as a further service; [`FederationLimits`].
//! - [`Naming`], [`ItemOverride`]: how the tools and prompts of a member are named; `names`: the names of all members,
//!   without [`Collision`]s; `uris`: the same for resources; `uri_spelling`: the spelling in which rules see them; `pattern`: which items are offered; `resource_scopes`: who may read which resource.
//! - `core`, `health`: what is known of a member; `catalog`, `member_list`: what it offers to callers of one kind;
//!   `reading`, `cached`: how that is requested, and when again; `mended`: entries that clients could not read; `shared`: the
//!   members of all endpoints.
//! - [`Pins`]: what a member was first seen to offer, and what becomes of definitions that differ.
//! - `suspicious`: definitions with hidden instructions or invisible characters.
//! - `view`, `views`, `merged`, `cursor`: the lists of all members, for callers of one kind, in pages.
//! - `endpoint`: where names and URIs lead; `served_endpoint`: an endpoint that can be replaced; `dispatch`: which methods are
//!   answered; `completion`: what is completed; `forward`, `in_flight`: calls; `discover`, `listen`: descriptions and subscriptions; `extensions`; `status`:
//!   [`MemberStatus`], with `latency`; `retired`: [`RetiredMember`].
//! - `policy`: who may use which item, and sees it in lists; `guard`: what it is called with, and what is covered in its results.
//! - `listed`: a definition as it is listed, with what is derived of it once: its version, and `declared_names`; `look_alike`: names that servers take for others.
//! - [`MemberCache`], `cached_call`, `answers`: answers that are kept for a while, and when they are forgotten.
//! - [`ToolPlaces`]: how many calls of one tool run at once.
//! - [`ResultLimit`]: results of tools that are too large.
//! - `definition`, `content`, `questions`: what a member says, in the names and URIs of the federation; `edits`: how JSON is
//!   changed without being written again.

mod answers;
mod builder;
mod cache;
mod cached;
mod cached_call;
mod catalog;
mod completion;
mod content;
mod core;
mod cursor;
mod declared_names;
mod definition;
mod discover;
mod dispatch;
mod edits;
mod endpoint;
mod error;
mod extensions;
mod forward;
mod guard;
mod health;
mod held;
mod in_flight;
mod large_result;
mod latency;
mod limits;
mod list_kind;
mod listed;
mod listen;
mod look_alike;
mod member;
mod member_list;
mod member_service;
mod mended;
mod merged;
mod names;
mod naming;
mod pattern;
mod pins;
mod places;
mod policy;
mod questions;
mod rates;
mod reading;
mod resource_scopes;
mod retired;
mod served_endpoint;
mod service;
mod shared;
mod status;
mod suspicious;
#[cfg(test)]
mod tests;
mod uri_spelling;
mod uris;
mod view;
mod views;
mod virtual_server;

pub use self::{
    builder::FederationBuilder,
    cache::MemberCache,
    error::FederationError,
    guard::masking::Masking,
    health::MemberState,
    large_result::{OnLargeResult, ResultLimit, estimated_tokens},
    latency::Latency,
    limits::FederationLimits,
    member::Member,
    member_service::MemberService,
    names::Collision,
    naming::{ItemOverride, Naming},
    pins::{
        AcceptedDefinition, Definition, PINS, PendingDefinition, Pin, PinMode, PinRecords, PinnedList, Pins,
    },
    places::ToolPlaces,
    rates::MemberRates,
    retired::RetiredMember,
    service::Federation,
    status::MemberStatus,
    suspicious::{OnSuspicious, SuspiciousDefinition},
    virtual_server::VirtualServer,
};
