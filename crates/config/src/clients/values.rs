//! Texts in the syntax of a client.

use serde_json::{Map, Value};

use crate::{
    references::{Part, Syntax, parts},
    variables::{Surroundings, Unexpanded, expand},
};

/// Why a server cannot be written for a client.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWritable {
    /// The client has no word for it. A bridge, which is a program with arguments, can be written for every client.
    #[error("{client} {lacks}")]
    Unsupported {
        /// The client.
        client: &'static str,
        /// What it lacks.
        lacks: &'static str,
    },
    /// A variable must be written out, and cannot be.
    #[error(transparent)]
    Variable(#[from] Unexpanded),
}

/// Texts in the syntax of a client, and what had to be written out for it.
#[derive(Debug)]
pub(crate) struct Values<'a> {
    pub(crate) surroundings: &'a Surroundings,
    pub(crate) syntax: Syntax,
    /// The variables whose values were written, since the client expands none.
    pub(crate) written_out: Vec<String>,
}

impl Values<'_> {
    /// `text` in the client's syntax.
    ///
    /// # Errors
    /// When a variable must be written out, and is not set.
    pub(crate) fn text(&mut self, text: &str) -> Result<String, Unexpanded> {
        self.text_as(text, self.syntax)
    }

    /// The same, in another syntax.
    pub(crate) fn text_as(&mut self, text: &str, syntax: Syntax) -> Result<String, Unexpanded> {
        if syntax == Syntax::Any {
            return Ok(text.to_owned());
        }
        let mut out = String::with_capacity(text.len());
        for part in parts(text) {
            match part {
                Part::Text(text) if syntax == Syntax::Env => out.push_str(text),
                Part::Text(text) => out.push_str(&self.value_of(text)?),
                Part::Variable { written, name, default } => match (syntax, default) {
                    (Syntax::Shell, Some(_)) => out.push_str(written),
                    (Syntax::Shell, None) => out.push_str(&format!("${{{name}}}")),
                    (Syntax::Env, None) => out.push_str(&format!("${{env:{name}}}")),
                    (Syntax::Braces, None) => out.push_str(&format!("{{env:{name}}}")),
                    _ => {
                        // `${env:NAME}` may be unset where its client reads it; written out, it would be lost.
                        let strict =
                            if default.is_some() { written.to_owned() } else { format!("${{{name}}}") };
                        out.push_str(&self.value_of(&strict)?);
                        if !self.written_out.iter().any(|other| other == name) {
                            self.written_out.push(name.to_owned());
                        }
                    }
                },
            }
        }
        Ok(out)
    }

    fn value_of(&self, text: &str) -> Result<String, Unexpanded> {
        expand(text, self.surroundings, &self.surroundings.cwd)
    }

    /// An object of texts.
    pub(crate) fn map<'t>(
        &mut self,
        texts: impl IntoIterator<Item = (&'t String, &'t String)>,
    ) -> Result<Map<String, Value>, Unexpanded> {
        texts.into_iter().map(|(name, text)| Ok((name.clone(), self.text(text)?.into()))).collect()
    }

    /// A list of texts.
    pub(crate) fn list(&mut self, texts: &[String]) -> Result<Vec<String>, Unexpanded> {
        texts.iter().map(|text| self.text(text)).collect()
    }
}
