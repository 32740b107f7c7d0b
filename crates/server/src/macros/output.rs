//! What a function returns, made into what a tool, a resource or a prompt returns.

use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::Serialize;

use super::probe::Probe;
use crate::{IntoContents, IntoMessages, IntoToolResult, Json, ToolResult};

/// Says that a type is no result of a tool. No type has it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a tool",
    label = "this tool returns `{Self}`",
    note = "to return it as structured content, derive `serde::Serialize` and `schemars::JsonSchema` for `{Self}`",
    note = "or return text, a `ContentBlock` or a list of them, a `ToolResult`, `()`, or a `Result` of one of these"
)]
pub trait Output {}

/// Says that a type is no error of a tool. No type has it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a tool",
    label = "this tool fails with `{Self}`, which has no words",
    note = "an `Err` is told to the model in the words of its `Display`: implement `Display` for `{Self}`",
    note = "or return another error: text, `anyhow::Error`, or a `Failure`, which is a protocol error"
)]
pub trait Fault {}

#[diagnostic::do_not_recommend]
impl Output for super::arguments::Nothing {}
#[diagnostic::do_not_recommend]
impl Fault for super::arguments::Nothing {}

/// What a function returned, without the `Result` around it.
#[derive(Debug)]
pub struct Plain<T>(PhantomData<fn() -> T>);

/// A `Result` that a function returned.
#[derive(Debug)]
pub struct Fallible<T, E>(PhantomData<fn() -> (T, E)>);

pub trait ProbeFallible<T, E> {
    fn layer(&self) -> Fallible<T, E> {
        Fallible(PhantomData)
    }
}

pub trait ProbePlain<T> {
    fn layer(&self) -> Plain<T> {
        Plain(PhantomData)
    }
}

impl<T, E> ProbeFallible<T, E> for &Probe<Result<T, E>> {}
impl<T> ProbePlain<T> for Probe<T> {}

impl<T> Plain<T> {
    pub fn output(&self) -> Probe<T> {
        Probe::OF
    }

    pub fn fault(&self) -> Probe<String> {
        Probe::OF
    }

    pub fn finish<S: Shape<T>, F>(&self, value: T, _: S, _: F) -> S::Result {
        S::shape(value)
    }
}

impl<T, E> Fallible<T, E> {
    pub fn output(&self) -> Probe<T> {
        Probe::OF
    }

    pub fn fault(&self) -> Probe<E> {
        Probe::OF
    }

    pub fn finish<S: Shape<T>, F: Tell<E>>(
        &self,
        value: Result<T, E>,
        _: S,
        _: F,
    ) -> Result<S::Result, F::Error> {
        value.map(S::shape).map_err(F::tell)
    }
}

/// How a value becomes a result.
pub trait Shape<T> {
    type Result;

    fn shape(value: T) -> Self::Result;
}

/// A result as it is.
#[derive(Debug)]
pub struct AsItIs;

/// A value that becomes structured content.
#[derive(Debug)]
pub struct Structured;

/// No result.
#[derive(Debug)]
pub struct NoResult<T>(PhantomData<fn() -> T>);

pub trait ProbeAsItIs {
    fn shape(&self) -> AsItIs {
        AsItIs
    }
}

pub trait ProbeStructured {
    fn shape(&self) -> Structured {
        Structured
    }
}

pub trait ProbeNoResult<T> {
    fn shape(&self) -> NoResult<T> {
        NoResult(PhantomData)
    }
}

impl<T: IntoToolResult> ProbeAsItIs for &&Probe<T> {}
impl<T: Serialize + JsonSchema> ProbeStructured for &Probe<T> {}
impl<T> ProbeNoResult<T> for Probe<T> {}

impl AsItIs {
    pub fn checked(self) -> Self {
        self
    }
}

impl Structured {
    pub fn checked(self) -> Self {
        self
    }
}

impl<T> NoResult<T> {
    pub fn checked(self) -> Self
    where
        T: Output,
    {
        self
    }
}

impl<T> Shape<T> for AsItIs {
    type Result = T;

    fn shape(value: T) -> T {
        value
    }
}

