//! The file of a gateway: which servers stand behind it, under which names, and what it serves besides.
//!
//! - `model`: `anyport.toml`, as values.
//! - `read`: reads it, or the configuration file of any client in its place, and names the place of a fault.
//! - `auth`: who may call; `authorization_server`: the gateway as the authorization server of its clients.
//! - `upstream`: from an upstream of the file to a server.
//! - `forwarded`: the headers that clients bring for an upstream.
//! - `find`: the nearest `anyport.toml`.
//! - `lines`: the lines of its keys.
//! - `policy`: rules over calls; `guard`: what items are called with and answer; `mask`: what is covered there; `rates`: how often calls may be made; `cache`: which answers are kept.
//! - `definitions`: what becomes of suspicious ones.
//! - `audit`: the log of every call.
//! - `log`: how much is logged.
//! - `store`: where shared state is.
//! - `telemetry`: spans and metrics for a collector.
//! - `login`: the keys of an upstream about its login; `required_scopes`: the scopes that calls need.

mod audit;
mod auth;
mod authorization_server;
mod cache;
mod definitions;
mod find;
mod forwarded;
mod guard;
mod lines;
mod log;
mod login;
mod mask;
pub(crate) mod model;
mod policy;
mod rates;
mod read;
mod required_scopes;
mod store;
mod telemetry;
mod upstream;
mod values;

pub use audit::{AuditArguments, AuditConfig, AuditMode};
pub use auth::{AuthConfig, DpopUse, IntrospectionConfig, IssuerConfig, SecretConfig};
pub use authorization_server::{
    AuthorizationServerConfig, BuiltinConfig, ClientConfig, Consent, Provider, ProxyConfig, TrustedIdpConfig,
};
pub use cache::{CACHE_TTL, CacheConfig, CacheRules};
pub use definitions::{DefinitionsConfig, SuspiciousConfig};
pub use find::{FILE_NAME, find};
pub use guard::{GuardConfig, HtmlGuard, ResolveGuard, SqlGuard, UrlGuard};
pub use lines::lines;
pub use log::{LogConfig, LogFormat, LogRotation};
pub use mask::{MaskConfig, MaskData};
pub use model::{
    ContextsConfig, ExchangeProtocol, GatewayConfig, GatewaySettings, HealthConfig, Isolation, ItemConfig,
    KnowledgeConfig, LargeResult, NetworkAccess, Pin, PkceSupport, ProgramLimits, ResourceParameter,
    SandboxConfig, Start, ToolConfig, UpstreamAuth, UpstreamConfig, VirtualServerConfig, Words,
};
pub use policy::{RuleConfig, RuleEffect, RuleMode};
pub use rates::{LimitsConfig, RateConfig};
pub use read::{FaultPlace, GatewayError, is_gateway_file, parse, place, read};
pub use required_scopes::first_required;
pub use store::StoreConfig;
pub use telemetry::TelemetryConfig;
pub use upstream::NO_HEADERS;

/// The JSON Schema of `anyport.toml`.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(GatewayConfig).to_value()
}
