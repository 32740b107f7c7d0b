//! State that a server's handlers share.

use std::{
    any::{Any, TypeId, type_name},
    fmt,
    ops::Deref,
    sync::Arc,
};

/// A value that handlers share: what was given to [`crate::Builder::state`]. Cheap to clone; every clone is the same value.
///
/// A function under `#[tool]`, `#[resource]` or `#[prompt]` takes it as a parameter; any other handler gets it from
/// [`crate::Context::state`].
///
/// ```
/// use anyport_server::{Context, NoArguments, Server, State, Tool};
///
/// struct Greetings(&'static str);
///
/// let greet = Tool::new("greet").needs::<Greetings>().run(async |_: NoArguments, context: Context| {
///     context.state().map(|greetings: State<Greetings>| greetings.0)
///         .unwrap_or_default()
/// });
/// let server = Server::builder("polite", "1.0.0").state(Greetings("Hello")).add(greet).build()?;
/// # let _ = server;
/// # Ok::<(), anyport_server::BuildError>(())
/// ```
pub struct State<T>(Arc<T>);

impl<T> State<T> {
    /// Shares `value`; to call a handler from a test.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }
}

/// A type of which the server must have a value.
#[derive(Clone, Copy, Debug)]
pub struct StateType {
    id: TypeId,
    name: &'static str,
}

/// A thing and what it needs.
#[derive(Debug)]
pub(crate) struct StateDependency {
    what: String,
    needs: Vec<StateType>,
}

impl StateDependency {
    /// The state that `what` needs: a tool, a resource, a template or a prompt, in the words of errors.
    pub(crate) fn new(what: String, needs: &[StateType]) -> Self {
        Self { what, needs: needs.to_vec() }
    }
}

impl StateType {
    /// The type `T`.
    pub(crate) fn of<T: 'static>() -> Self {
        Self { id: TypeId::of::<T>(), name: type_name::<T>() }
    }
}

/// The method `needs` of what a server offers.
macro_rules! needs_state {
    ($kind:ident) => {
        impl<H> $kind<H> {
            /// Declares that its function needs the state `T`. A server without one is not built, and cannot be given
            /// this later.
            #[must_use]
            pub fn needs<T: Send + Sync + 'static>(mut self) -> Self {
                self.needs.push($crate::state::StateType::of::<T>());
                self
            }
        }
    };
}

pub(crate) use needs_state;

/// The values of a server. There are few, so that looking at all of them is faster than hashing.
#[derive(Default)]
pub(crate) struct States(Vec<(StateType, Box<dyn Any + Send + Sync>)>);

impl States {
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.0.push((StateType::of::<T>(), Box::new(State::new(value))));
    }

    pub(crate) fn get<T: 'static>(&self) -> Option<State<T>> {
        let id = TypeId::of::<T>();
        let (_, value) = self.0.iter().find(|(need, _)| need.id == id)?;
        value.downcast_ref().cloned()
    }

    /// The faults of an entry that needs state: a sentence for each missing type.
    pub(crate) fn lacking(&self, StateDependency { what, needs }: &StateDependency) -> Vec<String> {
        let mut lacking: Vec<&StateType> = Vec::new();
        for need in needs {
            let mut known = self.0.iter().map(|(given, _)| given).chain(lacking.iter().copied());
            if !known.any(|known| known.id == need.id) {
                lacking.push(need);
            }
        }
        let words = |need: &&StateType| {
            let name = need.name;
            format!("{what}: it needs the state `{name}`: give the builder one, `.state(..)` with a `{name}`")
        };
        lacking.iter().map(words).collect()
    }

    /// The types of which two values were given.
    pub(crate) fn twice(&self) -> impl Iterator<Item = &'static str> {
        let is_second = |at: usize, id: TypeId| self.0[..at].iter().any(|(earlier, _)| earlier.id == id);
        let twice = self.0.iter().enumerate().filter(move |(at, (need, _))| is_second(*at, need.id));
        twice.map(|(_, (need, _))| need.name)
    }
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("State").field(&self.0).finish()
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(need, _)| need.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::{BuildError, Context, NoArguments, Prompt, Server, Tool};

    use super::*;

    struct Db;

    fn tool(name: &str) -> Tool {
        Tool::new(name).needs::<Db>().needs::<Db>().run(async |_: NoArguments, _: Context| ())
    }

    #[test]
    fn a_server_that_lacks_a_state_is_not_built_and_says_who_needs_what() {
        let prompt = Prompt::new("p").needs::<u8>().get(async |_: (), _: Context| "");
        let BuildError { problems, .. } =
            Server::builder("s", "1").add(tool("a")).add(tool("b")).add(prompt).build().unwrap_err();
        let db = type_name::<Db>();
        let needs = |what: &str, name: &str| {
            format!("{what}: it needs the state `{name}`: give the builder one, `.state(..)` with a `{name}`")
        };
        assert_eq!(problems, [needs("tool \"a\"", db), needs("tool \"b\"", db), needs("prompt \"p\"", "u8")]);
        let server = Server::builder("s", "1").state(Db).add(tool("a")).build().unwrap();
        let later = Tool::new("later").needs::<u8>().run(async |_: NoArguments, _: Context| ());
        assert_eq!(server.add(later).unwrap_err().problems, [needs("tool \"later\"", "u8")]);
        assert!(server.add(tool("b")).is_ok());
    }

    #[test]
    fn there_is_one_value_of_each_type() {
        let BuildError { problems, .. } =
            Server::builder("s", "1").state(Db).state(1).state(Db).build().unwrap_err();
        assert_eq!(problems, [format!("server: the state `{}` is given twice", type_name::<Db>())]);
    }
}
