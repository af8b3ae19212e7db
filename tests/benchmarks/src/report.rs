//! What was measured, as Markdown, and whether it keeps within its limits.

use std::fmt;

use crate::samples::Samples;

/// All figures of a run.
#[derive(Default)]
pub(crate) struct Report {
    sections: Vec<Section>,
}

/// Figures that belong together.
pub(crate) struct Section {
    title: &'static str,
    rows: Vec<Row>,
}

struct Row {
    what: String,
    figure: Figure,
    p95: Option<Figure>,
    limit: Option<Figure>,
}

/// A value and how it is written.
#[derive(Clone, Copy)]
struct Figure {
    value: f64,
    unit: Unit,
}

/// What a figure counts.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Milliseconds,
    /// A ratio.
    Times,
    /// Thousands of bytes.
    Kilobytes,
    /// Millions of bytes.
    Megabytes,
    Mebibytes,
    Number,
}

impl Report {
    pub(crate) fn section(&mut self, title: &'static str) -> &mut Section {
        self.sections.push(Section { title, rows: Vec::new() });
        self.sections.last_mut().expect("it was just added")
    }

    /// What is over its limit, or could not be measured.
    pub(crate) fn broken(&self) -> Vec<&str> {
        let rows = self.sections.iter().flat_map(|section| &section.rows);
        rows.filter(|row| row.is_within() == Some(false)).map(|row| row.what.as_str()).collect()
    }
}

impl Section {
    /// One value.
    pub(crate) fn value(&mut self, what: impl Into<String>, unit: Unit, value: f64, limit: Option<f64>) {
        let limit = limit.map(|value| Figure { value, unit });
        self.rows.push(Row { what: what.into(), figure: Figure { value, unit }, p95: None, limit });
    }

    /// The median of several and their 95th percentile; the limit is the median's.
    pub(crate) fn samples(
        &mut self,
        what: impl Into<String>,
        unit: Unit,
        samples: &Samples,
        limit: Option<f64>,
    ) {
        self.value(what, unit, samples.median(), limit);
        if let Some(row) = self.rows.last_mut() {
            row.p95 = Some(Figure { value: samples.p95(), unit });
        }
    }
}

impl Row {
    fn is_within(&self) -> Option<bool> {
        // What is not a number is within no limit.
        self.limit.map(|limit| self.figure.value <= limit.value)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Section { title, rows } in &self.sections {
            writeln!(f, "### {title}\n")?;
            writeln!(f, "| | median | p95 | limit | |")?;
            writeln!(f, "|---|---:|---:|---:|---|")?;
            for row in rows {
                let p95 = row.p95.map(|figure| figure.to_string()).unwrap_or_default();
                let limit = row.limit.map(|figure| format!("≤ {figure}")).unwrap_or_default();
                let verdict = match row.is_within() {
                    Some(true) => "within",
                    Some(false) => "**over**",
                    None => "",
                };
                writeln!(f, "| {} | {} | {p95} | {limit} | {verdict} |", row.what, row.figure)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, unit } = *self;
        if value.is_nan() {
            return f.write_str("not measured");
        }
        match unit {
            Unit::Milliseconds if value >= 100.0 => write!(f, "{value:.0} ms"),
            Unit::Milliseconds if value >= 10.0 => write!(f, "{value:.1} ms"),
            Unit::Milliseconds => write!(f, "{value:.2} ms"),
            Unit::Times => write!(f, "{value:.2} ×"),
            Unit::Kilobytes => write!(f, "{value:.1} kB"),
            Unit::Megabytes => write!(f, "{value:.2} MB"),
            Unit::Mebibytes => write!(f, "{value:.1} MiB"),
            Unit::Number => write!(f, "{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_over_its_limit_or_not_measured_is_told() {
        let mut report = Report::default();
        let section = report.section("Size");
        section.value("small", Unit::Megabytes, 1.0, Some(6.0));
        section.value("large", Unit::Megabytes, 6.01, Some(6.0));
        section.value("unknown", Unit::Megabytes, f64::NAN, Some(6.0));
        section.value("free", Unit::Megabytes, 99.0, None);
        assert_eq!(report.broken(), ["large", "unknown"]);
        let text = report.to_string();
        assert!(text.contains("| large | 6.01 MB |  | ≤ 6.00 MB | **over** |"), "{text}");
        assert!(text.contains("| unknown | not measured |"), "{text}");
    }
}
