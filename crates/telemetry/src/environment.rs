//! The standard environment variables (OpenTelemetry, OTLP Exporter Configuration and SDK Environment Variables).

use std::{str::FromStr, time::Duration};

use percent_encoding::percent_decode_str;

use crate::{Options, Sampler, Target};

/// What is said about telemetry in one place, such as a file or the environment. What is not said is left to another place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Whether nothing is sent whatever else is said: `OTEL_SDK_DISABLED`.
    pub is_disabled: bool,
    /// The URL of the collector, below which each signal has its path: `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub endpoint: Option<String>,
    /// The whole URL for spans: `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`.
    pub traces_endpoint: Option<String>,
    /// The whole URL for metrics: `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT`.
    pub metrics_endpoint: Option<String>,
    /// Whether spans are sent at all: `OTEL_TRACES_EXPORTER`, which is `none` or `otlp`.
    pub traces: Option<bool>,
    /// Whether metrics are sent at all: `OTEL_METRICS_EXPORTER`.
    pub metrics: Option<bool>,
    /// The headers of each request: `OTEL_EXPORTER_OTLP_HEADERS`.
    pub headers: Option<Vec<(String, String)>>,
    /// The time that a request may take: `OTEL_EXPORTER_OTLP_TIMEOUT`, in milliseconds.
    pub timeout: Option<Duration>,
    /// `OTEL_SERVICE_NAME`.
    pub service_name: Option<String>,
    /// Further attributes: `OTEL_RESOURCE_ATTRIBUTES`.
    pub resource: Vec<(String, String)>,
    /// `OTEL_TRACES_SAMPLER`.
    pub sampler: Option<Sampler>,
    /// The share of the traces that begin here: `OTEL_TRACES_SAMPLER_ARG`.
    pub sample_ratio: Option<f64>,
    /// The time between two requests with spans: `OTEL_BSP_SCHEDULE_DELAY`, in milliseconds.
    pub span_interval: Option<Duration>,
    /// The time between two requests with metrics: `OTEL_METRIC_EXPORT_INTERVAL`, in milliseconds.
    pub metric_interval: Option<Duration>,
}

/// A variable whose value is not of its form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {name} is not valid: {why}")]
pub struct InvalidVariable {
    /// The variable.
    pub name: &'static str,
    /// What is wrong, without the value.
    pub why: &'static str,
}

/// The defaults of the specification.
const SPAN_INTERVAL: Duration = Duration::from_secs(5);
const METRIC_INTERVAL: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(10);

