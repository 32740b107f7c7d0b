//! A tool that asks the user before it answers.
//!
//! Clients differ in how they are asked: older ones get a request while the call is open, those of the newest revision
//! get the questions as a result and call again with the answers. A handler is written once for both, as if
//! [`Context::ask`] just waited for the answer.
//!
//! What really happens is that the handler ends at an `ask` that has no answer yet, and runs again from its top when the
//! answers are there. So code before an `ask` may run several times; what must not is shown in the example `once`.

use std::{error::Error, future::pending};

use anyport::{
    Context, Server, Tool, live,
    server::{Elicited, Form, NoArguments},
    stdio,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// A form: its fields are primitive, and their doc comments are what the user reads beside them.
#[derive(Deserialize, JsonSchema)]
struct Booking {
    /// Where to
    city: String,
    /// How many nights
    #[schemars(range(min = 1, max = 30))]
    nights: u32,
    room: Room,
    /// Anything else?
    wishes: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
enum Room {
    Single,
    Double,
}

#[derive(Deserialize, JsonSchema)]
struct Confirmation {
    /// Book it
    sure: bool,
}

async fn book(_: NoArguments, context: Context) -> String {
    let form = Form::<Booking>::new("Where shall it go?");
    // Not every client can ask its user. An `ask` that it cannot answer ends the call with an error that says so; who
    // has something better to offer looks first.
    if !context.can_ask(&form) {
        return "Please call me from a client that can show forms.".to_owned();
    }
    // "trip" is the name of this question within the call. An answer that does not fit the form never arrives here: the
    // user is asked again.
    let booking = match context.ask("trip", form).await {
        Elicited::Accepted(booking) => booking,
        Elicited::Declined => return "As you wish: no trip.".to_owned(),
        Elicited::Cancelled => return "Let us talk about the trip another time.".to_owned(),
    };
    let Booking { city, nights, room, wishes } = booking;
    // A second round. `tokio::join!` of several `ask`s would put them all at once.
    let question = Form::<Confirmation>::new(format!("{nights} nights in {city}: shall I book?"));
    match context.ask("sure", question).await.accepted() {
        Some(Confirmation { sure: true }) => {
            let wishes = wishes.map(|wishes| format!(" ({wishes})")).unwrap_or_default();
            format!("Booked: {nights} nights in {city}, {room:?}{wishes}")
        }
        _ => "Nothing is booked.".to_owned(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let book = Tool::new("book").description("Books a trip, with the user's help.").run(book);
    let server = Server::builder("ask_the_user", "1.0.0").tool(book).build()?;
    // Without `live`, only clients of the newest revision could be asked.
    stdio::serve(live(server), stdio::Config::default(), pending()).await?;
    Ok(())
}
