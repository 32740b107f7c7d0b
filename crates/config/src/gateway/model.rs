//! `anyport.toml`, as values.
//!
//! The first paragraph of each comment is the description in the published JSON Schema.

use std::{net::IpAddr, num::NonZeroU32, path::PathBuf};

use indexmap::IndexMap;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    audit::AuditConfig,
    auth::AuthConfig,
    cache::CacheConfig,
    definitions::DefinitionsConfig,
    guard::GuardConfig,
    log::LogConfig,
    mask::MaskConfig,
    policy::RuleConfig,
    rates::{LimitsConfig, RateConfig},
    store::StoreConfig,
    telemetry::TelemetryConfig,
};

/// A gateway: the servers behind it, and what it serves to whom.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "anyport.toml")]
pub struct GatewayConfig {
    /// The gateway itself.
    pub gateway: GatewaySettings,
    /// The servers behind the gateway, by name. A name has letters, digits, `-` and `_`.
    pub upstreams: IndexMap<String, UpstreamConfig>,
    /// Virtual servers, by name: selections of what all upstreams offer, each at a path of its own, `/s/NAME/mcp`.
    pub servers: IndexMap<String, VirtualServerConfig>,
    /// Folders of documents, by name, which are served beside the upstreams.
    pub knowledge: IndexMap<String, KnowledgeConfig>,
    /// Who may call over HTTP.
    pub auth: AuthConfig,
    /// Rules over calls, in any order: a refusal comes before everything else.
    pub policy: Vec<RuleConfig>,
    /// Guards on what tools, prompts and resources are called with, and on what they answer, in order: a guard sees what those before it
    /// have made of a value.
    pub guard: Vec<GuardConfig>,
    /// Secrets and personal data that are covered in results and logs. Default: none.
    pub mask: Option<MaskConfig>,
    /// The definitions of tools, prompts and resources.
    pub definitions: DefinitionsConfig,
    /// The log of every call.
    pub audit: AuditConfig,
    /// How much is logged.
    pub log: LogConfig,
    /// Where shared state is.
    pub store: StoreConfig,
    /// Spans and metrics of calls, for an OpenTelemetry collector.
    pub telemetry: TelemetryConfig,
    /// How often calls may be made, and limits by their names, as `--limit NAME=VALUE` has them.
    pub limits: LimitsConfig,
    /// Who sees how the gateway is, and its numbers.
    pub health: HealthConfig,
    /// Conversations that the gateway keeps for its clients.
    pub contexts: ContextsConfig,
    /// Whether the servers are those of a client's file.
    #[serde(skip)]
    pub is_of_client: bool,
}

/// How the gateway is, and its numbers: `/health` and `/metrics`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HealthConfig {
    /// The scopes of who may see more than whether the gateway is healthy. Default: none, so that every authenticated caller may.
    pub require: Vec<String>,
    /// Whether clients are offered the tool `health_check`.
    pub tool: bool,
}

/// Conversations that the gateway keeps for its clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ContextsConfig {
    /// Whether clients are offered conversations: the tools `context_get`, `context_update`, `context_append`, `context_list` and
    /// `context_share`, and resources.
    pub tools: bool,
}

/// How the gateway presents itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GatewaySettings {
    /// The name that clients see. Default: anyport.
    pub name: Option<String>,
    /// The URL under which clients reach the gateway, without the path of an endpoint: `https://mcp.example.com`.
    pub public_url: Option<String>,
    /// The file of the TLS certificate, with those of its intermediate issuers, in PEM, relative to the folder of the file: HTTP is
    /// served over TLS alone. It is read again when it changes.
    pub tls_cert: Option<String>,
    /// The file of its private key, in PEM.
    pub tls_key: Option<String>,
    /// The file of the issuers of clients' certificates, in PEM. Clients without such a certificate cannot connect.
    pub tls_client_ca: Option<String>,
    /// The seconds for which browsers that have come over TLS come over TLS alone (`Strict-Transport-Security`). Default: not said.
    pub hsts: Option<u64>,
    /// Whether clients may speak HTTP/2 beside HTTP/1.1. Default: true.
    pub http2: Option<bool>,
    /// The reverse proxies before the gateway, by their addresses or networks (`10.0.0.0/8`): what they write into `X-Forwarded-For`
    /// or `Forwarded` is the address of a client, by which limits count. Default: none, so that what requests say is not believed.
    pub trusted_proxies: Vec<String>,
    /// What models are told before the instructions of the upstreams.
    pub instructions: Option<String>,
    /// Whether clients see three tools that search, describe and call the others, in place of them.
    pub tool_search: bool,
    /// What becomes of a definition that is not as it was first seen, at upstreams that do not say.
    pub pin: Pin,
    /// The most tokens of one result of a tool, at upstreams that do not say. Default: any number.
    pub max_result_tokens: Option<u32>,
    /// What becomes of a larger result, at upstreams that do not say.
    pub on_large_result: LargeResult,
}

