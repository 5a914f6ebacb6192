//! The table of options as text for people: `--help`, `--version`, the README's table.

use super::Config;
use super::options::{Kind, ROWS, Row};
use super::value;
use std::fmt::Write;

/// The width to which `--help` is filled.
const WIDTH: usize = 100;

/// What `--version` prints.
pub fn version() -> String {
    format!("torc {}\n", env!("CARGO_PKG_VERSION"))
}

/// What `--help` prints.
pub fn help() -> String {
    let mut text = version();
    text.push_str(
        "
Usage: torc [CONFIG_FILE] [--directive value ...] [-]
       torc check-log [--repair] DIRECTORY
       torc import FILE [--replace] [CONFIG_FILE] [--directive value ...]

CONFIG_FILE is written like redis.conf; directives on the command line come after it and win.
A lone - at the end reads a configuration from standard input too.
check-log says whether the log in DIRECTORY is sound, and can cut it before damage; import
makes Redis' files into one. Each has a --help of its own.

  -h, --help     print this and end
  -v, --version  print the version and end

Directives, in the file without the --; those marked * can be changed with CONFIG SET:

",
    );
    for row in ROWS {
        let mark = if row.at_run_time { "*" } else { "" };
        writeln!(text, "  --{}{mark} ({})", row.name, row.values())
            .expect("a string takes everything");
        let about = format!("{} Default: {}.", row.about, default(row));
        let mut line = String::new();
        for word in about.split(' ') {
            if line.len() + word.len() + 7 > WIDTH {
                writeln!(text, "      {line}").expect("a string takes everything");
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        writeln!(text, "      {line}").expect("a string takes everything");
    }
    text
}

/// The README's table of options, in Markdown.
pub fn markdown_table() -> String {
    let mut text =
        String::from("| option | values | default | at run time | |\n|---|---|---|---|---|\n");
    for row in ROWS {
        let at_run_time = if row.at_run_time { "yes" } else { "no" };
        writeln!(
            text,
            "| `{}` | {} | `{}` | {at_run_time} | {} |",
            row.name,
            row.values(),
            default(row),
            row.about
        )
        .expect("a string takes everything");
    }
    text
}

/// The default with its unit.
fn default(row: &Row) -> String {
    let config = Config::default();
    match row.kind {
        Kind::Memory { get, .. } => value::memory_text(get(&config)),
        Kind::Words { lines, .. } => lines(&config).join("; "),
        _ => {
            let text = row.text(&config);
            match (text.is_empty(), row.unit) {
                (true, _) => "\"\"".to_string(),
                (false, "") => text,
                (false, unit) => format!("{text} {unit}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_option_and_fits_the_width() {
        let help = help();
        for row in ROWS {
            assert!(help.contains(&format!("  --{}", row.name)), "{}", row.name);
        }
        for line in help.lines().filter(|line| line.starts_with("      ")) {
            assert!(line.len() <= WIDTH, "{line}");
        }
    }

    #[test]
    fn the_readme_holds_this_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        match std::fs::read_to_string(path) {
            Ok(readme) => assert!(
                readme.contains(&markdown_table()),
                "put this into README.md:\n{}",
                markdown_table()
            ),
            // Before the README is written the table must at least be one.
            Err(_) => assert_eq!(markdown_table().lines().count(), ROWS.len() + 2),
        }
    }
}
