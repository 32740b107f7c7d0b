//! Results of tools that are larger than a client wants: refused, cut, or spilled to a resource.
//!
//! # Layout
//! - [`ResultLimit`], [`OnLargeResult`]: what a member may answer, and what becomes of more.
//! - `measure`: how large a result is. `preview`: its beginning.
//! - `spilled`: results that can be read as resources.

mod measure;
mod preview;
mod spilled;

use std::sync::Arc;

use anyport_protocol::{
    Raw,
    json::{Members, Splice},
};
use serde_json::json;

pub use self::measure::estimated_tokens;
pub(super) use self::spilled::{Owner, SpilledResults, is_spilled};
use self::{measure::Measured, preview::preview};

/// The most tokens of one result of a tool, and what becomes of a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultLimit {
    /// The most tokens, as [`estimated_tokens`] counts them.
    pub max_tokens: usize,
    /// What becomes of a larger result.
    pub otherwise: OnLargeResult,
}

/// What becomes of a result with more tokens than its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLargeResult {
    /// The model receives an error instead, which says how large it was.
    Refuse,
    /// The model receives the beginning. A structured result cannot be cut, and is refused.
    #[default]
    Truncate,
    /// The model receives the beginning and a link to a resource with the whole.
    Spill,
}

/// A result of a call.
pub(super) struct Called<'a> {
    pub(super) result: &'a Raw,
    /// The name of the member.
    pub(super) upstream: &'a str,
    /// What the member calls the tool.
    pub(super) tool: &'a str,
    /// The definition of the tool, if it is known.
    pub(super) listed: Option<&'a Raw>,
}

/// The tokens of the beginning of a result that is spilled.
const PREVIEW: usize = 500;

impl ResultLimit {
    /// What the caller receives in place of a result that is too large; `None` for one that is not. `spilled` stores what is
    /// spilled, for `owner`.
    pub(super) fn replacement(
        &self,
        called: &Called<'_>,
        spilled: &Arc<SpilledResults>,
        owner: impl FnOnce() -> Owner,
    ) -> Option<Raw> {
        // No part of it can be larger than the whole, which is not parsed for that.
        if estimated_tokens(called.result.as_str()) <= self.max_tokens {
            return None;
        }
        let measured = Measured::of(called.result);
        if measured.tokens() <= self.max_tokens {
            return None;
        }
        Some(match self.otherwise {
            OnLargeResult::Refuse => self.refusal(called, &measured, None),
            OnLargeResult::Truncate => self.cut(called, &measured),
            OnLargeResult::Spill => match spilled.add(called.result, owner()) {
                Some(uri) => self.spilled(called, &measured, &uri),
                None => self.refusal(called, &measured, None),
            },
        })
    }

    /// An error for the model, with a link to the whole if it can be read.
    ///
    /// 2026-07-28, server/tools §Error Handling: tool execution errors "contain actionable feedback that language models can
    /// use to self-correct and retry with adjusted parameters".
    fn refusal(&self, called: &Called<'_>, measured: &Measured, link: Option<&str>) -> Raw {
        let Called { tool, upstream, .. } = called;
        let (tokens, most) = (measured.tokens(), self.max_tokens);
        let whole = match link {
            Some(uri) => format!("It can be read as the resource {uri}"),
            None => "It was dropped".to_owned(),
        };
        let text = format!(
            "The tool {tool:.128} of {upstream} has run, and its result is too large: about {tokens} tokens, and {most} may be passed on \
             (max_result_tokens). {whole}. Ask for less: a page, a range, fewer fields or a narrower query, where its arguments allow it. \
             If the tool changes something, do not call it again for the same change."
        );
        let mut content = vec![json!({"type": "text", "text": text})];
        content.extend(link.map(|uri| link_block(called, uri, measured)));
        let result = Splice::retain(called.result, |key| key == "_meta" || key == "resultType");
        result
            .with("content", &Raw::from(serde_json::Value::from(content)))
            .with("isError", &Raw::from(serde_json::Value::from(true)))
            .finish()
    }

    /// The beginning of a result.
    fn cut(&self, called: &Called<'_>, measured: &Measured) -> Raw {
        if measured.structured > self.max_tokens && called.needs_structure() {
            return self.refusal(called, measured, None);
        }
        let (tokens, most) = (measured.tokens(), self.max_tokens);
        let note = |left_out: usize| {
            let blocks = match left_out {
                0 => String::new(),
                1 => ", and 1 block is left out".to_owned(),
                count => format!(", and {count} blocks are left out"),
            };
            format!(
                "[The gateway has cut this result of about {tokens} tokens to {most} (max_result_tokens){blocks}. Ask for less to see all of it.]"
            )
        };
        self.with_preview(called, measured, preview(called.result, self.max_tokens, note), None)
    }

    /// The beginning of a result, and a link to the whole.
    fn spilled(&self, called: &Called<'_>, measured: &Measured, uri: &str) -> Raw {
        if measured.structured > self.max_tokens && called.needs_structure() {
            return self.refusal(called, measured, Some(uri));
        }
        let tokens = measured.tokens();
        let note = |_| {
            format!(
                "[This is the beginning of a result of about {tokens} tokens. The whole of it can be read as the resource {uri}]"
            )
        };
        let beginning = preview(called.result, PREVIEW.min(self.max_tokens), note);
        self.with_preview(called, measured, beginning, Some(uri))
    }

    fn with_preview(
        &self,
        called: &Called<'_>,
        measured: &Measured,
        mut content: Vec<Raw>,
        link: Option<&str>,
    ) -> Raw {
        content.extend(link.map(|uri| Raw::from(link_block(called, uri, measured))));
        let blocks: Vec<&str> = content.iter().map(Raw::as_str).collect();
        let content = Raw::trusted(format!("[{}]", blocks.join(",")).into_bytes());
        let fits = measured.structured <= self.max_tokens;
        let result =
            Splice::retain(called.result, |key| key != "content" && (fits || key != "structuredContent"));
        result.with("content", &content).finish()
    }
}

impl Called<'_> {
    /// Whether clients refuse a result without structured content.
    ///
    /// 2026-07-28, server/tools §Output Schema: "Servers **MUST** provide structured results that conform to this schema", and
    /// "Clients **SHOULD** validate structured results against this schema".
    fn needs_structure(&self) -> bool {
        let is_error = Members::find(self.result.as_str(), "isError") == Some("true");
        let has_schema =
            self.listed.is_none_or(|tool| Members::find(tool.as_str(), "outputSchema").is_some());
        has_schema && !is_error
    }
}

/// A link to the whole result.
fn link_block(called: &Called<'_>, uri: &str, measured: &Measured) -> serde_json::Value {
    let name = format!("result-of-{:.64}", called.tool);
    let description = format!("The whole result, about {} tokens.", measured.tokens());
    json!({"type": "resource_link", "uri": uri, "name": name, "description": description})
}

#[cfg(test)]
mod tests;
