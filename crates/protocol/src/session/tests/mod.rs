//! Both machines together.

mod further_revision;
mod pair;
