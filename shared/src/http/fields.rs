//! The fields of a request, checked all at once, so that whoever sent it learns of every mistake.

use std::fmt::Display;

use super::Problem;
use crate::error::FieldError;

/// The fields that broke a rule so far.
#[derive(Debug, Default)]
pub struct Fields(Vec<FieldError>);

impl Fields {
    /// The value of a field, if it was taken; else its error is noted.
    pub fn check<T, E: Display>(&mut self, field: &'static str, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|error| self.0.push(FieldError::new(field, error.to_string()))).ok()
    }
}

/// 422, with all that was noted.
impl From<Fields> for Problem {
    fn from(Fields(errors): Fields) -> Self {
        Self::invalid(errors)
    }
}
