//! Tests of the program as its users meet it: the real binary, started beside the test and killed with it.
//!
//! Every file beside this one is a module: one program is linked, not one per file. Only what must be alone in its process
//! (it counts allocations, descriptors or children) is a program of its own, beside this folder.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod audit;
mod authorization_server;
mod bad_servers;
mod book;
mod bridge;
mod bridge_start;
mod bridged_http;
mod cache;
mod coming_from;
mod commands;
#[cfg(unix)]
mod completions;
mod configured;
#[cfg(target_os = "linux")]
mod confined;
mod contexts;
mod crash;
mod doctor;
mod documents;
mod exchanged;
mod failing_commands;
mod findable;
mod first_ten_minutes;
mod flags;
#[cfg(unix)]
mod fleet;
mod gateway;
#[cfg(unix)]
mod gateway_cache;
mod gateway_faults;
mod gateway_file;
mod gateway_keys;
mod gateway_reload;
#[cfg(unix)]
mod gateway_unusable;
mod guards;
mod health;
mod interrupted;
mod json;
mod keys;
mod large_results;
#[cfg(target_os = "linux")]
mod log_levels;
mod login;
mod logs;
#[cfg(unix)]
mod named_upstreams;
#[cfg(unix)]
mod overload;
mod packaging;
mod parked;
mod per_user;
mod pins;
mod plain;
mod policies;
mod protected;
mod rates;
mod rmcp;
mod secrets;
mod serve;
#[cfg(unix)]
mod server_logs;
#[cfg(unix)]
mod shared_store;
mod signals;
mod stdio;
mod store;
mod stray;
mod support;
#[cfg(unix)]
mod tap;
#[cfg(unix)]
mod telemetry;
mod terminal;
#[cfg(target_os = "linux")]
mod terminal_session;
mod tls;
mod transports;
mod under_load;
