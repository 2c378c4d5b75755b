//! The contract that publisher and worker share.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use crate::{Codec, Error, TopicName};

/// A named stream of jobs of one payload type `T`, each of which ends with an `R`.
///
/// Put it into a crate that both sides depend on:
///
/// ```
/// use oqron_core::Topic;
/// # #[derive(serde::Serialize, serde::Deserialize)] pub struct Mail { to: String }
/// pub const WELCOME_MAIL: Topic<Mail, ()> = Topic::new("welcome-mail");
/// ```
///
/// The name is checked where the topic is used: an `add` and [`Runtime::worker`] answer an error for a bad one.
///
/// [`Runtime::worker`]: https://docs.rs/oqron-worker
pub struct Topic<T, R> {
    name: Cow<'static, str>,
    codec: Codec,
    types: PhantomData<fn(T) -> R>,
}

impl<T, R> Topic<T, R> {
    /// A topic with the default codec, JSON.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            codec: Codec::Json,
            types: PhantomData,
        }
    }

    /// A topic whose name is known only when the program runs.
    pub fn named(name: &TopicName) -> Self {
        Self {
            name: Cow::Owned(name.as_str().to_owned()),
            codec: Codec::Json,
            types: PhantomData,
        }
    }

    /// The same topic in another codec. Changing it makes the jobs that are already stored unreadable.
    #[must_use]
    pub const fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// The codec of payloads and results.
    pub const fn codec_in_use(&self) -> Codec {
        self.codec
    }

    /// The checked name.
    ///
    /// # Errors
    /// [`Error::InvalidName`].
    pub fn name(&self) -> Result<TopicName, Error> {
        TopicName::new(&self.name)
    }
}

impl<T, R> Clone for Topic<T, R> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            codec: self.codec,
            types: PhantomData,
        }
    }
}

impl<T, R> fmt::Debug for Topic<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topic({:?}, {})", self.name, self.codec.format())
    }
}
