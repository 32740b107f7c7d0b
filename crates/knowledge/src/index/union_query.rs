//! Documents that match one of several queries, checked per candidate.

use tantivy::{
    DocId, DocSet, Score, SegmentReader, TERMINATED, TantivyError,
    query::{EnableScoring, Explanation, Query, Scorer, Weight},
};

/// Documents that any of several queries finds; the scores of those that do add up.
///
/// The engine's own union reads and weighs all that it has of some thousand documents at once. That is the quickest way to
/// see them all, and a slow one to ask after the few that a rarer word has. This one looks at these only.
#[derive(Debug)]
pub(super) struct UnionQuery(Vec<Box<dyn Query>>);

impl UnionQuery {
    /// One of these.
    pub(super) fn of(any: Vec<Box<dyn Query>>) -> Self {
        Self(any)
    }
}

impl Clone for UnionQuery {
    fn clone(&self) -> Self {
        Self(self.0.iter().map(|query| query.box_clone()).collect())
    }
}

impl Query for UnionQuery {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let each = self.0.iter().map(|query| query.weight(scoring)).collect::<Result<_, _>>()?;
        Ok(Box::new(UnionWeight(each)))
    }
}

struct UnionWeight(Vec<Box<dyn Weight>>);

impl Weight for UnionWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let mut each = Vec::with_capacity(self.0.len());
        for weight in &self.0 {
            let scorer = weight.scorer(reader, boost)?;
            if scorer.doc() != TERMINATED {
                each.push((scorer.doc(), scorer));
            }
        }
        let mut union = UnionScorer { each, doc: TERMINATED };
        union.settle();
        Ok(Box::new(union))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(reader, 1.0)?;
        if scorer.doc() > doc || scorer.seek(doc) != doc {
            return Err(TantivyError::InvalidArgument(format!("document #{doc} does not match")));
        }
        Ok(Explanation::new("what it has of several", scorer.score()))
    }
}

struct UnionScorer {
    /// Each with the document where it stands; those that have no more are gone.
    each: Vec<(DocId, Box<dyn Scorer>)>,
    /// The first of these documents.
    doc: DocId,
}

impl UnionScorer {
    /// Finds the first document where one stands.
    fn settle(&mut self) -> DocId {
        self.doc = self.each.iter().map(|(doc, _)| *doc).min().unwrap_or(TERMINATED);
        self.doc
    }
}

impl DocSet for UnionScorer {
    fn advance(&mut self) -> DocId {
        self.each.retain_mut(|(doc, scorer)| {
            if *doc == self.doc {
                *doc = scorer.advance();
            }
            *doc != TERMINATED
        });
        self.settle()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if self.doc >= target {
            return self.doc;
        }
        self.each.retain_mut(|(doc, scorer)| {
            if *doc < target {
                *doc = scorer.seek(target);
            }
            *doc != TERMINATED
        });
        self.settle()
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        self.each.iter().map(|(_, scorer)| scorer.size_hint()).fold(0, u32::saturating_add)
    }

    fn cost(&self) -> u64 {
        self.each.iter().map(|(_, scorer)| scorer.cost()).sum()
    }
}

impl Scorer for UnionScorer {
    fn score(&mut self) -> Score {
        let here = self.each.iter_mut().filter(|(doc, _)| *doc == self.doc);
        here.map(|(_, scorer)| scorer.score()).sum()
    }
}

#[cfg(test)]
mod tests {
    use tantivy::{
        Index, IndexWriter, TantivyDocument, Term,
        query::{BooleanQuery, TermQuery},
        schema::{IndexRecordOption, Schema, TEXT},
    };

    use super::*;

    /// All results of a scorer that is only checked at every `step`th document, each with its score.
    fn found(query: &dyn Query, searcher: &tantivy::Searcher, step: u32) -> Vec<(DocId, Score)> {
        let weight = query.weight(EnableScoring::enabled_from_searcher(searcher)).unwrap();
        let mut scorer = weight.scorer(searcher.segment_reader(0), 1.0).unwrap();
        let mut found = Vec::new();
        while scorer.doc() != TERMINATED {
            let doc = scorer.doc();
            found.push((doc, scorer.score()));
            if step == 1 {
                scorer.advance()
            } else {
                scorer.seek(doc + step)
            };
        }
        found
    }

    #[test]
    fn it_finds_and_weighs_what_a_union_does() {
        let mut schema = Schema::builder();
        let text = schema.add_text_field("text", TEXT);
        let index = Index::create_in_ram(schema.build());
        let mut writer: IndexWriter = index.writer_with_num_threads(1, 15 << 20).unwrap();
        for number in 0..1_000 {
            let mut document = TantivyDocument::new();
            let words = [(3, "three"), (7, "seven"), (50, "fifty")].iter();
            let words: Vec<_> = words.filter(|(of, _)| number % of == 0).map(|(_, word)| *word).collect();
            document.add_text(text, words.join(" "));
            writer.add_document(document).unwrap();
        }
        writer.commit().unwrap();
        let searcher = index.reader().unwrap().searcher();
        let each = ["three", "seven", "fifty", "never"].map(|word| -> Box<dyn Query> {
            Box::new(TermQuery::new(Term::from_field_text(text, word), IndexRecordOption::WithFreqs))
        });
        let sparse = UnionQuery::of(each.iter().map(|query| query.box_clone()).collect());
        let union = BooleanQuery::union(each.into());
        for step in [1, 2, 60, 333] {
            let (ours, theirs) = (found(&sparse, &searcher, step), found(&union, &searcher, step));
            assert!(ours.len() > 2);
            assert_eq!(ours.len(), theirs.len());
            for ((doc, score), (other_doc, other_score)) in ours.into_iter().zip(theirs) {
                assert_eq!(doc, other_doc);
                assert!((score - other_score).abs() < 1e-5, "{doc}: {score} {other_score}");
            }
        }
    }
}
