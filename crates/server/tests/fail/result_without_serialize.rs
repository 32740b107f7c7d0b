use anyport_server::tool;

struct Sum {
    value: i64,
}

#[tool]
async fn add(a: i64, b: i64) -> Sum {
    Sum { value: a + b }
}

#[tool]
async fn add_checked(a: i64, b: i64) -> Result<Sum, String> {
    Ok(Sum { value: a.checked_add(b).ok_or("too large")? })
}

fn main() {
    let _ = Sum { value: 1 }.value;
}