impl GatewaySettings {
    /// Checks that the trusted proxies are addresses or networks. The error is the key, and what is wrong.
    pub(super) fn check_trusted_proxies(&self) -> Result<(), (&'static str, String)> {
        let is_one = |text: &&String| text.parse::<IpNet>().is_ok() || text.parse::<IpAddr>().is_ok();
        match self.trusted_proxies.iter().find(|text| !is_one(text)) {
            None => Ok(()),
            Some(other) => Err((
                "trusted_proxies",
                format!(
                    "{other:?} is no address and no network: write it as `10.0.0.7`, `10.0.0.0/8` or `fd00::/8`"
                ),
            )),
        }
    }

    /// Checks that the files of TLS go together. The error is the key, and what is wrong.
    pub(super) fn check_tls(&self) -> Result<(), (&'static str, String)> {
        match (&self.tls_cert, &self.tls_key, &self.tls_client_ca) {
            (Some(_), None, _) => Err(("tls_cert", "its key is needed as well: `tls_key`".to_owned())),
            (None, Some(_), _) => {
                Err(("tls_key", "its certificate is needed as well: `tls_cert`".to_owned()))
            }
            (None, None, _) if self.hsts.is_some() => {
                Err(("hsts", "it is said over TLS alone: `tls_cert` and `tls_key`".to_owned()))
            }
            (None, None, Some(_)) => Err((
                "tls_client_ca",
                "TLS needs a certificate of the gateway: `tls_cert` and `tls_key`".to_owned(),
            )),
            _ => Ok(()),
        }
    }
}

