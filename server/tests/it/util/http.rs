//! `multipart/related` bodies, and an HTTP client that can be cut off at any time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub const BOUNDARY: &str = "edge-of-a-part";
pub const CONTENT_TYPE: &str = "multipart/related; type=\"application/dicom\"; boundary=edge-of-a-part";

pub fn multipart<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        body.extend_from_slice(format!("--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n").as_bytes());
        body.extend_from_slice(part);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// Sends files by STOW-RS; the status and the body, or `None` where the connection broke off.
pub fn stow(address: SocketAddr, credentials: &str, files: &[&[u8]]) -> Option<(u16, Vec<u8>)> {
    let body = multipart(files.iter().copied());
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    let head = format!(
        "POST /dicomweb/studies HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic {}\r\nContent-Type: {CONTENT_TYPE}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        STANDARD.encode(credentials),
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let status = std::str::from_utf8(&answer[..end])
        .ok()?
        .split(' ')
        .nth(1)?
        .parse()
        .ok()?;
    Some((status, answer.split_off(end + 4)))
}
