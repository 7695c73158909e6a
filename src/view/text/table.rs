//! Tables that fit: what is good to have is dropped first, then addresses and words are shortened down to what still says
//! something, then the rest is dropped by priority. What was dropped is named.
//!
//! In: columns, rows, notes below rows. Out: aligned lines. Never: a column dropped while there is room for it.

use super::page::{Cell, Cut, Ink, Page, width, words};
use std::io;

/// Columns of this priority and above are dropped before one below it is shortened.
const GOOD_TO_HAVE: u8 = 5;
/// Blanks between columns.
const GAP: usize = 2;
/// Blanks before a row.
const INDENT: usize = 2;
/// Blanks before a note below a row.
const NOTE_INDENT: usize = 6;

/// A column.
#[derive(Clone, Copy)]
pub(in crate::view) struct Column {
    head: &'static str,
    /// What it is called where it is not shown.
    name: &'static str,
    /// Stands above the heads of neighbours that have the same one: what they have in common, with the unit.
    group: &'static str,
    right: bool,
    /// Who goes first where there is no room: the highest number. 0 stays.
    priority: u8,
    /// What it may be shortened to; none where a part says nothing.
    least: Option<usize>,
    cut: Cut,
    /// Says nothing that others do not: dropped before any of these is shortened.
    is_spare: bool,
}

impl Column {
    /// Words.
    pub(in crate::view) const fn left(head: &'static str, priority: u8) -> Self {
        Self { head, name: head, group: "", right: false, priority, least: None, cut: Cut::End, is_spare: false }
    }

    /// Figures.
    pub(in crate::view) const fn right(head: &'static str, priority: u8) -> Self {
        Self { right: true, ..Self::left(head, priority) }
    }

    /// An address: an IPv4 one keeps its length, an IPv6 one may lose its middle.
    pub(in crate::view) const fn address(head: &'static str, priority: u8) -> Self {
        Self { least: Some(21), cut: Cut::Middle, ..Self::left(head, priority) }
    }

    pub(in crate::view) const fn least(self, least: usize) -> Self {
        Self { least: Some(least), ..self }
    }

    /// For a picture of what other columns say.
    pub(in crate::view) const fn spare(self) -> Self {
        Self { is_spare: true, ..self }
    }

    /// For one without a head.
    pub(in crate::view) const fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    pub(in crate::view) const fn group(self, group: &'static str) -> Self {
        Self { group, ..self }
    }
}

impl Column {
    fn full_name(&self) -> String {
        if self.group.is_empty() { self.name.to_owned() } else { format!("{} {}", self.group, self.name) }
    }
}

struct Row {
    cells: Vec<Cell>,
    notes: Vec<Vec<Cell>>,
}

/// A table.
pub(in crate::view) struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

/// A column that is shown: which, and how wide.
type Shown = (usize, usize);