impl<T> Shape<T> for Structured {
    type Result = Json<T>;

    fn shape(value: T) -> Json<T> {
        Json(value)
    }
}

impl<T> Shape<T> for NoResult<T> {
    type Result = ToolResult;

    fn shape(_: T) -> ToolResult {
        ToolResult::error("it is no result")
    }
}

/// How an error is told.
pub trait Tell<E> {
    type Error;

    fn tell(error: E) -> Self::Error;
}

/// An error that tools have.
#[derive(Debug)]
pub struct Displayed;

/// An error that nobody can tell.
#[derive(Debug)]
pub struct NotDisplayed<E>(PhantomData<fn() -> E>);

pub trait ProbeReported {
    fn telling(&self) -> Displayed {
        Displayed
    }
}

pub trait ProbeUnreported<E> {
    fn telling(&self) -> NotDisplayed<E> {
        NotDisplayed(PhantomData)
    }
}

impl<E> ProbeReported for &Probe<E> where Result<(), E>: IntoToolResult {}
impl<E> ProbeUnreported<E> for Probe<E> {}

impl Displayed {
    pub fn checked(self) -> Self {
        self
    }
}

impl<E> NotDisplayed<E> {
    pub fn checked(self) -> Self
    where
        E: Fault,
    {
        self
    }
}

impl<E> Tell<E> for Displayed {
    type Error = E;

    fn tell(error: E) -> E {
        error
    }
}

impl<E> Tell<E> for NotDisplayed<E> {
    type Error = &'static str;

    fn tell(_: E) -> &'static str {
        "it has no words"
    }
}

/// Says that a type is no contents of a resource. No type has it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the contents of a resource",
    label = "this resource returns `{Self}`",
    note = "return text, bytes (`Vec<u8>`), a `ResourceContents` or a list of them",
    note = "or an `Option` (`None`: no such resource) or a `Result` of one of these"
)]
pub trait Contents {}

/// Says that a type is no messages of a prompt. No type has it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the messages of a prompt",
    label = "this prompt returns `{Self}`",
    note = "return text (one message of the user's), `Messages`, a `PromptMessage` or a list of them",
    note = "or a `Result` of one of these"
)]
pub trait Messages {}

#[diagnostic::do_not_recommend]
impl Contents for super::arguments::Nothing {}
#[diagnostic::do_not_recommend]
impl Messages for super::arguments::Nothing {}

/// No contents.
#[derive(Debug)]
pub struct NoContents<T>(PhantomData<fn() -> T>);

/// No messages.
#[derive(Debug)]
pub struct NoMessages<T>(PhantomData<fn() -> T>);

pub trait ProbeContents {
    fn contents(&self) -> AsItIs {
        AsItIs
    }
}

pub trait ProbeNoContents<T> {
    fn contents(&self) -> NoContents<T> {
        NoContents(PhantomData)
    }
}

pub trait ProbeMessages {
    fn messages(&self) -> AsItIs {
        AsItIs
    }
}

pub trait ProbeNoMessages<T> {
    fn messages(&self) -> NoMessages<T> {
        NoMessages(PhantomData)
    }
}

impl<T: IntoContents> ProbeContents for &Probe<T> {}
impl<T> ProbeNoContents<T> for Probe<T> {}
impl<T: IntoMessages> ProbeMessages for &Probe<T> {}
impl<T> ProbeNoMessages<T> for Probe<T> {}

impl<T> NoContents<T> {
    pub fn checked(self) -> Self
    where
        T: Contents,
    {
        self
    }
}

impl<T> NoMessages<T> {
    pub fn checked(self) -> Self
    where
        T: Messages,
    {
        self
    }
}

impl<T> Shape<T> for NoContents<T> {
    type Result = &'static str;

    fn shape(_: T) -> &'static str {
        "it is no contents"
    }
}

impl<T> Shape<T> for NoMessages<T> {
    type Result = &'static str;

    fn shape(_: T) -> &'static str {
        "it is no messages"
    }
}

/// The value, shaped.
pub fn shaped<T, S: Shape<T>>(_: S, value: T) -> S::Result {
    S::shape(value)
}
