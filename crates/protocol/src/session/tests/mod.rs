//! Both machines together.

mod pair;
