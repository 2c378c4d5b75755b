//! Writing: every value that serde hands on is wrapped again, one level further down.

use std::fmt::Display;

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{Shallow, below};

fn enter<E: Error>(depth: u8, levels: u8) -> Result<u8, E> {
    below(depth, levels).map_err(E::custom)
}

impl<T: Serialize + ?Sized> Serialize for Shallow<&T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.inner.serialize(Shallow {
            inner: to,
            depth: self.depth,
        })
    }
}

macro_rules! flat {
    ($($method:ident($($argument:ident: $kind:ty),*);)*) => {$(
        fn $method(self, $($argument: $kind),*) -> Result<S::Ok, S::Error> {
            self.inner.$method($($argument),*)
        }
    )*};
}

/// A variant with several values is two levels, the variant and what is in it, as in JSON.
macro_rules! nested {
    ($($method:ident($($argument:ident: $kind:ty),*) -> $compound:ident, $levels:literal;)*) => {$(
        fn $method(self, $($argument: $kind),*) -> Result<Self::$compound, S::Error> {
            let depth = enter(self.depth, $levels)?;
            let inner = self.inner.$method($($argument),*)?;
            Ok(Shallow { inner, depth })
        }
    )*};
}

impl<S: Serializer> Serializer for Shallow<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Shallow<S::SerializeSeq>;
    type SerializeTuple = Shallow<S::SerializeTuple>;
    type SerializeTupleStruct = Shallow<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Shallow<S::SerializeTupleVariant>;
    type SerializeMap = Shallow<S::SerializeMap>;
    type SerializeStruct = Shallow<S::SerializeStruct>;
    type SerializeStructVariant = Shallow<S::SerializeStructVariant>;

    flat! {
        serialize_bool(value: bool);
        serialize_i8(value: i8);
        serialize_i16(value: i16);
        serialize_i32(value: i32);
        serialize_i64(value: i64);
        serialize_i128(value: i128);
        serialize_u8(value: u8);
        serialize_u16(value: u16);
        serialize_u32(value: u32);
        serialize_u64(value: u64);
        serialize_u128(value: u128);
        serialize_f32(value: f32);
        serialize_f64(value: f64);
        serialize_char(value: char);
        serialize_str(value: &str);
        serialize_bytes(value: &[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    nested! {
        serialize_seq(length: Option<usize>) -> SerializeSeq, 1;
        serialize_tuple(length: usize) -> SerializeTuple, 1;
        serialize_tuple_struct(name: &'static str, length: usize) -> SerializeTupleStruct, 1;
        serialize_map(length: Option<usize>) -> SerializeMap, 1;
        serialize_struct(name: &'static str, length: usize) -> SerializeStruct, 1;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, length: usize)
            -> SerializeTupleVariant, 2;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, length: usize)
            -> SerializeStructVariant, 2;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let depth = enter(self.depth, 1)?;
        self.inner.serialize_some(&Shallow { inner: value, depth })
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let depth = enter(self.depth, 1)?;
        self.inner
            .serialize_newtype_struct(name, &Shallow { inner: value, depth })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let depth = enter(self.depth, 1)?;
        self.inner
            .serialize_newtype_variant(name, index, variant, &Shallow { inner: value, depth })
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! elements {
    ($($of:ident::$method:ident;)*) => {$(
        impl<C: $of> $of for Shallow<C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                let depth = self.depth;
                self.inner.$method(&Shallow { inner: value, depth })
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

elements! {
    SerializeSeq::serialize_element;
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

macro_rules! fields {
    ($($of:ident;)*) => {$(
        impl<C: $of> $of for Shallow<C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), C::Error> {
                let depth = self.depth;
                self.inner.serialize_field(key, &Shallow { inner: value, depth })
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), C::Error> {
                self.inner.skip_field(key)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

fields! {
    SerializeStruct;
    SerializeStructVariant;
}

impl<C: SerializeMap> SerializeMap for Shallow<C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        let depth = self.depth;
        self.inner.serialize_key(&Shallow { inner: key, depth })
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        let depth = self.depth;
        self.inner.serialize_value(&Shallow { inner: value, depth })
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}
