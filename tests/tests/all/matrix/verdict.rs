use std::{borrow::Cow, fmt};

use anyport_testing::{Answer, Lost as Nothing, Refusal};
use serde_json::Value;

/// What became of something on its way between two revisions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    /// It arrived as it was sent, in the words of the other revision.
    Carried,
    /// It arrived in another form, which is documented; this says how.
    Lowered(Cow<'static, str>),
    /// It did not arrive, and somebody was told so; this says who, and with which error.
    Refused(Cow<'static, str>),
    /// It did not arrive and nobody was told, or not what arrived was sent. Never right.
    Lost(String),
}

pub(crate) use Verdict::{Carried, Lost, Lowered, Refused};

/// What a cell was measured to be.
pub(crate) type Measured = Result<Verdict, Nothing>;

pub(crate) fn lowered(how: &'static str) -> Verdict {
    Lowered(how.into())
}

pub(crate) fn refused(how: &'static str) -> Verdict {
    Refused(how.into())
}

/// Whether what arrived is what was sent; else both, for whoever reads the failure.
pub(crate) fn same(arrived: &Value, sent: &Value) -> Verdict {
    if arrived == sent { Carried } else { Lost(format!("{arrived} came of {sent}")) }
}

/// The first of several verdicts that is not [`Carried`].
pub(crate) fn all(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    verdicts.into_iter().find(|verdict| *verdict != Carried).unwrap_or(Carried)
}

/// Neither the right result, nor any that is documented.
pub(crate) fn lost(answer: &Answer) -> Verdict {
    Lost(match &answer.outcome {
        Ok(result) => format!("the result {result}, asked {:?}", answer.questions),
        Err(Refusal { code, message, data }) => format!("the error {code} {message:?} {data}"),
    })
}

/// An error in the words of the page: its code, and the reason in its data if there is one.
pub(crate) fn error(answer: &Answer) -> Option<Verdict> {
    let Err(Refusal { code, data, .. }) = &answer.outcome else { return None };
    let reason = data["reason"].as_str().map(|reason| format!(" `{reason}`")).unwrap_or_default();
    Some(Refused(format!("{code}{reason}").into()))
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Carried => f.write_str("carried"),
            Lowered(how) => write!(f, "lowered: {how}"),
            Refused(how) => write!(f, "refused: {how}"),
            Lost(what) => write!(f, "LOST: {what}"),
        }
    }
}
