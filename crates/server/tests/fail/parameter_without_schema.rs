use anyport_server::tool;

#[derive(serde::Deserialize)]
struct Day(u8);

#[tool]
async fn weather(city: String, day: Option<Day>) -> String {
    format!("{city} {:?}", day.map(|day| day.0))
}

fn main() {}