impl Settings {
    /// Reads the variables that `variable` finds. An empty one says nothing (SDK Environment Variables: "The SDK MUST interpret an empty
    /// value of an environment variable the same way as when the variable is unset").
    ///
    /// # Errors
    /// The first variable whose value is not of its form.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidVariable> {
        let text =
            |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|it| !it.is_empty());
        if let Some(protocol) = text(PROTOCOL)
            && protocol != "http/protobuf"
        {
            return Err(InvalidVariable { name: PROTOCOL, why: "only `http/protobuf` is spoken here" });
        }
        let pairs = |name: &'static str| {
            let pairs = text(name).map(|value| pairs(&value));
            let invalid = || InvalidVariable { name, why: "write it as `name=value,name=value`" };
            pairs.map(|pairs| pairs.ok_or_else(invalid)).transpose()
        };
        let milliseconds = |name: &'static str| {
            let number = text(name).map(|value| u64::from_str(&value)).transpose();
            let number =
                number.map_err(|_| InvalidVariable { name, why: "it is no number of milliseconds" })?;
            Ok(number.map(Duration::from_millis))
        };
        let exporter = |name: &'static str| match text(name).as_deref() {
            None => Ok(None),
            Some("none") => Ok(Some(false)),
            Some("otlp") => Ok(Some(true)),
            Some(_) => Err(InvalidVariable { name, why: "only `otlp` and `none` are known here" }),
        };
        let sampler = text(SAMPLER).map(|name| {
            name.parse().map_err(|()| InvalidVariable { name: SAMPLER, why: "there is no such sampler here" })
        });
        let ratio = text(RATIO).map(|value| {
            let ratio = value.parse().ok().filter(|ratio: &f64| (0.0..=1.0).contains(ratio));
            ratio.ok_or(InvalidVariable { name: RATIO, why: "it is no number from 0 to 1" })
        });
        Ok(Self {
            is_disabled: text("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")),
            endpoint: text("OTEL_EXPORTER_OTLP_ENDPOINT"),
            traces_endpoint: text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
            metrics_endpoint: text("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
            traces: exporter("OTEL_TRACES_EXPORTER")?,
            metrics: exporter("OTEL_METRICS_EXPORTER")?,
            headers: pairs("OTEL_EXPORTER_OTLP_HEADERS")?,
            timeout: milliseconds("OTEL_EXPORTER_OTLP_TIMEOUT")?,
            service_name: text("OTEL_SERVICE_NAME"),
            resource: pairs("OTEL_RESOURCE_ATTRIBUTES")?.unwrap_or_default(),
            sampler: sampler.transpose()?,
            sample_ratio: ratio.transpose()?,
            span_interval: milliseconds("OTEL_BSP_SCHEDULE_DELAY")?,
            metric_interval: milliseconds("OTEL_METRIC_EXPORT_INTERVAL")?,
        })
    }

    /// These, and `other` where these say nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let mut resource = other.resource;
        resource.retain(|(name, _)| self.resource.iter().all(|(ours, _)| ours != name));
        resource.splice(..0, self.resource);
        Self {
            is_disabled: self.is_disabled || other.is_disabled,
            endpoint: self.endpoint.or(other.endpoint),
            traces_endpoint: self.traces_endpoint.or(other.traces_endpoint),
            metrics_endpoint: self.metrics_endpoint.or(other.metrics_endpoint),
            traces: self.traces.or(other.traces),
            metrics: self.metrics.or(other.metrics),
            headers: self.headers.or(other.headers),
            timeout: self.timeout.or(other.timeout),
            service_name: self.service_name.or(other.service_name),
            resource,
            // A ratio belongs to the sampler beside which it stands.
            sample_ratio: match self.sampler {
                Some(_) => self.sample_ratio,
                None => self.sample_ratio.or(other.sample_ratio),
            },
            sampler: self.sampler.or(other.sampler),
            span_interval: self.span_interval.or(other.span_interval),
            metric_interval: self.metric_interval.or(other.metric_interval),
        }
    }

    /// What is to be done. `None`: no collector is named, or nothing is to be sent.
    pub fn options(self, version: &str) -> Option<Options> {
        if self.is_disabled {
            return None;
        }
        let base = self.endpoint.as_deref().map(|url| url.trim_end_matches('/'));
        let target = |url: Option<String>, is_wanted: Option<bool>, path: &str| {
            let url = url.or_else(|| base.map(|base| format!("{base}{path}")))?;
            let (headers, timeout) =
                (self.headers.clone().unwrap_or_default(), self.timeout.unwrap_or(TIMEOUT));
            is_wanted.unwrap_or(true).then_some(Target { url, headers, timeout })
        };
        let traces = target(self.traces_endpoint, self.traces, "/v1/traces");
        let metrics = target(self.metrics_endpoint, self.metrics, "/v1/metrics");
        if traces.is_none() && metrics.is_none() {
            return None;
        }
        // "If service.name is also provided in OTEL_RESOURCE_ATTRIBUTES, then OTEL_SERVICE_NAME takes precedence."
        let mut resource = self.resource;
        let named =
            resource.iter().position(|(name, _)| name == SERVICE_NAME).map(|at| resource.remove(at).1);
        let name = self.service_name.or(named).unwrap_or_else(|| "anyport".to_owned());
        resource.insert(0, (SERVICE_NAME.to_owned(), name));
        if resource.iter().all(|(name, _)| name != SERVICE_VERSION) {
            resource.insert(1, (SERVICE_VERSION.to_owned(), version.to_owned()));
        }
        let mut sampler = self.sampler.unwrap_or_default();
        // "always_off" stays off.
        if let (Some(ratio), true) = (self.sample_ratio, sampler.ratio > 0.0) {
            sampler.ratio = ratio;
        }
        // A pause of nothing would keep a processor busy.
        let at_least = |time: Duration| time.max(Duration::from_millis(10));
        Some(Options {
            traces,
            metrics,
            resource,
            sampler,
            span_interval: at_least(self.span_interval.unwrap_or(SPAN_INTERVAL)),
            metric_interval: at_least(self.metric_interval.unwrap_or(METRIC_INTERVAL)),
        })
    }
}

