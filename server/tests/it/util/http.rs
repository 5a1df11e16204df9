//! `multipart/related` bodies, and an HTTP client that says what no other would and can be cut off at any time.

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

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Lower case names.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A client of one server, signed in or not.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    /// Header lines of every request.
    lines: String,
}

impl Client {
    /// With HTTP Basic, as DICOMweb clients are.
    pub fn basic(address: SocketAddr, name: &str, password: &str) -> Self {
        let credentials = STANDARD.encode(format!("{name}:{password}"));
        Self {
            address,
            lines: format!("Authorization: Basic {credentials}\r\n"),
        }
    }

    /// With the session of a browser.
    pub fn browser(address: SocketAddr, name: &str, password: &str) -> Self {
        let form = format!("name={name}&password={}", password.replace(' ', "+"));
        let lines = "Sec-Fetch-Site: same-origin\r\n".to_owned();
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        let out = Self { address, lines };
        let answer = out.send("POST", "/sign-in", kind, form.as_bytes()).unwrap();
        assert_eq!(answer.header("location"), Some("/"), "the sign-in: {answer:?}");
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap();
        let lines = format!("{}Cookie: {cookie}\r\n", out.lines);
        Self { address, lines }
    }

    pub fn get(&self, path: &str) -> Option<Answer> {
        self.send("GET", path, "", b"")
    }

    /// Sends a file as the upload page does.
    pub fn upload(&self, name: &str, file: &[u8]) -> Option<Answer> {
        self.send("POST", "/upload/file", &format!("X-File-Name: {name}\r\n"), file)
    }

    /// Sends files by STOW-RS.
    pub fn stow(&self, files: &[&[u8]]) -> Option<Answer> {
        let body = multipart(files.iter().copied());
        let kind = format!("Content-Type: {CONTENT_TYPE}\r\n");
        self.send("POST", "/dicomweb/studies", &kind, &body)
    }

    /// Announces an upload of `length` bytes, sends these, and hangs up.
    pub fn hang_up(&self, file: &[u8], length: u64) {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(5)).unwrap();
        let Self { address, lines } = self;
        let head = format!("POST /upload/file HTTP/1.1\r\nHost: {address}\r\n{lines}Content-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(file).unwrap();
    }

    /// A request on a connection of its own; `None` where that broke off without an answer.
    pub fn send(&self, method: &str, path: &str, more: &str, body: &[u8]) -> Option<Answer> {
        self.lie(method, path, more, body, &body.len().to_string())
    }

    /// The same, with another `Content-Length` than the body has.
    pub fn lie(&self, method: &str, path: &str, more: &str, body: &[u8], length: &str) -> Option<Answer> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(5)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        let Self { address, lines } = self;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{lines}{more}Content-Length: {length}\r\n\
             Connection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).ok()?;
        // A server that refuses by the head alone may close before it has the body.
        let _ = stream.write_all(body);
        let mut bytes = Vec::new();
        if let Err(error) = stream.read_to_end(&mut bytes)
            && error.kind() != std::io::ErrorKind::ConnectionReset
        {
            return None;
        }
        parse(&bytes)
    }
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer {
        status,
        headers,
        body: bytes[end + 4..].to_vec(),
    };
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = joined(&answer.body)?;
    }
    Some(answer)
}

/// RFC 9112 section 7.1.
fn joined(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = chunks.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..line]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(chunks.get(line + 2..line + 2 + length)?);
        chunks = chunks.get(line + 4 + length..)?;
    }
}