impl Table {
    pub(in crate::view) fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// One cell per column. A column in which all cells are empty is not shown.
    pub(in crate::view) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(Row { cells, notes: Vec::new() });
    }

    /// Things to say below the last row.
    pub(in crate::view) fn note(&mut self, items: Vec<Cell>) {
        if let Some(row) = self.rows.last_mut().filter(|_| !items.is_empty()) {
            row.notes.push(items);
        }
    }

    /// The lines above the rows, and one for each row, at most so wide.
    pub(in crate::view) fn lines(&self, limit: usize) -> (Vec<Vec<Cell>>, Vec<Vec<Cell>>) {
        let shown = self.layout(Some(limit));
        let rows = self.rows.iter().map(|row| self.aligned(&row.cells, &shown)).collect();
        (self.heads(&shown), rows)
    }

    /// What is said below that row.
    pub(in crate::view) fn notes(&self, row: usize) -> &[Vec<Cell>] {
        self.rows.get(row).map_or(&[], |row| row.notes.as_slice())
    }

    /// Head and cell of that row, for each column with something in it.
    pub(in crate::view) fn entries(&self, row: usize) -> Vec<(String, &Cell)> {
        let cells = self.rows.get(row).map_or(&[] as &[Cell], |row| row.cells.as_slice());
        let entries = self.columns.iter().zip(cells).filter(|(_, cell)| !cell.is_empty());
        entries.map(|(column, cell)| (column.full_name(), cell)).collect()
    }

    fn heads(&self, shown: &[Shown]) -> Vec<Vec<Cell>> {
        let heads: Vec<Cell> = self.columns.iter().map(|column| Cell::new(column.head, Ink::Faint)).collect();
        self.groups(shown).into_iter().chain([self.aligned(&heads, shown)]).collect()
    }

    pub(in crate::view) fn write(&self, page: &mut Page<'_>) -> io::Result<()> {
        let shown = self.layout(page.limit());
        for head in self.heads(&shown) {
            page.line(&head)?;
        }
        for row in &self.rows {
            page.line(&self.aligned(&row.cells, &shown))?;
            for note in &row.notes {
                page.wrapped(Cell::plain(""), NOTE_INDENT, " · ", note)?;
            }
        }
        self.left_out(&shown, page)
    }

    /// The columns that had no room, and the width that would give it to them.
    fn left_out(&self, shown: &[Shown], page: &mut Page<'_>) -> io::Result<()> {
        let all = self.with_content();
        let missing = all.iter().filter(|(at, _)| !shown.iter().any(|column| column.0 == *at));
        let names: Vec<String> = missing.filter_map(|(at, _)| Some(self.columns.get(*at)?.full_name())).collect();
        if names.is_empty() {
            return Ok(());
        }
        let gives_first = all.iter().any(|column| self.priority(*column) >= GOOD_TO_HAVE);
        let room = self.smallest(&all, if gives_first { GOOD_TO_HAVE } else { 0 });
        let text = format!("no room for: {}; {room} columns would do", names.join(", "));
        page.wrapped(Cell::plain(" "), INDENT, " ", &words(&text, Ink::Faint))
    }

    fn natural(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.cells.get(column)).map(Cell::width).max();
        cells.unwrap_or(0).max(self.columns.get(column).map_or(0, |column| width(column.head)))
    }

    fn layout(&self, limit: Option<usize>) -> Vec<Shown> {
        let mut shown = self.with_content();
        let Some(limit) = limit else { return self.widened(shown) };
        for giving in [GOOD_TO_HAVE, 0] {
            while self.smallest(&shown, giving) > limit {
                let Some(victim) = (0..shown.len()).max_by_key(|at| self.priority(shown[*at])) else { break };
                if self.priority(shown[victim]) < giving.max(1) {
                    break;
                }
                shown.remove(victim);
            }
        }
        self.drop_spare(&mut shown, limit);
        self.shrink(&mut shown, limit);
        self.widened(shown)
    }

    /// Takes spare columns away for as long as others would have to be shortened.
    fn drop_spare(&self, shown: &mut Vec<Shown>, limit: usize) {
        let is_spare = |at: usize| self.columns.get(at).is_some_and(|column| column.is_spare);
        while total(&self.widened(shown.clone())) > limit {
            let spare = (0..shown.len()).filter(|at| is_spare(shown[*at].0));
            let Some(victim) = spare.max_by_key(|at| self.priority(shown[*at])) else { break };
            shown.remove(victim);
        }
    }

    fn with_content(&self) -> Vec<Shown> {
        let has_content =
            |at: &usize| self.rows.iter().any(|row| row.cells.get(*at).is_some_and(|cell| !cell.is_empty()));
        (0..self.columns.len()).filter(has_content).map(|at| (at, self.natural(at))).collect()
    }

    /// What the table takes if columns of at least this priority give all that they can.
    fn smallest(&self, shown: &[Shown], giving: u8) -> usize {
        let give =
            |column: &Shown| if self.priority(*column) < giving { *column } else { (column.0, self.floor(*column)) };
        total(&self.widened(shown.iter().map(give).collect()))
    }

    /// Takes columns from the widest that can give, one at a time, so that equals stay equal; first from what is good to
    /// have.
    fn shrink(&self, shown: &mut [Shown], limit: usize) {
        let excess = total(&self.widened(shown.to_vec())).saturating_sub(limit);
        for _ in 0..excess {
            let giving = (0..shown.len()).filter(|at| shown[*at].1 > self.floor(shown[*at]));
            let Some(widest) = giving.max_by_key(|at| (self.priority(shown[*at]) >= GOOD_TO_HAVE, shown[*at].1)) else {
                return;
            };
            shown[widest].1 -= 1;
        }
    }

    fn priority(&self, (at, _): Shown) -> u8 {
        self.columns.get(at).map_or(0, |column| column.priority)
    }

    fn floor(&self, (at, natural): Shown) -> usize {
        let Some(column) = self.columns.get(at) else { return natural };
        column.least.map_or(natural, |least| least.max(width(column.head)).min(natural))
    }

    /// Neighbours of one group, as ranges of `shown`.
    fn runs(&self, shown: &[Shown]) -> Vec<(&'static str, usize, usize)> {
        let mut runs: Vec<(&'static str, usize, usize)> = Vec::new();
        for (position, (at, _)) in shown.iter().enumerate() {
            let group = self.columns.get(*at).map_or("", |column| column.group);
            match runs.last_mut() {
                Some(run) if run.0 == group => run.2 = position + 1,
                _ => runs.push((group, position, position + 1)),
            }
        }
        runs
    }

    /// The first column of a group makes room for the group's name.
    fn widened(&self, mut shown: Vec<Shown>) -> Vec<Shown> {
        for (group, from, to) in self.runs(&shown) {
            let room = span(&shown[from..to]);
            shown[from].1 += width(group).saturating_sub(room);
        }
        shown
    }

    fn groups(&self, shown: &[Shown]) -> Option<Vec<Cell>> {
        let runs = self.runs(shown);
        if runs.iter().all(|run| run.0.is_empty()) {
            return None;
        }
        let mut line = vec![Cell::plain(" ".repeat(INDENT))];
        for (group, from, to) in runs {
            let room = span(&shown[from..to]);
            line.push(Cell::new(format!("{}{group}", " ".repeat(room.saturating_sub(width(group)))), Ink::Faint));
            line.push(Cell::plain(" ".repeat(GAP)));
        }
        Some(line)
    }

    fn aligned(&self, cells: &[Cell], shown: &[Shown]) -> Vec<Cell> {
        let mut line = vec![Cell::plain(" ".repeat(INDENT))];
        for (at, room) in shown {
            let (Some(column), Some(cell)) = (self.columns.get(*at), cells.get(*at)) else { continue };
            let cell = cell.cut(*room, column.cut);
            let blanks = Cell::plain(" ".repeat(room.saturating_sub(cell.width())));
            line.extend(if column.right { [blanks, cell] } else { [cell, blanks] });
            line.push(Cell::plain(" ".repeat(GAP)));
        }
        line
    }
}

