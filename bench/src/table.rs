//! Tables of text in Markdown's form, aligned so that they read well in a terminal too.

/// Rows of cells under a heading; the first column is left-aligned, all others right-aligned.
pub struct Table {
    heading: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub fn new<S: Into<String>>(heading: impl IntoIterator<Item = S>) -> Table {
        Table {
            heading: heading.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, which has a cell for every column.
    pub fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.heading.len(), "a cell for every column");
        self.rows.push(cells);
    }

    /// The text, with a line end behind every line.
    pub fn render(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&self.heading]);
            cells
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
                .max(3)
        };
        let widths: Vec<usize> = (0..self.heading.len()).map(width).collect();
        let mut text = line(&self.heading, &widths);
        let rule = widths
            .iter()
            .enumerate()
            .map(|(column, width)| match column {
                0 => "-".repeat(*width),
                _ => format!("{}:", "-".repeat(width - 1)),
            });
        text += &line(&rule.collect::<Vec<_>>(), &widths);
        for row in &self.rows {
            text += &line(row, &widths);
        }
        text
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut text = String::from("|");
    for (column, (cell, &width)) in cells.iter().zip(widths).enumerate() {
        text += &if column == 0 {
            format!(" {cell:<width$} |")
        } else {
            format!(" {cell:>width$} |")
        };
    }
    text + "\n"
}

/// A number with about three digits that mean something.
pub fn number(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        v if v >= 0.9995 => 2,
        _ => 3,
    };
    let plain = format!("{value:.decimals$}");
    let (sign, digits) = plain
        .strip_prefix('-')
        .map_or(("", &plain[..]), |rest| ("-", rest));
    if decimals > 0 {
        return plain;
    }
    let mut grouped = String::from(sign);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(["server", "µs"]);
        table.row(vec!["redis".into(), "8.7".into()]);
        table.row(vec!["constant answers".into(), "1 234.5".into()]);
        let expected = "\
| server           |      µs |
| ---------------- | ------: |
| redis            |     8.7 |
| constant answers | 1 234.5 |
";
        assert_eq!(table.render(), expected);
    }

    #[test]
    #[should_panic(expected = "a cell for every column")]
    fn a_row_of_another_length_is_a_mistake() {
        Table::new(["one", "two"]).row(vec!["1".into()]);
    }

    #[test]
    fn numbers_keep_about_three_digits() {
        let cases = [
            (0.0314, "0.031"),
            (0.9996, "1.00"),
            (1.234, "1.23"),
            (9.996, "10.0"),
            (12.34, "12.3"),
            (99.96, "100"),
            (1234.4, "1 234"),
            (1234567.0, "1 234 567"),
            (-1234.0, "-1 234"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }
}
