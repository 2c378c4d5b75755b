//! One measured figure, and how it is printed.

use serde::Serialize;

/// A figure that one process measured once.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) figure: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
}

impl Row {
    pub(crate) fn new(figure: impl Into<String>, value: f64, unit: &'static str) -> Self {
        let figure = figure.into();
        Self { figure, value, unit }
    }
}

/// Where rows go as soon as they are measured.
#[derive(Clone, Copy)]
pub(crate) enum Printer {
    /// Columns.
    Text,
    /// A JSON object a line, for a program.
    Lines,
}

impl Printer {
    pub(crate) fn print(self, row: &Row) -> Result<(), serde_json::Error> {
        match self {
            Self::Text => println!("{:<40} {:>12.2} {}", row.figure, row.value, row.unit),
            Self::Lines => println!("{}", serde_json::to_string(row)?),
        }
        Ok(())
    }
}
