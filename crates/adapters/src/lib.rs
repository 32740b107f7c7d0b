//! Adapters between the eras: services that send requests in one way, for callers that receive them in another.

mod input_required;
mod legacy_client;
mod legacy_server;
mod state_binding;

pub use input_required::check_input_required;
pub use legacy_client::{LegacyClientAdapter, LegacyClientLayer, LegacyClientLimits};
pub use legacy_server::{LegacyServerAdapter, ParkLimits, StateSealer};
pub use state_binding::StateBinding;

#[cfg(test)]
mod tests;
