use super::parse::Variables;

/// The values that were found.
pub(super) struct Found {
    values: Vec<Vec<String>>,
    /// The variable, its beginning, and how long that is at most.
    prefixes: Vec<(usize, String, usize)>,
}

impl Found {
    pub(super) fn new(variables: usize) -> Self {
        Self { values: vec![Vec::new(); variables], prefixes: Vec::new() }
    }

    pub(super) fn whole(&mut self, variable: usize, text: String) {
        self.values[variable] = vec![text];
    }

    pub(super) fn item(&mut self, variable: usize, text: String) {
        self.values[variable].push(text);
    }

    pub(super) fn prefix(&mut self, variable: usize, text: String, most: usize) -> Option<()> {
        let fits = text.chars().count() <= most;
        fits.then(|| self.prefixes.push((variable, text, most)))
    }

    /// The values, if beginnings and wholes agree.
    pub(super) fn finish(mut self, variables: &Variables) -> Option<Vec<Vec<String>>> {
        for (variable, prefix, most) in self.prefixes {
            match &mut *self.values[variable] {
                [] if variables[variable].is_whole => return None,
                [] => self.values[variable] = vec![prefix],
                [whole, ..] => {
                    let begins = whole.chars().take(most).eq(prefix.chars());
                    begins.then_some(())?;
                }
            }
        }
        Some(self.values)
    }
}
