//! Reading what scripts answer. Nothing is trusted: an answer of another shape is an error and never a panic.

use bytes::Bytes;
use deadpool_redis::redis::Value;
use oqron_core::Error;

use crate::error::corrupt;

pub(crate) fn list(value: Value) -> Result<Vec<Value>, Error> {
    match value {
        Value::Array(values) => Ok(values),
        other => Err(unexpected("a list", &other)),
    }
}

pub(crate) fn number(value: &Value) -> Result<i64, Error> {
    match value {
        Value::Int(number) => Ok(*number),
        other => Err(unexpected("a number", other)),
    }
}

/// Bytes, or `None` for nil.
pub(crate) fn bytes(value: Value) -> Result<Option<Bytes>, Error> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes.into())),
        Value::SimpleString(text) => Ok(Some(text.into_bytes().into())),
        Value::Int(number) => Ok(Some(number.to_string().into_bytes().into())),
        other => Err(unexpected("a text", &other)),
    }
}

pub(crate) fn text(value: Value) -> Result<String, Error> {
    let bytes = bytes(value)?.unwrap_or_default();
    String::from_utf8(bytes.into()).map_err(|error| corrupt("a text", error.to_string()))
}

/// A field of what `INFO` answers.
pub(crate) fn info_field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(field, _)| *field == name)
        .map(|(_, value)| value.trim())
}

fn unexpected(wanted: &str, found: &Value) -> Error {
    let kind = match found {
        Value::Nil => "nothing",
        Value::Int(_) => "a number",
        Value::BulkString(_) | Value::SimpleString(_) => "a text",
        Value::Array(_) => "a list",
        _ => "something else",
    };
    corrupt("an answer", format!("{wanted} was expected and {kind} came"))
}

/// Reads packed values off the front.
pub(crate) struct Reader {
    what: &'static str,
    rest: Bytes,
}

impl Reader {
    pub(crate) fn new(what: &'static str, rest: Bytes) -> Self {
        Self { what, rest }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<Bytes, Error> {
        if count > self.rest.len() {
            return Err(corrupt(
                self.what,
                format!("{} bytes are left where {count} should follow", self.rest.len()),
            ));
        }
        Ok(self.rest.split_to(count))
    }

    /// A big-endian number of `count` bytes, up to 8.
    pub(crate) fn number(&mut self, count: usize) -> Result<u64, Error> {
        let bytes = self.take(count)?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    pub(crate) fn number_u32(&mut self) -> Result<u32, Error> {
        self.number(4).map(|number| number as u32)
    }

    pub(crate) fn rest(self) -> Bytes {
        self.rest
    }
}