/// A server behind the gateway: a program (`command`) or a URL (`url`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamConfig {
    /// The program and its arguments.
    pub command: Option<Words>,
    /// Further arguments of the program.
    pub args: Vec<String>,
    /// Set in the environment of the program. A value is a text with `${NAME}`, or `env:NAME`, `file:PATH` or `cmd:COMMAND`.
    pub env: IndexMap<String, String>,
    /// A file of variables for the program, as `.env` files are written.
    pub env_file: Option<String>,
    /// The folder that the program runs in. Default: that of the file.
    pub cwd: Option<String>,
    /// The URL of the server: http, https, ws, wss, or `unix:PATH`.
    pub url: Option<String>,
    /// Sent with every request. Values as those of `env`.
    pub headers: IndexMap<String, String>,
    /// The place of the bearer token: `env:NAME`, `file:PATH` or `cmd:COMMAND`.
    pub bearer: Option<String>,
    /// The file of the certificate, with its chain, that the server is shown (mutual TLS), in PEM. Only an `https` URL has one.
    pub tls_client_cert: Option<String>,
    /// The file of its private key, in PEM.
    pub tls_client_key: Option<String>,
    /// How the gateway gets its token: `none` and `bearer` say that it gets none, or the one of `bearer`; `oauth` is the login of
    /// `anyport login`; `client_credentials` and `workload_identity` need no user; `token_exchange` exchanges the token of each caller; with
    /// `per_user`, each caller signs in at the server.
    /// Default: `bearer` where that is given, else `none`.
    pub auth: Option<UpstreamAuth>,
    /// The login that `auth = "oauth"` uses: the name that `anyport login --account` gave it. Default: the one without a name.
    pub account: Option<String>,
    /// The authorization server, in place of the one that the server names: its issuer, as it writes it. Prints a warning. With
    /// `token_exchange`: the one of `[auth.issuers]` whose tokens are exchanged, if there are several.
    pub issuer: Option<String>,
    /// How `auth = "token_exchange"` asks the authorization server. Default: by RFC 8693.
    pub exchange: Option<ExchangeProtocol>,
    /// The name that the server has at the authorization server, if `auth = "token_exchange"` needs one there.
    pub audience: Option<String>,
    /// `omit`: the authorization server is not told the resource (RFC 8707), which some refuse. Prints a warning.
    pub resource: Option<ResourceParameter>,
    /// `assume`: the authorization server checks who redeems a code (PKCE), though it does not say so. Prints a warning.
    pub pkce: Option<PkceSupport>,
    /// Further parameters of the page to sign in at. Prints a warning.
    pub authorize_params: IndexMap<String, String>,
    /// The id of a client that is registered with the authorization server.
    pub client_id: Option<String>,
    /// The place of the secret of this client: `env:NAME`, `file:PATH` or `cmd:COMMAND`.
    pub client_secret: Option<String>,
    /// The place of the private key of this client, in PEM: `env:NAME`, `file:PATH` or `cmd:COMMAND`.
    pub client_key: Option<String>,
    /// The URL of the metadata of a client that you host, for authorization servers that take it as an id.
    pub client_metadata_url: Option<String>,
    /// Where the browser brings the answer of a login. Default: a free port of this machine.
    pub redirect_uri: Option<String>,
    /// The scopes to ask for, separated by spaces. Default: those that the server names.
    pub scope: Option<String>,
    /// The place of the assertion of `auth = "workload_identity"`, which is read before each request: `env:NAME`, `file:PATH` or
    /// `cmd:COMMAND`.
    pub assertion: Option<String>,
    /// Headers that clients bring for this server: the name in their requests, and the name under which it is sent. Callers with
    /// different values share no connection and no list.
    pub forward_headers: IndexMap<String, String>,
    /// The only revision that is spoken with the server. Default: the newest that both sides support.
    pub revision: Option<String>,
    /// Who shares a connection.
    pub isolation: Isolation,
    /// When the server is connected.
    pub start: Start,
    /// The number of connections. Default: 8 to a program, 64 to a URL.
    pub connections: Option<u32>,
    /// The seconds until a connection is made and a revision agreed. Default: 60.
    pub open_timeout: Option<NonZeroU32>,
    /// The seconds until the server must have sent something of a call. Default: `first_byte_timeout` of `[limits]`, else as
    /// long as `call_timeout`.
    pub first_byte_timeout: Option<NonZeroU32>,
    /// The seconds that a call may take without reporting progress. Default: 600.
    pub call_timeout: Option<NonZeroU32>,
    /// The seconds that a call may take in all. Default: 3600.
    pub call_timeout_max: Option<NonZeroU32>,
    /// The number of calls that run at once. Default: 512.
    pub max_concurrent_calls: Option<NonZeroU32>,
    /// The number of calls beyond these that wait. Default: 128.
    pub max_queued_calls: Option<u32>,
    /// The seconds that such a call waits. Default: 5.
    pub queue_timeout: Option<NonZeroU32>,
    /// How often the server may be called, by all callers together. Default: `[limits.upstream]`.
    pub rate: Option<RateConfig>,
    /// Whether its answers are kept for a while, and which: of tools that only read, for 300 seconds, unless a table says something else.
    /// Default: none.
    pub cache: Option<CacheConfig>,
    /// Whether the server is left out.
    pub disabled: bool,
    /// The seconds without use after which the program is ended. The next call starts it again. Default: never.
    pub idle_stop: Option<u32>,
    /// What the program may use of the system.
    pub limits: ProgramLimits,
    /// The files and the network that the program may use. Default: those of the gateway.
    pub sandbox: Option<SandboxConfig>,
    /// The title that people see in questions. Default: the name.
    pub title: Option<String>,
    /// What stands before the names of its tools and prompts, with `_` between. Default: its name; "" for none.
    pub prefix: Option<String>,
    /// The tools and prompts that are offered, by their own names; `*` stands for any letters. Default: all.
    pub include: Vec<String>,
    /// The tools and prompts that are not offered, likewise.
    pub exclude: Vec<String>,
    /// The scopes that callers of its tools, prompts and resources need.
    pub require: Vec<String>,
    /// Changes of single tools, by their own names.
    pub tools: IndexMap<String, ToolConfig>,
    /// Who may use single prompts, by their own names.
    pub prompts: IndexMap<String, ItemConfig>,
    /// Who may read which resources, by their own URIs; `*` stands for any letters.
    pub resources: IndexMap<String, ItemConfig>,
    /// What becomes of a definition that is not as it was first seen. Default: what `[gateway]` says.
    pub pin: Option<Pin>,
    /// The most tokens of one result of its tools; 0 for any number. Default: what `[gateway]` says.
    pub max_result_tokens: Option<u32>,
    /// What becomes of a larger result. Default: what `[gateway]` says.
    pub on_large_result: Option<LargeResult>,
    /// Why the entry of a client's file describes no server, if it does not.
    #[serde(skip)]
    pub fault: Option<String>,
}

/// What a program may use of the system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProgramLimits {
    /// The memory of each of its processes: a number of bytes with `KiB`, `MiB` or `GiB`, such as `512MiB`.
    pub memory: Option<String>,
    /// The seconds of processor time of each of its processes.
    pub cpu_seconds: Option<u32>,
    /// The number of files that each of its processes may have open.
    pub open_files: Option<u32>,
    /// The number of processes that its user may have when it starts one more.
    pub processes: Option<u32>,
}

