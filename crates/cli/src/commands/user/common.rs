//! What the commands on users have in common: where users are, how one is shown, and how what they are signed in to ends.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Read as _},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use anyport_auth::{
    Secret, SignInOptions,
    authorization_server::{EndedSessions, LocalUser, LocalUserError, LocalUserRecords, UserSessions},
    caller_subject,
};
use anyport_store::Store;
use anyport_transport::client::http::Endpoint;
use inquire::{Password, PasswordDisplayMode};
use serde_json::{Value, json};

pub(super) use crate::commands::stored::Common;
use crate::{
    commands::{key::time, stored::Stored},
    render::safe,
    sign_in,
    target::Surroundings,
    user_error::UserError,
};

/// The users of a state folder, and what they are signed in to.
pub(super) struct Users {
    pub(super) users: LocalUserRecords,
    sessions: UserSessions,
    store: Arc<dyn Store>,
}

/// What a user was signed in to.
pub(super) struct Ended {
    sessions: EndedSessions,
    /// The logins at servers behind a gateway.
    logins: usize,
    /// The number of those whose tokens the authorization server could not take back.
    unrevoked: usize,
}

/// The longest line that is read as a password.
const LONGEST: u64 = 64 << 10;

/// The users of a state folder.
///
/// # Errors
/// When there is no state folder.
pub(super) fn stored(common: &Common) -> Result<Stored<Users>> {
    common.stored("the users cannot be read", |store| Users {
        users: LocalUserRecords::new(store.clone()),
        sessions: UserSessions::new(store.clone()),
        store,
    })
}

/// A user as a value, without the password.
pub(super) fn value(user: &LocalUser) -> Value {
    json!({
        "name": user.name,
        "subject": user.subject,
        "scopes": user.scopes,
        "created": time(user.created),
    })
}

/// There is no such user.
pub(super) fn unknown() -> anyhow::Error {
    UserError::failed("there is no user of this name", "`anyport user list` lists the users")
}

/// The password of the user `name`: asked for twice at a terminal, else the first line of standard input. It is never an argument: others
/// see those in the list of processes.
///
/// # Errors
/// When it cannot be read.
pub(super) fn password(name: &str) -> Result<Secret> {
    if io::stdin().is_terminal() {
        let prompt = format!("Password of {}:", safe::line(name));
        let asked = Password::new(&prompt)
            .with_display_mode(PasswordDisplayMode::Hidden)
            .with_custom_confirmation_message("Once more:")
            .with_custom_confirmation_error_message("the two are not the same");
        return Ok(Secret::new(asked.prompt().context("the password was not read")?));
    }
    let mut line = String::new();
    let mut input = io::stdin().lock().take(LONGEST);
    input.read_line(&mut line).context("the password cannot be read from standard input")?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}

/// Why a user is not stored, and what to do.
pub(super) fn explain(error: LocalUserError) -> anyhow::Error {
    let problem = error.to_string();
    match error {
        LocalUserError::Name => UserError::usage(problem, "choose another name"),
        LocalUserError::Password { .. } => {
            UserError::usage(problem, "type it at the prompt, or give it as the first line of standard input")
        }
        LocalUserError::Exists => UserError::usage(
            problem,
            "`anyport user password NAME` gives that one another password, `anyport user remove NAME` removes it",
        ),
        _ => UserError::failed(problem, "anyport store check says what is wrong with the store"),
    }
}

/// Signs `user` out of every browser, and ends what applications may do in the name of the user.
///
/// # Errors
/// If the store fails.
pub(super) fn end_sessions(users: &Stored<Users>, user: &LocalUser) -> Result<EndedSessions> {
    users.wait(users.records.sessions.end(&user.subject))
}

/// The same, and ends the logins of `user` at the servers behind a gateway: their tokens are taken back, and forgotten.
///
/// # Errors
/// If the store fails.
pub(super) fn end_all(common: &Common, users: &Stored<Users>, user: &LocalUser) -> Result<Ended> {
    let sessions = end_sessions(users, user)?;
    let vault = sign_in::known_vault_in(&common.state()?, users.records.store.clone());
    let Some(vault) = vault else { return Ok(Ended { sessions, logins: 0, unrevoked: 0 }) };
    let of_user = users.wait(vault.list())?.into_iter();
    let of_user = of_user.filter(|one| caller_subject(&one.account) == Some(&user.subject));
    let (mut logins, mut unrevoked) = (0, 0);
    for credential in of_user {
        let endpoint = Endpoint::new(&credential.server).context("the URL of a login is none")?;
        let (account, options) = (&*credential.account, SignInOptions::default());
        let surroundings = Surroundings::here();
        let sign_in = sign_in::of_server(&endpoint, account, vault.clone(), options, &surroundings);
        let ended = users.wait(async { sign_in?.log_out().await })?;
        logins += usize::from(ended.is_some());
        unrevoked += usize::from(matches!(ended, Some((_, Ok(false) | Err(_)))));
    }
    Ok(Ended { sessions, logins, unrevoked })
}

impl Ended {
    /// It as a value.
    pub(super) fn value(&self) -> Value {
        let EndedSessions { browsers, grants, .. } = self.sessions;
        json!({ "browsers": browsers, "grants": grants, "logins": self.logins, "unrevoked": self.unrevoked })
    }

    /// It in words, in lines of their own; nothing, if there was nothing to end.
    pub(super) fn text(&self) -> String {
        let mut text = sessions_text(self.sessions, Some(self.logins));
        if self.unrevoked > 0 {
            text.push_str(&format!(
                "{} of these logins could not be taken back: their tokens are forgotten here, and valid at the servers until they end\n",
                self.unrevoked
            ));
        }
        text
    }
}

/// What was ended, in a line; nothing, if there was nothing to end.
pub(super) fn sessions_text(ended: EndedSessions, logins: Option<usize>) -> String {
    let EndedSessions { browsers, grants, .. } = ended;
    if browsers + grants + logins.unwrap_or_default() == 0 {
        return String::new();
    }
    let logins = logins.map_or(String::new(), |logins| format!(", logins at servers: {logins}"));
    format!("ended: sessions of browsers: {browsers}, grants of applications: {grants}{logins}\n")
}
