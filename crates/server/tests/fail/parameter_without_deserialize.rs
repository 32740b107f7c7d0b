use anyport_server::tool;

struct Day(u8);

#[tool]
async fn weather(city: String, day: Day) -> String {
    format!("{city} {}", day.0)
}

fn main() {}
