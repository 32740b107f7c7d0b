use indexmap::IndexMap;

use crate::{
    client_login::ClientLogin,
    references::{Part, parts},
};

/// A server as a configuration describes it.
///
/// Its texts are not expanded: a variable of the environment stands in them as `${NAME}`, `${NAME:-default}` or
/// `${env:NAME}`, whichever way the client of the file writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// How to reach it.
    pub endpoint: Endpoint,
    /// Whether its client does not use it.
    pub disabled: bool,
    /// What the entry of a client says of the login to it.
    pub login: Option<Box<ClientLogin>>,
}

/// How a configured server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A program, on its standard input and output.
    Command {
        /// The program.
        program: String,
        /// Its arguments.
        args: Vec<String>,
        /// Set in its environment.
        env: IndexMap<String, String>,
        /// A file of further variables.
        env_file: Option<String>,
        /// The folder it runs in.
        cwd: Option<String>,
    },
    /// A URL.
    Url {
        /// The URL, with its scheme.
        url: String,
        /// Sent with every request.
        headers: IndexMap<String, String>,
        /// Whether it speaks HTTP+SSE of 2024-11-05 only. Clients that cannot find out need to be told.
        sse: bool,
    },
}

impl From<Endpoint> for ServerConfig {
    fn from(endpoint: Endpoint) -> Self {
        Self { endpoint, disabled: false, login: None }
    }
}

impl ServerConfig {
    /// The variables of the environment that its texts refer to.
    pub fn variables(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let gathered: Result<Self, std::convert::Infallible> = self.try_map(|_, text| {
            for part in parts(text) {
                if let Part::Variable { name, .. } = part
                    && !names.iter().any(|other| other == name)
                {
                    names.push(name.to_owned());
                }
            }
            Ok(text.to_owned())
        });
        drop(gathered);
        names
    }

    /// Applies `change` to the key and the text of every value that may hold a reference to a variable: to `args[0]` and its text,
    /// for example.
    ///
    /// # Errors
    /// The first error of `change`.
    pub fn try_map<E>(&self, mut change: impl FnMut(&str, &str) -> Result<String, E>) -> Result<Self, E> {
        let endpoint = match &self.endpoint {
            Endpoint::Command { program, args, env, env_file, cwd } => {
                let program = change("command", program)?;
                let words = args.iter().enumerate();
                let args =
                    words.map(|(at, word)| change(&format!("args[{at}]"), word)).collect::<Result<_, _>>()?;
                Endpoint::Command {
                    program,
                    args,
                    env: changed("env", env, &mut change)?,
                    env_file: env_file.as_deref().map(|file| change("envFile", file)).transpose()?,
                    cwd: cwd.as_deref().map(|folder| change("cwd", folder)).transpose()?,
                }
            }
            Endpoint::Url { url, headers, sse } => Endpoint::Url {
                url: change("url", url)?,
                headers: changed("headers", headers, &mut change)?,
                sse: *sse,
            },
        };
        Ok(Self { endpoint, disabled: self.disabled, login: self.login.clone() })
    }
}

fn changed<E>(
    key: &str,
    texts: &IndexMap<String, String>,
    change: &mut impl FnMut(&str, &str) -> Result<String, E>,
) -> Result<IndexMap<String, String>, E> {
    texts.iter().map(|(name, text)| Ok((name.clone(), change(&format!("{key}.{name}"), text)?))).collect()
}
