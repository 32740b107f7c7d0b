//! OpenTelemetry of MCP: spans and metrics of calls by the semantic conventions for MCP, sent to a collector by OTLP over HTTP.
//!
//! A [`Telemetry`] is a value: a program makes one, puts [`ServerSpanLayer`] around what it serves and [`ClientSpan`] around each
//! connection to a server, and calls [`Telemetry::shut_down`] at its end. Without one, nothing is measured and nothing is paid.
//!
//! - `options`: what is sent where; `environment`: the standard variables for it.
//! - `trace_context`: `traceparent`, parsed and written (W3C Trace Context).
//! - `sampler`: which traces are recorded.
//! - `server_span`, `client_span`: the spans of calls, and the trace context that goes on. `operation`: the attributes of both.
//! - `durations`: the histograms of the conventions. `numbers`: the metrics of the program as OTLP.
//! - `telemetry`: the queue of spans and the tasks that send; `collector`: one request to the collector.
//!
//! The conventions are those of the OpenTelemetry project, semantic-conventions-genai, `docs/gen-ai/mcp.md`, status Development.

mod attribute;
mod client_span;
mod collector;
mod durations;
mod environment;
mod limits;
mod moment;
mod numbers;
mod operation;
mod options;
mod redact;
mod sampler;
mod server_span;
mod span;
mod telemetry;
mod trace_context;

pub use client_span::{ClientSpan, Peer};
pub use environment::{InvalidVariable, Settings};
pub use limits::TelemetryLimits;
pub use options::{Options, Target};
pub use redact::Redact;
pub use sampler::Sampler;
pub use server_span::ServerSpanLayer;
pub use telemetry::Telemetry;