const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const RATIO: &str = "OTEL_TRACES_SAMPLER_ARG";
const SERVICE_NAME: &str = "service.name";
const SERVICE_VERSION: &str = "service.version";

/// Reads `name=value,name=value`, whose values are percent-encoded.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        let name = name.trim();
        (!name.is_empty()).then(|| (name.to_owned(), value.into_owned()))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, InvalidVariable> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        Settings::from_environment(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_standard_variables_name_a_collector() {
        let environment = settings(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://numbers:9090/otlp"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s%2Cx, x-scope = team"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=test"),
            ("OTEL_SERVICE_NAME", "shop"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ("OTEL_METRIC_EXPORT_INTERVAL", ""),
        ]);
        let options = environment.unwrap().options("1.0").unwrap();
        let traces = options.traces.unwrap();
        assert_eq!(traces.url, "http://collector:4318/v1/traces");
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(traces.headers, [header("authorization", "Bearer s,x"), header("x-scope", "team")]);
        assert!(!format!("{traces:?}").contains("Bearer"));
        assert_eq!(options.metrics.unwrap().url, "http://numbers:9090/otlp");
        let resource = [
            header("service.name", "shop"),
            header("service.version", "1.0"),
            header("deployment.environment.name", "test"),
        ];
        assert_eq!(options.resource, resource);
        assert_eq!(options.sampler, Sampler { ratio: 0.25, follows_parent: true });
        assert_eq!(options.span_interval, Duration::from_millis(100));
        assert_eq!(options.metric_interval, METRIC_INTERVAL);
    }

    #[test]
    fn without_a_collector_and_where_it_is_disabled_nothing_is_sent() {
        assert_eq!(settings(&[]).unwrap().options("1"), None);
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        assert_eq!(settings(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]).unwrap().options("1"), None);
        let traces_only =
            settings(&[endpoint, ("OTEL_METRICS_EXPORTER", "none")]).unwrap().options("1").unwrap();
        assert!(traces_only.traces.is_some() && traces_only.metrics.is_none());
        let off =
            settings(&[endpoint, ("OTEL_TRACES_SAMPLER", "always_off"), ("OTEL_TRACES_SAMPLER_ARG", "1")]);
        assert!(off.unwrap().options("1").unwrap().sampler.ratio <= 0.0);
    }

    #[test]
    fn the_sampler_of_the_environment_comes_before_the_ratio_of_a_file() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        let ratio = |variables: &[(&str, &str)]| {
            let file = Settings { sample_ratio: Some(0.5), ..Settings::default() };
            let both = settings(&[&[endpoint], variables].concat()).unwrap().or(file);
            both.options("1").unwrap().sampler.ratio
        };
        assert_eq!(ratio(&[]), 0.5);
        assert_eq!(ratio(&[("OTEL_TRACES_SAMPLER", "parentbased_always_on")]), 1.0);
        let named = ("OTEL_TRACES_SAMPLER", "traceidratio");
        assert_eq!(ratio(&[named, ("OTEL_TRACES_SAMPLER_ARG", "0.25")]), 0.25);
        assert_eq!(ratio(&[("OTEL_TRACES_SAMPLER_ARG", "0.25")]), 0.25);
    }

    #[test]
    fn what_comes_first_counts() {
        let first = settings(&[("OTEL_SERVICE_NAME", "a"), ("OTEL_RESOURCE_ATTRIBUTES", "x=1")]).unwrap();
        let second =
            settings(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"), ("OTEL_RESOURCE_ATTRIBUTES", "x=2,y=3")]);
        let both = first.or(second.unwrap());
        assert_eq!(both.service_name.as_deref(), Some("a"));
        assert_eq!(both.endpoint.as_deref(), Some("http://c"));
        let resource = [("x", "1"), ("y", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(both.resource, resource);
    }

    #[test]
    fn a_variable_of_another_form_is_refused_without_its_value() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_TRACES_SAMPLER", "secret"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
            ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
        ] {
            let error = settings(&[(name, value)]).unwrap_err();
            assert_eq!(error.name, name);
            assert!(!error.to_string().contains("secret"));
        }
    }
}
