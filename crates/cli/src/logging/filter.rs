//! Which lines are logged, by module; it may change while the program runs.

use std::sync::OnceLock;

use anyport_audit::CALL_LOG;
use anyport_service::sync::Lock;
use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{Registry, filter::Targets, reload};

static CURRENT: OnceLock<Current> = OnceLock::new();

struct Current {
    handle: reload::Handle<Targets, Registry>,
    /// The level of everything at the start.
    level: LevelFilter,
    /// The filter of now, as it was written.
    text: Lock<String>,
}

/// Which lines are logged.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    text: String,
    /// The level of what `modules` do not name, if it was written.
    default: Option<LevelFilter>,
    modules: Targets,
}

/// The filter of a program that starts with `level` for all modules.
pub(super) fn starting_at(level: LevelFilter) -> reload::Layer<Targets, Registry> {
    let targets = capped(without_arguments(Targets::new().with_default(level)));
    let (layer, handle) = reload::Layer::new(targets);
    // There is an older one only in the tests of this very process.
    let _ = CURRENT.set(Current { handle, level, text: Lock::new(level.to_string()) });
    layer
}

/// Logs what `filter` says from now on; `None`: as at the start. Without a level for everything, that of the start holds.
pub(crate) fn set(filter: Option<Filter>) {
    let Some(current) = CURRENT.get() else { return };
    let start = || Filter { text: String::new(), default: None, modules: Targets::new() };
    let Filter { text, default, modules } = filter.unwrap_or_else(start);
    let names_calls = modules.iter().any(|(module, _)| module.starts_with(CALL_LOG));
    let names_nats = modules.iter().any(|(module, _)| module.starts_with(NATS));
    let modules = modules.with_default(default.unwrap_or(current.level));
    let modules = if names_nats { modules } else { capped(modules) };
    let modules = if names_calls { modules } else { without_arguments(modules) };
    let text = match (default, text.is_empty()) {
        (Some(_), _) => text,
        (None, true) => current.level.to_string(),
        (None, false) => format!("{},{text}", current.level),
    };
    // It fails only if the subscriber is gone, and then nothing is logged.
    let _ = current.handle.reload(modules);
    *current.text.lock() = text;
}

/// The client of NATS. Below warnings it writes several lines for each operation of the store.
const NATS: &str = "async_nats";

/// The same, without what the client of NATS says beyond warnings, unless its own name asks for it.
pub(super) fn capped(filter: Targets) -> Targets {
    match filter.would_enable(NATS, &Level::INFO) {
        true => filter.with_target(NATS, LevelFilter::WARN),
        false => filter,
    }
}

/// The same, without the arguments of calls: whoever looks for a fault at the level `debug` does not mean to collect what users write.
fn without_arguments(filter: Targets) -> Targets {
    match filter.would_enable(CALL_LOG, &Level::DEBUG) {
        true => filter.with_target(CALL_LOG, LevelFilter::INFO),
        false => filter,
    }
}

/// The filter of now in words.
pub(crate) fn current() -> String {
    CURRENT.get().map(|current| current.text.lock().clone()).unwrap_or_default()
}

/// Reads `LEVEL` or `MODULE=LEVEL`, several with commas between.
///
/// # Errors
/// The part that is neither.
pub(crate) fn parse(text: &str) -> Result<Filter, String> {
    let mut filter = Filter { text: text.to_owned(), default: None, modules: Targets::new() };
    for part in text.split(',').map(str::trim) {
        let (module, level) = match part.split_once('=') {
            Some((module, level)) => (Some(module.trim()), level.trim()),
            None => (None, part),
        };
        // An empty word would be read as `error`.
        let known = level.parse().ok().filter(|_: &LevelFilter| !level.is_empty()).ok_or_else(|| {
            format!("{part:?} is no level: write error, warn, info, debug, trace or off, or MODULE=LEVEL")
        })?;
        match module {
            Some(module) => filter.modules = filter.modules.with_target(module, known),
            None => filter.default = Some(known),
        }
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_calls_are_logged_only_by_their_own_name() {
        let everything = without_arguments(Targets::new().with_default(LevelFilter::TRACE));
        assert!(everything.would_enable(CALL_LOG, &Level::INFO));
        assert!(!everything.would_enable(CALL_LOG, &Level::DEBUG));
        let quiet = without_arguments(Targets::new().with_default(LevelFilter::WARN));
        assert!(!quiet.would_enable(CALL_LOG, &Level::INFO));
    }

    #[test]
    fn the_client_of_nats_says_no_more_than_warnings() {
        let everything = capped(Targets::new().with_default(LevelFilter::TRACE));
        assert!(everything.would_enable(NATS, &Level::WARN) && !everything.would_enable(NATS, &Level::INFO));
        assert!(everything.would_enable("anyport_store", &Level::TRACE));
        let quiet = capped(Targets::new().with_default(LevelFilter::ERROR));
        assert!(!quiet.would_enable(NATS, &Level::WARN));
    }

    #[test]
    fn modules_have_levels_of_their_own_and_a_word_that_is_no_level_is_refused() {
        let filter = parse("warn, anyport_upstream=debug,hyper=off").unwrap();
        assert_eq!(filter.default, Some(LevelFilter::WARN));
        let filter = filter.modules.with_default(LevelFilter::WARN);
        assert!(filter.would_enable("anyport_upstream::retry", &Level::DEBUG));
        assert!(!filter.would_enable("anyport_gateway", &Level::INFO));
        assert!(filter.would_enable("anyport_gateway", &Level::WARN));
        assert!(!filter.would_enable("hyper", &Level::ERROR));
        assert_eq!(parse("anyport::calls=info").unwrap().default, None);
        for wrong in ["", "loud", "warn,", "anyport=loud"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
