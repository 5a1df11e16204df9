//! A storage SCU of a hundred lines, so that these tests need no other program and may send what none would.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An association with one presentation context.
pub struct Scu {
    stream: TcpStream,
    message: u16,
}

fn item(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, 0];
    out.extend_from_slice(&(body.len() as u16).to_be_bytes());
    out.extend_from_slice(body);
    out
}

fn pdu(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, 0];
    out.extend_from_slice(&(body.len() as u32).to_be_bytes());
    out.extend_from_slice(body);
    out
}

fn command(elements: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, value) in elements {
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&(value.len().next_multiple_of(2) as u32).to_le_bytes());
        out.extend_from_slice(value);
        out.resize(out.len() + value.len() % 2, 0);
    }
    out
}

/// The data set of a file that [`dimse::file_meta`] or the writer of `dicom-io` began, and its group 0002.
pub fn data_set(file: &[u8]) -> &[u8] {
    let length = u32::from_le_bytes(file[140..144].try_into().unwrap()) as usize;
    &file[144 + length..]
}

/// The SOP class, the SOP instance and the transfer syntax in the group 0002 of any file, and the data set after it;
/// `None` where a sender would not know what to say of the file.
pub fn read_meta(file: &[u8]) -> Option<([String; 3], &[u8])> {
    if file.get(128..136)? != b"DICM\x02\x00\x00\x00" {
        return None;
    }
    let length = u32::from_le_bytes(file.get(140..144)?.try_into().ok()?) as usize;
    let mut group = file.get(144..144 + length)?;
    let mut found = [const { String::new() }; 3];
    while !group.is_empty() {
        let number = u16::from_le_bytes(group.get(2..4)?.try_into().ok()?);
        let long = matches!(group.get(4..6)?, b"OB" | b"UN" | b"UT");
        let (start, length) = if long {
            (12, u32::from_le_bytes(group.get(8..12)?.try_into().ok()?) as usize)
        } else {
            (8, usize::from(u16::from_le_bytes(group.get(6..8)?.try_into().ok()?)))
        };
        let value = group.get(start..start + length)?;
        if let Some(index) = [0x02, 0x03, 0x10].iter().position(|wanted| *wanted == number) {
            let text = String::from_utf8_lossy(value);
            text.trim_end_matches(['\0', ' ']).clone_into(&mut found[index]);
        }
        group = &group[start + length..];
    }
    let data_set = &file[144 + length..];
    found.iter().all(|text| !text.is_empty()).then_some((found, data_set))
}

impl Scu {
    pub fn open(address: SocketAddr, calling: &str, sop_class: &str, transfer_syntax: &str) -> Option<Self> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        stream.set_write_timeout(Some(Duration::from_secs(30))).ok()?;
        let mut body = vec![0, 1, 0, 0];
        body.extend_from_slice(b"SHENTON         ");
        body.extend_from_slice(format!("{calling:16}").as_bytes());
        body.extend_from_slice(&[0; 32]);
        body.extend(item(0x10, b"1.2.840.10008.3.1.1.1"));
        let mut context = vec![1, 0, 0, 0];
        context.extend(item(0x30, sop_class.as_bytes()));
        context.extend(item(0x40, transfer_syntax.as_bytes()));
        body.extend(item(0x20, &context));
        body.extend(item(0x50, &item(0x51, &65536_u32.to_be_bytes())));
        stream.write_all(&pdu(1, &body)).ok()?;
        let mut scu = Self { stream, message: 0 };
        (scu.read()?.0 == 2).then_some(scu)
    }

    /// Sends a data set; the status, or `None` where the association broke off.
    pub fn store(&mut self, sop_class: &str, instance: &str, data_set: &[u8]) -> Option<u16> {
        self.message = self.message.wrapping_add(1);
        let command = command(&[
            (0x0002, sop_class.as_bytes().to_vec()),
            (0x0100, 1_u16.to_le_bytes().to_vec()),
            (0x0110, self.message.to_le_bytes().to_vec()),
            (0x0700, 0_u16.to_le_bytes().to_vec()),
            (0x0800, 0_u16.to_le_bytes().to_vec()),
            (0x1000, instance.as_bytes().to_vec()),
        ]);
        self.send(0x03, &command)?;
        let mut chunks = data_set.chunks(30_000).peekable();
        if chunks.peek().is_none() {
            self.send(0x02, &[])?;
        }
        while let Some(chunk) = chunks.next() {
            self.send(if chunks.peek().is_none() { 0x02 } else { 0x00 }, chunk)?;
        }
        let (kind, body) = self.read()?;
        let at = body.windows(8).position(|window| window == [0, 0, 0, 9, 2, 0, 0, 0])?;
        (kind == 4).then(|| u16::from_le_bytes([body[at + 8], body[at + 9]]))
    }

    fn send(&mut self, header: u8, data: &[u8]) -> Option<()> {
        let mut body = (data.len() as u32 + 2).to_be_bytes().to_vec();
        body.extend_from_slice(&[1, header]);
        body.extend_from_slice(data);
        self.stream.write_all(&pdu(4, &body)).ok()
    }

    fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut header = [0; 6];
        self.stream.read_exact(&mut header).ok()?;
        let mut body = vec![0; u32::from_be_bytes(header[2..6].try_into().unwrap()) as usize];
        self.stream.read_exact(&mut body).ok()?;
        Some((header[0], body))
    }
}
