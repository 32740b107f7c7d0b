//! Attributes, as OTLP has them.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};

/// An attribute whose value is text.
pub(crate) fn text(key: &'static str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

/// An attribute whose value is a number.
pub(crate) fn number(key: &'static str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

/// An attribute whose value is a truth value.
pub(crate) fn truth(key: &'static str, value: bool) -> KeyValue {
    attribute(key, Value::BoolValue(value))
}

/// An attribute whose key is only known at run time.
pub(crate) fn named(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn attribute(key: impl Into<String>, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
