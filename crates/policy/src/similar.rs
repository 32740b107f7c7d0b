/// Advice: the most similar of the names, or all of them.
pub(crate) fn similar<'a>(name: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    let near = names
        .clone()
        .max_by(|one, other| strsim::jaro_winkler(one, name).total_cmp(&strsim::jaro_winkler(other, name)));
    match near.filter(|near| strsim::jaro_winkler(near, name) > 0.8) {
        Some(near) => format!("; did you mean {near:?}?"),
        None => format!("; there are {}", names.collect::<Vec<_>>().join(", ")),
    }
}
