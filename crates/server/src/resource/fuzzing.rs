//! URI templates, for the fuzz targets in `fuzz/`: no part of the interface.

use super::template::UriTemplate;

/// A URI template that reads URIs.
#[derive(Debug)]
pub struct TemplateReader(UriTemplate);

impl TemplateReader {
    /// Reads a template; `None` if a server with it is not built.
    pub fn parse(template: &str) -> Option<Self> {
        UriTemplate::parse(template).ok().map(Self)
    }

    /// The name of each variable, and whether it is a list.
    pub fn variables(&self) -> Vec<(String, bool)> {
        self.0.variables().map(|variable| (variable.name.to_owned(), variable.is_list)).collect()
    }

    /// The values of the variables in `uri`, if the template could have made it; and how often a character was looked at.
    pub fn read(&self, uri: &str) -> (Option<Vec<(String, String)>>, usize) {
        let mut steps = 0;
        (self.0.read_counting(uri, &mut steps), steps)
    }
}
