//! Fuzz targets for the readers of foreign bytes: `cargo xtask fuzz`.
//!
//! A target takes any bytes and must neither panic nor break what it promises: what the scanner admits is JSON, what a
//! revision converts is JSON again, a server that was sent nonsense still answers. [`runner`] makes inputs out of a corpus
//! (`fuzz/corpus/TARGET/`) on the stable toolchain: it changes, cuts, doubles and crosses them. An input that fails is kept in
//! `fuzz/corpus/TARGET/crash-…`; all of the corpus is read by `cargo test`, so a mended crash stays mended.

pub mod mutate;
pub mod runner;
pub mod targets;
