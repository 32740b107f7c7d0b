use std::marker::PhantomData;

use anyport_protocol::Error;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Context, Failure, Form, State};

/// A type to ask what it can do.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<fn() -> T>);

impl<T> Probe<T> {
    pub const OF: Self = Self(PhantomData);

    pub fn of(_: &T) -> Self {
        Self::OF
    }
}

/// A form that a function declares that it asks: `#[tool(asks = T)]`.
pub fn form<T: DeserializeOwned + JsonSchema>() -> Form<T> {
    Form::new(String::new())
}

impl Context {
    /// The state that a macro's function takes.
    ///
    /// # Errors
    /// A server without it is not built, so that this is a fault of ours.
    #[doc(hidden)]
    pub fn demand<T: 'static>(&self) -> Result<State<T>, Failure> {
        let name = std::any::type_name::<T>();
        self.state().ok_or_else(|| Failure(Error::internal(format!("the server lacks the state `{name}`"))))
    }
}
