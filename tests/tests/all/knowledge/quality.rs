//! How good the results of a list of queries are.

use std::fmt;

use anyport_knowledge::{
    Knowledge,
    answers::{SearchArguments, SearchHit},
};

/// A query, and the paths of the documents that answer it, each as good as the others.
pub(super) type Query<'a> = (&'a str, &'a [&'a str]);

/// The number of hits that a person or a model looks at.
const LOOKED_AT: usize = 3;

/// The ranks of the documents that answer some queries.
pub(super) struct Quality {
    ranks: Vec<Option<usize>>,
    /// A line for each query whose answer is not the first hit.
    not_first: Vec<String>,
}

impl Quality {
    /// Searches for each query.
    pub(super) fn measure<'a>(knowledge: &Knowledge, queries: impl IntoIterator<Item = Query<'a>>) -> Self {
        let mut quality = Self { ranks: Vec::new(), not_first: Vec::new() };
        for (query, meant) in queries {
            let search = SearchArguments { query: query.to_owned(), ..SearchArguments::default() };
            let hits = knowledge.find(search).unwrap().hits;
            let rank = rank(&hits, meant);
            if rank != Some(1) {
                let paths: Vec<_> = hits.iter().take(LOOKED_AT).map(|hit| &hit.path).collect();
                quality.not_first.push(format!("{query}: {meant:?} is at {rank:?}, after {paths:?}"));
            }
            quality.ranks.push(rank);
        }
        quality
    }

    /// How many queries have the answer as the first hit.
    pub(super) fn first(&self) -> usize {
        self.within(1)
    }

    /// How many queries have the answer among the first three hits.
    pub(super) fn first_three(&self) -> usize {
        self.within(LOOKED_AT)
    }

    /// The mean reciprocal rank, in thousandths; among ten hits.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(super) fn mean_reciprocal_rank(&self) -> usize {
        let sum: f64 = self.ranks.iter().flatten().map(|rank| 1.0 / *rank as f64).sum();
        (1_000.0 * sum / self.ranks.len() as f64) as usize
    }

    fn within(&self, hits: usize) -> usize {
        self.ranks.iter().flatten().filter(|rank| **rank <= hits).count()
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "of {} queries {} first, {} among the first three, mean reciprocal rank 0.{:03}",
            self.ranks.len(),
            self.first(),
            self.first_three(),
            self.mean_reciprocal_rank()
        )?;
        self.not_first.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// The rank of the first answer among the hits, from 1. A copy of an answer is as good.
fn rank(hits: &[SearchHit], meant: &[&str]) -> Option<usize> {
    let is_meant = |path: &str| meant.contains(&path);
    let hit = |hit: &SearchHit| is_meant(&hit.path) || hit.copies.iter().any(|path| is_meant(path));
    hits.iter().position(hit).map(|at| at + 1)
}
