//! Which lines are logged, by module; it may change while the program runs.

use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Registry, filter::Targets, reload};

static CURRENT: OnceLock<(reload::Handle<Targets, Registry>, LevelFilter)> = OnceLock::new();

/// The filter of a program that starts with `level` for all modules.
pub(super) fn starting_at(level: LevelFilter) -> reload::Layer<Targets, Registry> {
    let (layer, handle) = reload::Layer::new(Targets::new().with_default(level));
    // There is an older one only in the tests of this very process.
    let _ = CURRENT.set((handle, level));
    layer
}

/// Logs what `filter` says from now on; `None`: as at the start.
pub(crate) fn set(filter: Option<Targets>) {
    if let Some((handle, level)) = CURRENT.get() {
        // It fails only if the subscriber is gone, and then nothing is logged.
        let _ = handle.reload(filter.unwrap_or_else(|| Targets::new().with_default(*level)));
    }
}

/// Reads `LEVEL` or `MODULE=LEVEL`, several with commas between.
///
/// # Errors
/// The part that is neither.
pub(crate) fn parse(text: &str) -> Result<Targets, String> {
    let mut filter = Targets::new();
    for part in text.split(',').map(str::trim) {
        let (module, level) = match part.split_once('=') {
            Some((module, level)) => (Some(module.trim()), level.trim()),
            None => (None, part),
        };
        // An empty word would be read as `error`.
        let known = level.parse().ok().filter(|_: &LevelFilter| !level.is_empty()).ok_or_else(|| {
            format!("{part:?} is no level: write error, warn, info, debug, trace or off, or MODULE=LEVEL")
        })?;
        filter = match module {
            Some(module) => filter.with_target(module, known),
            None => filter.with_default(known),
        };
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn modules_have_levels_of_their_own_and_a_word_that_is_no_level_is_refused() {
        let filter = parse("warn, anyport_upstream=debug,hyper=off").unwrap();
        assert!(filter.would_enable("anyport_upstream::retry", &Level::DEBUG));
        assert!(!filter.would_enable("anyport_gateway", &Level::INFO));
        assert!(filter.would_enable("anyport_gateway", &Level::WARN));
        assert!(!filter.would_enable("hyper", &Level::ERROR));
        for wrong in ["", "loud", "warn,", "anyport=loud"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
