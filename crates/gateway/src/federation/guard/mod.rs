//! Guards of a federation: what its items are called with, and what they answer.
//!
//! - `guarding`: the guards and masks, and what is counted of them; `masking`: where data is covered.
//! - `call`: arguments and URIs, before a call is forwarded. `reply`: results, errors and notifications. `refused`: what callers receive
//!   in place of these.
//!
//! A call comes here after the policy has allowed it, and before the user is asked: what is refused anyway needs no confirmation.

pub(super) mod call;
pub(super) mod guarding;
pub(super) mod masking;
mod refused;
pub(super) mod reply;
