//! Tests of the whole: layers, log, store, query, verification.

mod altered;
mod calls;
mod failing;
mod kept;
mod support;
