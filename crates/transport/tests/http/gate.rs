//! Host, Origin, browsers and tokens.