/// The files and the network that a program may use. It may read the folders of the system, and write the one for temporary files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxConfig {
    /// Further files and folders that it may read.
    pub read: Vec<String>,
    /// Files and folders that it may read and write.
    pub write: Vec<String>,
    /// Whether it may use TCP: `false`, or the ports that it may connect to. Default: true.
    pub network: NetworkAccess,
    /// Whether it is not started where the system has no sandbox. Default: it is started, with a warning.
    pub required: bool,
}

/// Whether a program may use TCP: any, none, or the ports that it may connect to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged, expecting = "true, false or a list of ports")]
pub enum NetworkAccess {
    /// Any or none.
    Any(bool),
    /// The ports.
    Ports(Vec<u16>),
}

impl Default for NetworkAccess {
    fn default() -> Self {
        Self::Any(true)
    }
}

/// One tool, as the gateway offers it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ToolConfig {
    /// The whole name under which it is offered, without the prefix of its upstream.
    pub name: Option<String>,
    /// Further names under which it can be called.
    pub aliases: Vec<String>,
    /// Its title.
    pub title: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Arguments that the gateway sets. Clients do not see them.
    pub arguments: Map<String, Value>,
    /// The scopes that callers of it need.
    pub require: Vec<String>,
    /// How often it may be called, by all callers together. Default: `[limits.tool]`.
    pub rate: Option<RateConfig>,
    /// The number of its calls that run at once; further ones wait. Default: `max_calls_per_tool` of `[limits]`, else as many as its server has.
    pub max_concurrent_calls: Option<NonZeroU32>,
    /// Whether it is left out.
    pub hidden: bool,
}

/// One prompt, or resources, as the gateway offers them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ItemConfig {
    /// The scopes that callers of it need.
    pub require: Vec<String>,
}

/// A selection of what the gateway offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VirtualServerConfig {
    /// The names of tools and prompts and the URIs of resources that are offered, as the gateway writes them; `*` stands for any letters.
    /// Default: all.
    pub include: Vec<String>,
    /// The names and URIs that are not offered, likewise.
    pub exclude: Vec<String>,
    /// The scopes that every request to it needs, beside those of `[auth]`.
    pub require: Vec<String>,
    /// What models are told, instead of the gateway's instructions.
    pub instructions: Option<String>,
    /// Whether clients see three tools that search, describe and call the others, in place of them.
    pub tool_search: bool,
}

/// Folders of documents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KnowledgeConfig {
    /// The folders, relative to the folder of the file.
    pub docs: Vec<PathBuf>,
    /// What stands before the names of its tools, with `_` between. Default: its name; "" for none.
    pub prefix: Option<String>,
}

/// A program with its arguments: one text for the program alone, or a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged, expecting = "a text or a list of texts")]
pub enum Words {
    /// The program.
    Program(String),
    /// The program and its arguments.
    List(Vec<String>),
}

/// Who shares a connection to a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// All callers, unless the server is seen to send requests that could belong to any of them.
    #[default]
    Automatic,
    /// All callers.
    Shared,
    /// Each caller has a connection of its own.
    Caller,
}

/// What becomes of the definition of a tool, prompt or resource that is not as it was first seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pin {
    /// Nothing: definitions are not compared.
    Off,
    /// It is reported, and served.
    #[default]
    Report,
    /// It is reported and quarantined until `anyport pins accept`; so is a new tool, prompt or template.
    Strict,
}

/// What becomes of a tool's result that is too large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LargeResult {
    /// The model receives an error instead.
    Refuse,
    /// The model receives the beginning.
    #[default]
    Truncate,
    /// The model receives the beginning and a link to a resource with the whole.
    Spill,
}

/// How a gateway gets the token of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamAuth {
    /// By the login of `anyport login`, which all clients of the gateway then share.
    Oauth,
    /// By the secret or the key of its own client, without a user (client credentials).
    ClientCredentials,
    /// By what the platform says of the gateway, without a user (workload identity).
    WorkloadIdentity,
    /// It needs none.
    None,
    /// By `bearer`.
    Bearer,
    /// In exchange for the token of each caller, at the authorization server that gave it (RFC 8693).
    TokenExchange,
    /// By the login of each caller, who signs in with a browser. It needs `[auth.builtin]` or `[auth.proxy]`.
    PerUser,
}

/// How an authorization server is asked to exchange a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExchangeProtocol {
    /// By RFC 8693.
    TokenExchange,
    /// On behalf of the user, as Entra has it.
    OnBehalfOf,
}

/// Whether the authorization server is told the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResourceParameter {
    /// It is not told.
    Omit,
}

/// What is known of the authorization server's PKCE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PkceSupport {
    /// It supports it, though it does not say so.
    Assume,
}

/// When a server is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// When somebody needs it.
    #[default]
    OnDemand,
    /// When the gateway starts.
    Eager,
}
