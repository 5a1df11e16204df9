//! What a page asks of the server, and how the answer travels inside of the page.

use std::future::Future;

use leptos::prelude::*;
use leptos::server::codee::{Decoder, Encoder};
use serde::{Serialize, de::DeserializeOwned};

/// JSON, read as bytes. Server functions read their answers so too, and the reader of each type is compiled once;
/// leptos's own codec reads text, and with it every reader was in the bundle twice.
#[derive(Clone, Copy, Debug)]
pub struct Bytes;

impl<T: Serialize> Encoder<T> for Bytes {
    type Error = serde_json::Error;
    type Encoded = String;

    fn encode(value: &T) -> Result<String, Self::Error> {
        serde_json::to_string(value)
    }
}

impl<T: DeserializeOwned> Decoder<T> for Bytes {
    type Error = serde_json::Error;
    type Encoded = str;

    fn decode(text: &str) -> Result<T, Self::Error> {
        serde_json::from_slice(text.as_bytes())
    }
}

/// The answer to `asked` for each value of `source`: asked by the server before it sends the page, by the browser
/// from then on.
pub fn resource<T, S, Answer>(
    source: impl Fn() -> S + Send + Sync + 'static,
    asked: impl Fn(S) -> Answer + Send + Sync + 'static,
) -> Resource<T, Bytes>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
    S: PartialEq + Clone + Send + Sync + 'static,
    Answer: Future<Output = T> + Send + 'static,
{
    Resource::new_with_options(source, asked, false)
}
