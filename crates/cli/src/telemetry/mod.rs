//! OpenTelemetry of a program that serves: what `[telemetry]` of its file and the environment say.
//!
//! - `connector`: connections to servers whose calls have client spans.

mod connector;

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use anyport_config::{Surroundings, gateway::TelemetryConfig};
use anyport_metrics::Metrics;
use anyport_telemetry::{Settings, Telemetry, TelemetryLimits};

pub(crate) use self::connector::MeasuredConnector;
use crate::{
    secret_source::{SecretSource, text_itself},
    target::{SecretValue, redacted_for_log},
    user_error::UserError,
};

/// What is said about telemetry: the environment first, then `file`, whose secrets are seen from `surroundings`.
///
/// # Errors
/// A variable or a key that is wrong, or a secret that is missing.
pub(crate) fn settings(file: Option<(&TelemetryConfig, &Surroundings)>) -> Result<Settings> {
    let environment = Settings::from_environment(|name| std::env::var(name).ok());
    let environment = environment.map_err(|error| {
        UserError::usage(error.to_string(), "correct the variable; the page on telemetry has them all")
    })?;
    match file {
        // A program that sends nothing needs none of its secrets.
        Some(_) if environment.is_disabled => Ok(environment),
        Some((config, surroundings)) => Ok(environment.or(of_file(config, surroundings)?)),
        None => Ok(environment),
    }
}

fn of_file(config: &TelemetryConfig, surroundings: &Surroundings) -> Result<Settings> {
    let seconds = |seconds: Option<f64>| seconds.map(Duration::from_secs_f64);
    let headers = config.headers.iter().map(|(name, place)| {
        let value = match (text_itself(place), place.parse::<SecretSource>()) {
            (Some(text), _) => Ok(text.to_owned()),
            (None, Ok(source)) => source.read_text(surroundings),
            (None, Err(_)) => Err("its value is no place of a secret: write `env:NAME`, `file:PATH` or `cmd:COMMAND`, or `text:` before a value that is no secret".to_owned()),
        };
        let value = value.map_err(|why| {
            UserError::usage(format!("the header {name} of [telemetry] is wrong: {why}"), "correct it")
        })?;
        Ok((name.clone(), value))
    });
    let headers: Vec<(String, String)> = headers.collect::<Result<_>>()?;
    let attributes = config.attributes.iter().map(|(name, value)| (name.clone(), value.clone()));
    Ok(Settings {
        endpoint: config.endpoint.clone(),
        headers: Some(headers).filter(|headers| !headers.is_empty()),
        service_name: config.service_name.clone(),
        resource: attributes.collect(),
        traces: config.traces,
        metrics: config.metrics,
        sample_ratio: config.sample_ratio,
        metric_interval: seconds(config.interval),
        timeout: seconds(config.timeout),
        ..Settings::default()
    })
}

/// Begins to send, if `settings` name a collector.
///
/// # Errors
/// When the URL of the collector is not valid, or a header cannot be sent.
pub(crate) fn start(
    settings: Settings,
    limits: TelemetryLimits,
    metrics: &Metrics,
) -> Result<Option<Telemetry>> {
    let Some(options) = settings.options(env!("CARGO_PKG_VERSION")) else { return Ok(None) };
    for target in options.traces.iter().chain(&options.metrics) {
        for (_, value) in &target.headers {
            // It is covered from now on, wherever it is repeated.
            let _ = SecretValue::new(value.clone());
        }
    }
    let started = Telemetry::start(&options, limits, metrics, Arc::new(redacted_for_log));
    let started = started.map_err(|fault| {
        let help = "correct `endpoint` and `headers` of [telemetry], or the variables OTEL_EXPORTER_OTLP_...";
        UserError::usage(format!("nothing can be sent to the collector: {fault}"), help)
    });
    started.map(Some)
}

/// Sends what waits, within `patience`.
pub(crate) async fn close(telemetry: Option<Telemetry>, patience: Duration) {
    if let Some(telemetry) = telemetry {
        telemetry.shut_down(patience.min(LONGEST)).await;
    }
}

/// A collector that is away does not keep a program from ending.
const LONGEST: Duration = Duration::from_secs(5);
