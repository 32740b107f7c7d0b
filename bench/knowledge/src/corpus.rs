//! Documents like those that people serve, as many as are wanted, the same in each run.
//!
//! Words are as frequent as in other texts (Zipf): the most frequent are real ones, in the order of their frequency in
//! this repository; the rest are made of them, a third of these as names in code are. So some words are in every
//! document, and each document has some that are in no other.

use anyport_knowledge::{Document, DocumentPath, FileTimes};

const REAL: &str = include_str!("../words.txt");
/// How many words there are, names included.
const WORDS: usize = 200_000;
/// Bytes of a document, about.
const BYTES: usize = 4_000;

const LANGUAGES: [&str; 8] = ["python", "rust", "go", "java", "typescript", "c", "csharp", "ruby"];
const DOMAINS: [&str; 6] = ["testing", "security", "architecture", "performance", "style", "errors"];

/// Every document, by its number.
#[derive(Debug)]
pub(crate) struct Corpus {
    /// By their rank, the most frequent first.
    words: Vec<String>,
}

impl Corpus {
    pub(crate) fn new() -> Self {
        let real: Vec<_> = REAL.lines().collect();
        Self { words: (0..WORDS).map(|rank| word(&real, rank)).collect() }
    }

    /// The document of this number as a file: its path and its text.
    pub(crate) fn file(&self, number: u64) -> (String, String) {
        let mut dice = Dice::new(number);
        let (language, domain) = (dice.pick(&LANGUAGES), dice.pick(&DOMAINS));
        let mut text = format!(
            "---\ntitle: {}\ntags: [{}, {domain}]\nlanguage: {language}\ndomain: {domain}\n---\n",
            self.words(&mut dice, 4, 50),
            self.rarer(&mut dice, 50),
        );
        while text.len() < BYTES {
            text += &format!("\n## {}\n", self.words(&mut dice, 3, 20));
            for _ in 0..3 {
                text += &format!("\n{}.\n", self.words(&mut dice, 40, 0));
            }
            text += &format!(
                "\n```\nlet {} = {}();\n```\n",
                self.rarer(&mut dice, 500),
                self.rarer(&mut dice, 500)
            );
        }
        (format!("{language}/{domain}/{number}.md"), text)
    }

    /// The same, read.
    pub(crate) fn document(&self, number: u64) -> anyhow::Result<(Document, String)> {
        let (path, text) = self.file(number);
        let (document, _) = Document::parse(DocumentPath::new(path)?, &text, FileTimes::default());
        let content = anyport_knowledge::front_matter::split(&text).content.to_owned();
        Ok((document, content))
    }

    /// So many words of at least some rank.
    fn words(&self, dice: &mut Dice, count: usize, rank: usize) -> String {
        let words: Vec<_> = (0..count).map(|_| self.rarer(dice, rank)).collect();
        words.join(" ")
    }

    fn rarer(&self, dice: &mut Dice, rank: usize) -> &str {
        loop {
            // Each word as frequent as its rank to the power of -1.1: so the first 2,000 words are four fifths of a text,
            // as they are in English. Solved for the rank.
            let drawn = dice.next() as f64 / u64::MAX as f64;
            let found = (1.0 - drawn * (1.0 - (WORDS as f64).powf(-0.1))).powi(-10) as usize - 1;
            if let Some(word) = self.words.get(found).filter(|_| found >= rank) {
                return word;
            }
        }
    }
}

/// The word of a rank: a real one, or one made of real ones.
fn word(real: &[&str], rank: usize) -> String {
    if let Some(real) = real.get(rank) {
        return (*real).to_owned();
    }
    let mut dice = Dice::new(rank as u64);
    let (a, b) = (dice.pick(real), dice.pick(real));
    match dice.next() % 9 {
        0 => format!("{a}_{b}"),
        1 => format!("{a}{}{}", b[..1].to_uppercase(), &b[1..]),
        2 => format!("{a}{}", dice.next() % 10_000),
        _ => format!("{a}{b}"),
    }
}

/// Numbers that look like chance (SplitMix64), and are the same for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_the_same_each_time_and_like_no_other() {
        let corpus = Corpus::new();
        assert_eq!(corpus.file(7), Corpus::new().file(7));
        assert_ne!(corpus.file(7).1, corpus.file(8).1);
        let (document, text) = corpus.document(7).unwrap();
        assert!((BYTES..2 * BYTES).contains(&text.len()), "{}", text.len());
        assert_eq!(document.tags.len(), 2);
        assert_eq!(document.title.split(' ').count(), 4);
    }
}
