use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::DEPTH_MAX;
use crate::{Codec, Encoded, Error, Format};

const CODECS: [Codec; 2] = [Codec::Json, Codec::Bincode];
/// Enough to overflow any stack.
const FAR_TOO_DEEP: usize = 1_000_000;

/// Every way in which serde lets a type contain itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Tree {
    Leaf,
    New(Box<Tree>),
    Pair(Box<Tree>, u8),
    Named { inner: Box<Tree> },
    List(Vec<Tree>),
    Map(BTreeMap<String, Tree>),
    Maybe(Option<Box<Tree>>),
    Tuple((Box<Tree>, u8)),
    Wrapped(Wrapped),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped(Option<Box<Wrapped>>);

/// A list that contains itself: one byte a level in bincode.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Nest(Vec<Nest>);

impl Drop for Nest {
    /// A recursive drop would overflow the stack by itself.
    fn drop(&mut self) {
        let mut rest = std::mem::take(&mut self.0);
        while let Some(mut next) = rest.pop() {
            rest.append(&mut next.0);
        }
    }
}

fn nest(levels: usize) -> Nest {
    (0..levels).fold(Nest(Vec::new()), |inner, _| Nest(vec![inner]))
}

fn assert_names_the_limit(error: Error) {
    let text = error.to_string();
    assert!(
        text.contains(&format!("deeper than {DEPTH_MAX} levels")),
        "{text}"
    );
}

#[test]
fn what_is_nested_far_too_deeply_is_an_error_when_written() {
    for codec in CODECS {
        let error = codec.encode(&nest(FAR_TOO_DEEP)).unwrap_err();
        assert!(matches!(error, Error::Encode { .. }), "{error:?}");
        assert_names_the_limit(error);
    }
}

#[test]
fn bytes_that_are_nested_far_too_deeply_are_an_error_when_read() {
    let json = Encoded::new(Format::JSON, "[".repeat(FAR_TOO_DEEP));
    let bincode = |byte| Encoded::new(Codec::Bincode.format(), vec![byte; FAR_TOO_DEEP]);
    for error in [
        Codec::Json.decode::<Nest>(&json).unwrap_err(),
        Codec::Json.decode::<serde_json::Value>(&json).unwrap_err(),
        Codec::Bincode.decode::<Nest>(&bincode(1)).unwrap_err(),
        Codec::Bincode.decode::<Wrapped>(&bincode(1)).unwrap_err(),
        // The number of each variant that contains the next.
        Codec::Bincode.decode::<Tree>(&bincode(1)).unwrap_err(),
        Codec::Bincode.decode::<Tree>(&bincode(2)).unwrap_err(),
        Codec::Bincode.decode::<Tree>(&bincode(3)).unwrap_err(),
        Codec::Bincode.decode::<Tree>(&bincode(4)).unwrap_err(),
        Codec::Bincode.decode::<Tree>(&bincode(7)).unwrap_err(),
    ] {
        assert!(matches!(error, Error::Decode { .. }), "{error:?}");
        assert_names_the_limit(error);
    }
}

#[test]
fn what_json_ignores_counts_too() {
    #[derive(Debug, Deserialize)]
    struct Empty {}
    let json = format!("{{\"unknown\":{}", "[".repeat(FAR_TOO_DEEP));
    Codec::Json
        .decode::<Empty>(&Encoded::new(Format::JSON, json))
        .unwrap_err();
}

#[test]
fn the_deepest_that_can_be_written_can_be_read() {
    for codec in CODECS {
        // Each level is a list in a newtype.
        let deepest = nest(usize::from(DEPTH_MAX) / 2 - 1);
        let encoded = codec.encode(&deepest).unwrap();
        assert_eq!(codec.decode::<Nest>(&encoded).unwrap(), deepest);
        assert_names_the_limit(codec.encode(&nest(usize::from(DEPTH_MAX) / 2)).unwrap_err());
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    // A deeper `Wrapped` does not come back from JSON, where it is `null` at any depth.
    let leaf = prop_oneof![
        Just(Tree::Leaf),
        Just(Tree::Maybe(None)),
        Just(Tree::Wrapped(Wrapped(None)))
    ];
    leaf.prop_recursive(40, 60, 3, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            boxed.clone().prop_map(Tree::New),
            (boxed.clone(), any::<u8>()).prop_map(|(tree, byte)| Tree::Pair(tree, byte)),
            boxed.clone().prop_map(|inner| Tree::Named { inner }),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Tree::List),
            proptest::collection::btree_map(".*", inner, 0..3).prop_map(Tree::Map),
            boxed.clone().prop_map(|tree| Tree::Maybe(Some(tree))),
            (boxed, any::<u8>()).prop_map(Tree::Tuple),
        ]
    })
}

proptest! {
    #[test]
    fn what_can_be_written_comes_back(tree in trees()) {
        for codec in CODECS {
            match codec.encode(&tree) {
                Ok(encoded) => prop_assert_eq!(&codec.decode::<Tree>(&encoded).unwrap(), &tree),
                Err(error) => assert_names_the_limit(error),
            }
        }
    }

    /// Small numbers are lengths and variants, so that much of it is nested.
    #[test]
    fn random_bytes_of_a_recursive_type_are_a_value_or_an_error(
        bytes in proptest::collection::vec(prop_oneof![9 => 0u8..9, 1 => any::<u8>()], 0..4096),
        byte in 0u8..9,
    ) {
        let same = vec![byte; bytes.len()];
        for bytes in [bytes, same] {
            for codec in CODECS {
                let encoded = Encoded::new(codec.format(), bytes.clone());
                let _ = codec.decode::<Tree>(&encoded);
                let _ = codec.decode::<Nest>(&encoded);
            }
        }
    }

    #[test]
    fn random_json_of_a_recursive_type_is_a_value_or_an_error(text in "[\\[\\]{}:,\"a0]{0,400}") {
        let encoded = Encoded::new(Format::JSON, text);
        let _ = Codec::Json.decode::<serde_json::Value>(&encoded);
        let _ = Codec::Json.decode::<Nest>(&encoded);
    }
}
