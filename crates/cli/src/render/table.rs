//! Columns that fit the terminal.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::{Screen, safe};

/// Between two columns.
const GAP: usize = 2;

/// No column gets narrower than this.
const NARROWEST: usize = 8;

/// Rows under headings. Cells are made safe; where the terminal is too narrow, the widest columns are cut, which an
/// ellipsis shows.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>], screen: Screen) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| safe::line(cell)).collect()).collect();
    let widest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width());
        cells.max().unwrap_or(0).max(headings[column].width())
    };
    let mut widths: Vec<usize> = (0..headings.len()).map(widest).collect();
    if let Some(width) = screen.width {
        fit(&mut widths, width);
    }
    let mut out = String::new();
    let headings: Vec<String> = headings.iter().map(|&heading| heading.to_owned()).collect();
    line(&mut out, &headings, &widths, |cell| screen.faint(cell));
    for row in &rows {
        line(&mut out, row, &widths, str::to_owned);
    }
    out
}

/// Rows of which nothing is cut: a table where that fits the terminal, else each row as its first cell with the others on the line
/// below.
pub(crate) fn whole(headings: &[&str], rows: &[Vec<String>], screen: Screen) -> String {
    let all = table(headings, rows, Screen { width: None, colours: false });
    if screen.width.is_none_or(|width| all.lines().all(|line| line.width() <= width)) {
        return table(headings, rows, Screen { width: None, ..screen });
    }
    let row = |cells: &Vec<String>| {
        let mut cells = cells.iter().map(|cell| safe::line(cell));
        let first = cells.next().unwrap_or_default();
        let rest: Vec<String> = cells.filter(|cell| !cell.is_empty()).collect();
        match rest.is_empty() {
            true => format!("{first}\n"),
            false => format!("{first}\n    {}\n", screen.faint(rest.join("  "))),
        }
    };
    rows.iter().map(row).collect()
}

/// Takes from the widest until all fit.
fn fit(widths: &mut [usize], width: usize) {
    let gaps = GAP * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > width {
        let Some(widest) = widths.iter_mut().max() else { return };
        if *widest <= NARROWEST {
            return;
        }
        *widest -= 1;
    }
}

fn line(out: &mut String, cells: &[String], widths: &[usize], style: impl Fn(&str) -> String) {
    let mut padding = 0;
    for (cell, &width) in cells.iter().zip(widths) {
        // Nothing is written after the last cell of a line.
        out.push_str(&" ".repeat(padding));
        let cell = cut(cell, width);
        padding = width.saturating_sub(cell.width()) + GAP;
        out.push_str(&style(&cell));
    }
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}

/// `text` in `width` columns.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 1;
    let mut out: String = text
        .chars()
        .take_while(|sign| {
            used += sign.width().unwrap_or(0);
            used <= width
        })
        .collect();
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        vec![row("a", "short"), row("你好", "a text that is much longer\nthan the others")]
    }

    #[test]
    fn columns_stand_under_each_other_and_cells_keep_to_their_line() {
        let expected = "name  what\n\
                        a     short\n\
                        你好  a text that is much longer\\nthan the others\n";
        assert_eq!(table(&["name", "what"], &rows(), Screen::PLAIN), expected);
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        let screen = Screen { width: Some(24), colours: false };
        let table = table(&["name", "what"], &rows(), screen);
        assert_eq!(table, "name  what\na     short\n你好  a text that is mu…\n");
        assert!(table.lines().all(|line| line.width() <= 24));
        assert_eq!(cut("你好你好", 4), "你…");
    }
}
