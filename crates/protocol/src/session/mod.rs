//! How a dialogue runs.
