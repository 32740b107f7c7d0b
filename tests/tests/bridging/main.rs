//! What the bridge says between a server and a client of each revision, to the byte: the table of the translation rules, a module a
//! row, a test for each behaviour.
//!
//! Letters stand for revisions: A is 2024-11-05, B 2025-03-26, C 2025-06-18, D 2025-11-25; M is 2026-07-28.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod plain;
