//! What is said on the terminal, and what is heard from there.

use std::fmt;
use std::io::{self, BufRead, ErrorKind, IsTerminal, Read, Write};

use super::failure::{Failure, Result};

/// Prints a line of the result: `println!`, but for [`print`].
macro_rules! say {
    () => { $crate::command::terminal::print(format_args!("\n")) };
    ($($words:tt)+) => { $crate::command::terminal::print(format_args!("{}\n", format_args!($($words)+))) };
}
pub(crate) use say;

/// Prints a part of the result. Whoever reads it may have read enough, as `head` has: then the command ends.
pub(crate) fn print(words: fmt::Arguments<'_>) {
    match io::stdout().write_fmt(words) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            eprintln!("error: the result cannot be printed: {error}");
            std::process::exit(1);
        }
    }
}

/// One step of a longer command, as it begins.
pub(crate) fn step(text: &str) {
    let [bold, plain] = if io::stderr().is_terminal() { ["\x1b[1m", "\x1b[0m"] } else { [""; 2] };
    eprintln!("{bold}{text}{plain}");
}

/// Something to know, beside the result.
pub(crate) fn note(text: &str) {
    eprintln!("note: {text}");
}

/// A table with a head; the first column is text, the others stand to the right if they are figures.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) {
    print(format_args!("{}", laid_out(head, rows)));
}

/// Names and their values, one a line.
pub(crate) fn facts(rows: &[(&str, String)]) {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, value) in rows {
        say!("  {name:width$}  {value}");
    }
}

fn laid_out(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let figures: Vec<bool> = (0..head.len())
        .map(|column| !rows.is_empty() && rows.iter().all(|row| is_figure(&row[column])))
        .collect();
    let mut text = String::new();
    let heads: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    for row in std::iter::once(&heads).chain(rows) {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[column] - cell.chars().count());
            let cell = if figures[column] { format!("{pad}{cell}") } else { format!("{cell}{pad}") };
            line.push_str("  ");
            line.push_str(&cell);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `1,200`, `$3.50`, `12 GB`, or `-` for none.
fn is_figure(cell: &str) -> bool {
    let first = cell.split(' ').next().unwrap_or_default().trim_start_matches(['<', '$']);
    let is_number = first.starts_with(|first: char| first.is_ascii_digit())
        && first.chars().all(|letter| letter.is_ascii_digit() || matches!(letter, ',' | '.'));
    cell == "-" || is_number
}

/// Whether somebody can be asked.
pub(crate) fn somebody_is_there() -> bool {
    io::stdin().is_terminal()
}

/// Asks for a word that shows that one means it. Without a terminal nobody can answer.
pub(crate) fn confirm(question: &str, word: &str) -> Result<()> {
    if !somebody_is_there() {
        return Err(Failure::new("nobody is here to confirm it; add --yes if you mean it"));
    }
    print(format_args!("{question}\nType {word} to go on: "));
    let _ = io::stdout().flush();
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| Failure::io("reading your answer", &error))?;
    if answer.trim() == word { Ok(()) } else { Err(Failure::new("nothing was done")) }
}

/// All of standard input, without the line's end that `echo` adds.
pub(crate) fn standard_input(what: &str) -> Result<String> {
    if somebody_is_there() {
        eprintln!("Type {what}, then Enter and Ctrl-D:");
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).map_err(|error| Failure::io("reading standard input", &error))?;
    let text = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text)).unwrap_or(&text);
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_to_the_right_and_text_to_the_left() {
        let rows =
            [vec!["auth".to_owned(), "1,200".to_owned()], vec!["publisher".to_owned(), "-".to_owned()]];
        assert_eq!(
            laid_out(&["function", "calls"], &rows),
            "  function   calls\n  auth       1,200\n  publisher      -\n"
        );
    }
}
