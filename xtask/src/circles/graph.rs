//! Circles in a graph.

use std::collections::BTreeSet;

/// The sets of two nodes or more, of `count`, that all reach each other by `edges`. The largest comes first.
pub(super) fn circles(count: usize, edges: impl Iterator<Item = (usize, usize)>) -> Vec<Vec<usize>> {
    let mut next = vec![Vec::new(); count];
    for (from, to) in edges {
        next[from].push(to);
    }
    let reached: Vec<BTreeSet<usize>> = (0..count).map(|node| reached(node, &next)).collect();
    let mut circles: Vec<Vec<usize>> = (0..count)
        .map(|node| reached[node].iter().copied().filter(|&other| reached[other].contains(&node)).collect())
        .filter(|circle: &Vec<usize>| circle.len() > 1)
        .collect();
    // Each node of a circle has found the same one.
    circles.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    circles.dedup();
    circles
}

/// The nodes that can be reached from `node`, which is one of them only if there is a way back.
fn reached(node: usize, next: &[Vec<usize>]) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = next[node].clone();
    while let Some(other) = open.pop() {
        if reached.insert(other) {
            open.extend(&next[other]);
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_reach_each_other_are_a_circle() {
        let edges = [(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 5), (5, 4), (6, 6), (7, 0)];
        assert_eq!(circles(8, edges.into_iter()), [vec![0, 1, 2], vec![4, 5]]);
        assert_eq!(circles(3, [(0, 1), (1, 2)].into_iter()), [[0; 0]; 0]);
    }
}
