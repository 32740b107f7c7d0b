//! The messages of 2026-07-28, typed.
