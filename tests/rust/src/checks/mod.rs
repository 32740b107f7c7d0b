//! What a server answers, whoever asks; and what a check says when it does not hold.

use std::fmt::Debug;

use anyhow::bail;
use serde_json::{Value, json};

pub(crate) mod everything;
pub(crate) mod tour;

pub(crate) fn expect(holds: bool, what: &str, found: &impl Debug) -> anyhow::Result<()> {
    if !holds {
        bail!("expected that {what}; found {found:?}");
    }
    Ok(())
}

fn equal(found: &Value, wanted: &Value, what: &str) -> anyhow::Result<()> {
    expect(found == wanted, &format!("{what} is {wanted}"), &found.to_string())
}

/// One member of each element of a list.
fn each(list: &Value, member: &str) -> Value {
    list.as_array()
        .map(|list| list.iter().map(|element| element[member].clone()).collect())
        .unwrap_or_default()
}

/// The texts of a tool's result.
fn texts(result: &Value) -> Value {
    each(&result["content"], "text")
}

/// The role and the text of each message of a prompt.
fn said(messages: &Value) -> Value {
    let said = |message: &Value| json!([message["role"], message["content"]["text"]]);
    messages.as_array().map(|messages| messages.iter().map(said).collect()).unwrap_or_default()
}
