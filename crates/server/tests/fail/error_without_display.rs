use anyport_server::tool;

#[derive(Debug)]
enum Refused {
    Late,
}

#[tool]
async fn book(seats: u8) -> Result<String, Refused> {
    if seats > 9 { Err(Refused::Late) } else { Ok("booked".to_owned()) }
}

fn main() {}
