//! A reader of `multipart/related` bodies (RFC 2046 section 5.1, RFC 2387) that holds one part at a time.

use axum::body::Bytes;
use bytes::BytesMut;
use futures::{Stream, StreamExt};

/// The lines before the first delimiter, which mean nothing.
const MAX_PREAMBLE: usize = 64 * 1024;
/// The header lines of one part.
const MAX_HEADERS: usize = 16 * 1024;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    #[error("the body ends before its closing delimiter")]
    Truncated,
    #[error("the body has no delimiter where one must be")]
    NoDelimiter,
    #[error("the headers of a part are too long")]
    LongHeaders,
}

/// One part.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// As its header says, if it has one.
    pub content_type: Option<String>,
    /// `None` where it is longer than allowed; it was read to its end all the same.
    pub body: Option<Bytes>,
}

/// Reads parts from a stream of bytes.
pub struct Multipart<S> {
    stream: S,
    buffer: BytesMut,
    delimiter: Vec<u8>,
    max_part: usize,
    started: bool,
    ended: bool,
}

impl<S, E> Multipart<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    /// `max_part`: the longest body of one part, in bytes.
    pub fn new(stream: S, boundary: &str, max_part: usize) -> Self {
        // The first delimiter needs no line end before it; with one put there, all are alike.
        let buffer = BytesMut::from(&b"\r\n"[..]);
        Self {
            stream,
            buffer,
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            max_part,
            started: false,
            ended: false,
        }
    }

    /// The next part, or `None` after the closing delimiter.
    ///
    /// # Errors
    /// The body is not what its boundary says, or broke off; no more parts can be read then.
    pub async fn next(&mut self) -> Result<Option<Part>, Error> {
        if self.ended {
            return Ok(None);
        }
        let part = self.read().await;
        self.ended = !matches!(part, Ok(Some(_)));
        part
    }

    async fn read(&mut self) -> Result<Option<Part>, Error> {
        if !self.started {
            self.until_delimiter(MAX_PREAMBLE).await?.ok_or(Error::NoDelimiter)?;
            self.started = true;
        }
        // What follows the delimiter: two hyphens at the end of all, or perhaps blanks, then the line's end.
        while self.buffer.len() < 2 {
            self.more().await?;
        }
        if self.buffer.starts_with(b"--") {
            return Ok(None);
        }
        let headers = self.headers().await?;
        let body = self.until_delimiter(self.max_part).await?;
        Ok(Some(Part {
            content_type: content_type(&headers),
            body,
        }))
    }

    /// The rest of the delimiter's line and the header lines, to the empty line.
    async fn headers(&mut self) -> Result<Bytes, Error> {
        let mut searched = 0;
        loop {
            if let Some(at) = memchr::memmem::find(&self.buffer[searched..], b"\r\n\r\n") {
                let at = searched + at;
                if at > MAX_HEADERS {
                    return Err(Error::LongHeaders);
                }
                let headers = self.buffer.split_to(at + 4).freeze();
                // The part's body may be empty: then its delimiter's line end is the one just taken.
                let blank = headers.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
                if !headers[blank..].starts_with(b"\r\n") {
                    return Err(Error::NoDelimiter);
                }
                return Ok(headers.slice(blank..));
            }
            searched = self.buffer.len().saturating_sub(3);
            if searched > MAX_HEADERS {
                return Err(Error::LongHeaders);
            }
            self.more().await?;
        }
    }

    /// Takes the bytes before the next delimiter and the delimiter; `None` where they are more than `limit`.
    async fn until_delimiter(&mut self, limit: usize) -> Result<Option<Bytes>, Error> {
        let finder = memchr::memmem::Finder::new(&self.delimiter).into_owned();
        let mut searched = 0;
        let mut dropped = false;
        loop {
            if let Some(at) = finder.find(&self.buffer[searched..]) {
                let at = searched + at;
                let body = self.buffer.split_to(at);
                let _ = self.buffer.split_to(self.delimiter.len());
                return Ok((!dropped && at <= limit).then(|| body.freeze()));
            }
            // A delimiter may begin in the last bytes.
            searched = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
            if dropped || searched > limit {
                dropped = true;
                let _ = self.buffer.split_to(searched);
                searched = 0;
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<(), Error> {
        match self.stream.next().await {
            Some(Ok(bytes)) => {
                self.buffer.extend_from_slice(&bytes);
                Ok(())
            }
            Some(Err(_)) | None => Err(Error::Truncated),
        }
    }
}

fn content_type(headers: &[u8]) -> Option<String> {
    String::from_utf8_lossy(headers).lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim()
            .eq_ignore_ascii_case("content-type")
            .then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        futures::executor::block_on(future)
    }

    /// Reads a body that comes in pieces of `size` bytes.
    fn read(body: &[u8], size: usize, max_part: usize) -> (Vec<Part>, Option<Error>) {
        let chunks: Vec<Result<Bytes, ()>> = body
            .chunks(size.max(1))
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
            .collect();
        let mut multipart = Multipart::new(futures::stream::iter(chunks), "edge", max_part);
        let mut parts = Vec::new();
        block_on(async {
            loop {
                match multipart.next().await {
                    Ok(Some(part)) => parts.push(part),
                    Ok(None) => return (parts, None),
                    Err(error) => return (parts, Some(error)),
                }
            }
        })
    }

    fn body(parts: &[&[u8]]) -> Vec<u8> {
        let mut body = Vec::new();
        for part in parts {
            body.extend_from_slice(b"--edge\r\nContent-Type: application/dicom\r\nX: y\r\n\r\n");
            body.extend_from_slice(part);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--edge--\r\n");
        body
    }

    #[test]
    fn parts_come_out_as_they_went_in_whatever_the_pieces() {
        let parts: [&[u8]; 4] = [b"one", b"", b"\r\n--edg\r\n--\r\n", b"last\r\n"];
        for size in 1..80 {
            let (read, error) = read(&body(&parts), size, 100);
            assert_eq!(error, None, "pieces of {size}");
            let bodies: Vec<_> = read.iter().map(|part| part.body.as_deref().unwrap()).collect();
            assert_eq!(bodies, parts, "pieces of {size}");
            assert!(
                read.iter()
                    .all(|part| part.content_type.as_deref() == Some("application/dicom"))
            );
        }
    }

    #[test]
    fn a_preamble_and_a_part_without_headers_are_read() {
        let (parts, error) = read(b"for old readers\r\n--edge \t\r\n\r\nbody\r\n--edge--", 7, 100);
        assert_eq!(error, None);
        assert_eq!(
            parts,
            [Part {
                content_type: None,
                body: Some(Bytes::from_static(b"body"))
            }]
        );
    }

    #[test]
    fn a_long_part_is_passed_over_and_the_next_is_read() {
        for size in [1, 5, 1000] {
            let (parts, error) = read(&body(&[&[7; 500], b"short"]), size, 100);
            assert_eq!(error, None);
            assert_eq!(parts[0].body, None);
            assert_eq!(parts[1].body.as_deref(), Some(&b"short"[..]));
        }
    }

    #[test]
    fn a_body_that_breaks_off_says_so_after_the_whole_parts() {
        let whole = body(&[b"one", b"two"]);
        let (parts, error) = read(&whole[..whole.len() - 12], 10, 100);
        assert_eq!((parts.len(), error), (1, Some(Error::Truncated)));
    }

    #[test]
    fn endless_headers_and_preambles_take_no_memory() {
        let mut long = b"--edge\r\n".to_vec();
        long.extend(vec![b'a'; 100_000]);
        assert_eq!(read(&long, 1000, 100).1, Some(Error::LongHeaders));
        let mut preamble = vec![b'a'; 200_000];
        preamble.extend(body(&[b"one"]));
        assert_eq!(read(&preamble, 1000, 100).1, Some(Error::NoDelimiter));
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), size in 1_usize..50) {
            let _ = read(&bytes, size, 50);
        }

        #[test]
        fn damage_does_not_make_it_panic(at in 0_usize..200, value in any::<u8>(), size in 1_usize..50) {
            let mut bytes = body(&[b"one", b"two"]);
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = read(&bytes, size, 50);
        }
    }
}
