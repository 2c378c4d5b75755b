//! How payloads and results become bytes. The envelope names the codec and its version, so a mismatch is an error
//! that says so, and never a value that was misread.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed};

use crate::Error;
use crate::depth::{shallow, shallow_seed};

/// The codec of a topic. Both sides read it from the topic's definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Codec {
    /// People can read it, other languages can write it, fields can be added. The default.
    #[default]
    Json,
    /// Small and fast, for those who version both ends together: a changed struct does not decode old payloads.
    Bincode,
}

/// A way to turn values into bytes and back, with a number that never changes its meaning.
trait Encoding {
    const FORMAT: Format;
    fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, String>;
    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String>;
}

struct Json;

impl Encoding for Json {
    const FORMAT: Format = Format(101);

    fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
        serde_json::to_vec(&shallow(value)).map_err(|error| error.to_string())
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
        let mut from = serde_json::Deserializer::from_slice(bytes);
        let value = shallow_seed().deserialize(&mut from);
        value
            .and_then(|value| from.end().map(|()| value))
            .map_err(|error| error.to_string())
    }
}

struct Bincode2;

/// A length prefix in hostile bytes must not become an allocation of its size.
const BINCODE_BYTES_MAX: usize = 1 << 30;

impl Encoding for Bincode2 {
    const FORMAT: Format = Format(201);

    fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
        bincode::serde::encode_to_vec(shallow(value), bincode::config::standard())
            .map_err(|error| error.to_string())
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
        let config = bincode::config::standard().with_limit::<BINCODE_BYTES_MAX>();
        let (value, read) = bincode::serde::seed_decode_from_slice(shallow_seed(), bytes, config)
            .map_err(|error| error.to_string())?;
        if read == bytes.len() {
            Ok(value)
        } else {
            Err(format!("{} bytes are left over", bytes.len() - read))
        }
    }
}

/// The envelope's mark: codec times 100 plus version, so `json/1` is 101 and `bincode/1` is 201.
///
/// Backends store the number as it is; one that this version does not know is kept, and refused when it is decoded.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Format(u16);

impl Format {
    /// The format that another language writes: JSON, version 1.
    pub const JSON: Self = Json::FORMAT;

    /// A number found in a backend.
    pub const fn from_number(number: u16) -> Self {
        Self(number)
    }

    /// The number to store.
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 / 100 {
            1 => write!(f, "json/{}", self.0 % 100),
            2 => write!(f, "bincode/{}", self.0 % 100),
            _ => write!(f, "unknown format {}", self.0),
        }
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An encoded payload or result: the envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// What the bytes are written in.
    pub format: Format,
    /// The value.
    pub bytes: Bytes,
}

impl Encoded {
    /// An envelope around bytes that are encoded already.
    pub fn new(format: Format, bytes: impl Into<Bytes>) -> Self {
        Self {
            format,
            bytes: bytes.into(),
        }
    }
}

impl Codec {
    /// The mark that this codec writes, and the only one that it reads.
    pub const fn format(self) -> Format {
        match self {
            Self::Json => Json::FORMAT,
            Self::Bincode => Bincode2::FORMAT,
        }
    }

    /// Encodes a value.
    ///
    /// # Errors
    /// [`Error::Encode`] where the value cannot be written in this codec, for example a map without text keys in JSON, or is
    /// nested deeper than 100 levels.
    pub fn encode<T: Serialize>(self, value: &T) -> Result<Encoded, Error> {
        let bytes = match self {
            Self::Json => Json::encode(value),
            Self::Bincode => Bincode2::encode(value),
        };
        match bytes {
            Ok(bytes) => Ok(Encoded::new(self.format(), bytes)),
            Err(problem) => Err(Error::Encode {
                type_name: std::any::type_name::<T>(),
                format: self.format(),
                problem,
            }),
        }
    }

    /// Decodes a value.
    ///
    /// # Errors
    /// [`Error::Decode`] where the envelope names another format, the bytes are not a `T`, or they are nested deeper than 100
    /// levels.
    pub fn decode<T: DeserializeOwned>(self, encoded: &Encoded) -> Result<T, Error> {
        let value = if encoded.format == self.format() {
            match self {
                Self::Json => Json::decode(&encoded.bytes),
                Self::Bincode => Bincode2::decode(&encoded.bytes),
            }
        } else {
            Err(format!(
                "it is written in {}, and this topic reads {}; give both sides the same Topic definition",
                encoded.format,
                self.format()
            ))
        };
        value.map_err(|problem| Error::Decode {
            type_name: std::any::type_name::<T>(),
            problem,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mismatch_of_codecs_names_both() {
        let encoded = Codec::Bincode.encode(&7u32).unwrap();
        let error = Codec::Json.decode::<u32>(&encoded).unwrap_err().to_string();
        assert!(error.contains("bincode/1") && error.contains("json/1"), "{error}");
        let alien = Encoded::new(Format::from_number(999), vec![1]);
        assert!(
            Codec::Json
                .decode::<u32>(&alien)
                .unwrap_err()
                .to_string()
                .contains("unknown format 999")
        );
    }

    proptest! {
        #[test]
        fn every_value_comes_back(text in ".*", number: i64, list: Vec<Option<u8>>) {
            let value = (text, number, list);
            for codec in [Codec::Json, Codec::Bincode] {
                let encoded = codec.encode(&value).unwrap();
                prop_assert_eq!(&codec.decode::<(String, i64, Vec<Option<u8>>)>(&encoded).unwrap(), &value);
            }
        }

        #[test]
        fn random_bytes_are_an_error_and_never_a_panic(bytes: Vec<u8>, number: u16) {
            for codec in [Codec::Json, Codec::Bincode] {
                let _ = codec.decode::<(String, Vec<String>)>(&Encoded::new(codec.format(), bytes.clone()));
                let _ = codec.decode::<String>(&Encoded::new(Format::from_number(number), bytes.clone()));
            }
        }
    }
}
