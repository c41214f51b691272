//! Tables that read well without colour.

use std::fmt;

use wardkey_told::shown;

/// Rows under headings; columns are as wide as their widest cell, two spaces apart.
#[derive(Clone, Debug)]
pub struct Table<const COLUMNS: usize> {
    headings: [&'static str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// A table without rows.
    pub const fn new(headings: [&'static str; COLUMNS]) -> Self {
        Self {
            headings,
            rows: Vec::new(),
        }
    }

    /// Adds a row. An empty cell is shown as a dash, so that it is not taken for the next one.
    pub fn push(&mut self, row: [String; COLUMNS]) {
        self.rows.push(row.map(|cell| shown(&cell)));
    }

    fn widths(&self) -> Vec<usize> {
        (0..COLUMNS)
            .map(|column| {
                let heading = self.headings.get(column).copied();
                let cells = self
                    .rows
                    .iter()
                    .filter_map(|row| row.get(column).map(String::as_str));
                let width = |text: &str| text.chars().count();
                heading.into_iter().chain(cells).map(width).max()
            })
            .map(Option::unwrap_or_default)
            .collect()
    }
}

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        let headings = self.headings.map(str::to_owned);
        for row in std::iter::once(&headings).chain(&self.rows) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                let space = width.saturating_sub(cell.chars().count()).saturating_add(2);
                line.extend(std::iter::repeat_n(' ', space));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["LAPTOP", "STATE", "NAME"]);
        table.push(["HMP-X-03".into(), "active".into(), "Zoë".into()]);
        table.push(["A".into(), String::new(), "Sam O'Neill".into()]);
        assert_eq!(
            table.to_string(),
            "LAPTOP    STATE   NAME\n\
             HMP-X-03  active  Zoë\n\
             A         -       Sam O'Neill\n"
        );
    }

    #[test]
    fn a_table_without_rows_has_its_headings() {
        assert_eq!(Table::new(["A", "BB"]).to_string(), "A  BB\n");
    }

    proptest! {
        #[test]
        fn no_cell_brings_a_line_or_an_escape_of_its_own(cell in any::<String>()) {
            let mut table = Table::new(["A", "B"]);
            table.push([cell, "end".into()]);
            let text = table.to_string();
            prop_assert_eq!(text.lines().count(), 2);
            prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        }
    }
}
