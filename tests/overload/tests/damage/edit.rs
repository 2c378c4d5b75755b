//! What is done to a stored value.

use proptest::prelude::*;
use proptest::sample::Index;

/// One edit of one field.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    /// Of all that are stored of the job, counted around.
    pub(crate) field: usize,
    pub(crate) change: Change,
}

/// A field that cannot take the change (a text where a number is stored) is left as it is.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Taken away, or null.
    Nothing,
    /// Random bytes.
    Bytes(Vec<u8>),
    /// Bytes that are a text.
    Text(String),
    Number(i64),
    /// One byte of what is stored is another.
    Flip(Index, u8),
    /// What is stored ends here.
    Cut(Index),
}

impl Change {
    /// What becomes of bytes; `None`: nothing is left.
    pub(crate) fn of_bytes(&self, mut old: Vec<u8>) -> Option<Vec<u8>> {
        match self {
            Self::Nothing => return None,
            Self::Bytes(bytes) => return Some(bytes.clone()),
            Self::Text(text) => return Some(text.clone().into_bytes()),
            Self::Number(number) => return Some(number.to_string().into_bytes()),
            Self::Flip(at, mask) if !old.is_empty() => {
                let at = at.index(old.len());
                old[at] ^= mask;
            }
            Self::Flip(..) => {}
            Self::Cut(at) => old.truncate(at.index(old.len() + 1)),
        }
        Some(old)
    }

    /// What becomes of a number; `None`: null.
    pub(crate) fn of_number(&self, old: i64) -> Option<i64> {
        match self {
            Self::Nothing => None,
            Self::Number(number) => Some(*number),
            Self::Flip(at, mask) => Some(old ^ i64::from(*mask) << (8 * at.index(8))),
            Self::Bytes(bytes) => Some(-(bytes.len() as i64)),
            Self::Text(text) => Some(text.len() as i64),
            Self::Cut(_) => Some(i64::MAX),
        }
    }
}

pub(crate) fn edit() -> impl Strategy<Value = Edit> {
    (0usize..1 << 16, change()).prop_map(|(field, change)| Edit { field, change })
}

fn change() -> impl Strategy<Value = Change> {
    let numbers = prop_oneof![
        -2i64..10,
        any::<i64>(),
        Just(i64::MIN),
        Just(i64::MAX),
        Just(i64::from(u32::MAX) + 1),
        Just(i64::from(i32::MAX)),
    ];
    prop_oneof![
        1 => Just(Change::Nothing),
        3 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Change::Bytes),
        2 => ".{0,40}".prop_map(Change::Text),
        1 => "\\PC{0,300}".prop_map(Change::Text),
        1 => prop::sample::select(vec!["{}", "[]", "null", "\"x\"", "{\"at\":1}", "\n", "{\"kind\":\"no\"}"])
            .prop_map(|text| Change::Text(text.to_owned())),
        3 => numbers.prop_map(Change::Number),
        4 => (any::<Index>(), 1u8..).prop_map(|(at, mask)| Change::Flip(at, mask)),
        2 => any::<Index>().prop_map(Change::Cut),
    ]
}
