use std::{borrow::Cow, sync::Arc};

/// Covers the secrets that a program knows.
pub type Redact = Arc<dyn Fn(&str) -> Cow<'_, str> + Send + Sync>;
