//! Elicitation, sampling and roots: tools that ask the user, with a form or a page to open, and the client.
//!
//! ```sh
//! cargo run -p anyport-examples --bin ask_the_user
//! ```
//!
//! Write `context.ask("key", question).await` where the answer is needed. This works with every client that declares
//! the capability. There is one rule: **code before an `ask` may run several times.** A question may end the call for
//! now. When the client returns with the answer, the function runs again from its top, with the answers it has so far.
//! The example `once` shows side effects that must not happen twice.
//!
//! The key names the question within the call. It must be the same in every round.

use anyport::{
    Context, ServeError, Server,
    ask::{Elicited, Form},
    serve, tool,
    types::{CreateMessageRequest, ElicitAction, ElicitRequest, ListRootsRequest, SamplingMessage},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// A form: its fields are text, numbers, booleans and enums. The user reads their doc comments.
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
struct Consent {
    /// Book it
    sure: bool,
}

/// Books a trip, with the user's help.
#[tool]
async fn book(context: Context) -> String {
    let form = Form::new("Where shall it go?");
    // Not every client can show forms. An `ask` without the capability ends the call with an error that says so. A tool
    // with an alternative checks first.
    if !context.can_ask(&form) {
        return "Please call me from a client that can show forms.".to_owned();
    }
    // An answer that does not fit the form never arrives here: the user is asked again.
    let Booking { city, nights, room, wishes } = match context.ask("trip", form).await {
        Elicited::Accepted(booking) => booking,
        Elicited::Declined => return "As you wish: no trip.".to_owned(),
        Elicited::Cancelled => return "Let us talk about the trip another time.".to_owned(),
    };
    // The next question may depend on the last answer.
    let question = Form::new(format!("{nights} nights in {city}: shall I book?"));
    match context.ask("sure", question).await.accepted() {
        Some(Consent { sure: true }) => {
            let wishes = wishes.map(|wishes| format!(" ({wishes})")).unwrap_or_default();
            format!("Booked: {nights} nights in {city}, {room:?}{wishes}")
        }
        _ => "Nothing is booked.".to_owned(),
    }
}

/// Takes a payment.
// Passwords, cards and keys do not belong in a form, since the client would see them. The client receives a page to
// open instead. The user's consent to open the page does not mean that the payment was made.
#[tool]
async fn pay(context: Context) -> &'static str {
    let page = ElicitRequest::url("Please pay for your trip.", "https://pay.example/trip/7");
    match context.ask("payment", page).await.action {
        ElicitAction::Accept => "The page is open.",
        _ => "Not paid.",
    }
}

/// Writes a postcard.
// Two server requests at once: sampling with the client's model, and its roots. Several forms at once work in the same
// way.
#[tool]
async fn postcard(
    context: Context,
    /// Where from
    city: String,
) -> String {
    let wanted = SamplingMessage::user(format!("One sentence for a postcard from {city}."));
    let (said, folders) = tokio::join!(
        context.ask("sentence", CreateMessageRequest::new(vec![wanted], 100)),
        context.ask("folders", ListRootsRequest::default()),
    );
    let folder = folders.roots.first().map_or("nowhere", |root| root.uri.as_str());
    format!("{} Saved in {folder}.", said.content.text())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    let server = Server::builder("ask_the_user", "1.0.0").add(book).add(pay).add(postcard).build()?;
    serve(server).stdio().await
}