fn span(shown: &[Shown]) -> usize {
    shown.iter().map(|column| column.1).sum::<usize>() + GAP * shown.len().saturating_sub(1)
}

fn total(shown: &[Shown]) -> usize {
    INDENT + span(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::text::Style;

    const COLUMNS: [Column; 4] = [
        Column::left("name", 0),
        Column::address("address", 1),
        Column::right("mean", 2).group("jitter ms"),
        Column::right("max", 0).group("jitter ms"),
    ];

    fn printed(width: Option<usize>) -> String {
        let mut table = Table::new(&COLUMNS);
        table.row(["a", "[2001:db8:1234:5678:9abc::1]:50000", "1.25", "12.50"].map(Cell::plain).to_vec());
        table.row(["bb", "10.0.0.1:5000", "-", "3.00"].map(Cell::plain).to_vec());
        let mut out = Vec::new();
        table.write(&mut Page::new(&Style { width, color: false, full: false }, &mut out)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_aligned_and_a_group_stands_above_its_columns() {
        let expected = [
            "                                              jitter ms",
            "  name  address                             mean    max",
            "  a     [2001:db8:1234:5678:9abc::1]:50000  1.25  12.50",
            "  bb    10.0.0.1:5000                          -   3.00",
        ];
        assert_eq!(printed(None).lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn an_address_loses_its_middle_before_a_column_that_matters_is_dropped() {
        let text = printed(Some(44));
        assert!(text.contains("[2001:db8:1…c::1]:50000"), "{text}");
        assert!(text.contains("mean"), "{text}");
    }

    #[test]
    fn what_is_good_to_have_is_dropped_before_an_address_is_shortened() {
        let columns = [COLUMNS[0], COLUMNS[1], Column::right("dup", GOOD_TO_HAVE)];
        let mut table = Table::new(&columns);
        table.row(["a", "[2001:db8:1234:5678:9abc::1]:50000", "1"].map(Cell::plain).to_vec());
        let mut out = Vec::new();
        table.write(&mut Page::new(&Style { width: Some(42), color: false, full: false }, &mut out)).unwrap();
        assert_eq!(String::from_utf8(out).unwrap().lines().nth(1), Some("  a     [2001:db8:1234:5678:9abc::1]:50000"));
    }

    #[test]
    fn a_spare_column_is_dropped_before_an_address_is_shortened_that_matters_less_than_it() {
        let columns = [COLUMNS[0], Column::address("address", 6), Column::left("course", GOOD_TO_HAVE).spare()];
        let mut table = Table::new(&columns);
        table.row(["a", "[2001:db8:1234:5678:9abc::1]:50000", "▁▂▃▄▅▆▇█"].map(Cell::plain).to_vec());
        let line = |limit| table.lines(limit).1.iter().flatten().map(Cell::text).collect::<String>();
        assert_eq!(line(54).trim_end(), "  a     [2001:db8:1234:5678:9abc::1]:50000  ▁▂▃▄▅▆▇█");
        assert_eq!(line(50).trim_end(), "  a     [2001:db8:1234:5678:9abc::1]:50000");
        assert!(line(40).contains('…'), "{}", line(40));
    }

    #[test]
    fn what_matters_least_is_dropped_first_and_what_matters_most_stays() {
        let rows = |limit| printed(Some(limit)).lines().take(4).collect::<Vec<_>>().join("\n");
        let (narrow, narrower) = (rows(41), rows(30));
        assert!(!narrow.contains("mean") && narrow.contains("address"), "{narrow}");
        assert!(!narrower.contains("address") && narrower.contains("12.50"), "{narrower}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_however_narrow_that_is() {
        for limit in 1..80 {
            for line in printed(Some(limit)).lines() {
                assert!(width(line) <= limit, "{limit}: {line}");
            }
        }
    }

    #[test]
    fn what_had_no_room_is_named_with_the_width_that_would_do() {
        let narrow = printed(Some(40)).replace("\n  ", " ");
        assert!(narrow.ends_with("no room for: jitter ms mean; 42 columns would do\n"), "{narrow}");
        for limit in 1..80 {
            assert_eq!(printed(Some(limit)).contains("mean  "), limit >= 42, "{limit}");
        }
        assert!(!printed(None).contains("no room"));
    }

    #[test]
    fn a_column_without_any_content_is_not_shown() {
        let mut table = Table::new(&COLUMNS);
        table.row(["a", "", "1", "2"].map(Cell::plain).to_vec());
        let mut out = Vec::new();
        table.write(&mut Page::new(&Style { width: None, color: false, full: false }, &mut out)).unwrap();
        assert!(!String::from_utf8(out).unwrap().contains("address"));
    }
}
