//! JSON with comments and trailing commas, as a value.

use jsonc_parser::{ParseOptions, errors::ParseError, parse_to_serde_value};
use serde_json::Value;

use super::error::SyntaxError;

/// JSON as it stands in the standard, with comments and trailing commas: what editors write.
pub(super) const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

pub(super) fn parse(text: &str) -> Result<Value, SyntaxError> {
    let value: Option<Value> = parse_to_serde_value(text, &OPTIONS).map_err(|error| syntax(&error))?;
    Ok(value.unwrap_or_default())
}

pub(super) fn syntax(error: &ParseError) -> SyntaxError {
    let reason = error.kind().to_string();
    SyntaxError { line: error.line_display(), column: error.column_display(), reason }
}
