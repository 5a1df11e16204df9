//! Command sets (PS3.7 sections 6.3.1, 9.3 and E.1): group 0000 in implicit VR little endian.

use crate::part10::is_uid;

/// More than any command that this service answers needs.
pub const MAX_COMMAND_BYTES: usize = 16 * 1024;

/// Command Data Set Type (0000,0800) of a message without a data set.
const NO_DATA_SET: u16 = 0x0101;

pub const C_STORE_RQ: u16 = 0x0001;
pub const C_ECHO_RQ: u16 = 0x0030;
pub const C_CANCEL_RQ: u16 = 0x0FFF;
/// Set in the command field of every response.
const RESPONSE: u16 = 0x8000;

/// Status: the operation is not one that this service knows (PS3.7 C.4.5).
pub const UNRECOGNIZED_OPERATION: u16 = 0x0211;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    #[error("the command set ends inside an element")]
    Truncated,
    #[error("the command set holds an element of group {0:04X}")]
    WrongGroup(u16),
    #[error("element (0000,{element:04X}) has {length} bytes")]
    WrongLength { element: u16, length: usize },
    #[error("element (0000,{0:04X}) is missing")]
    Missing(u16),
    #[error("element (0000,{0:04X}) is not a UID")]
    NotUid(u16),
}

/// A request, as far as Verification and Storage need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Command Field (0000,0100).
    pub field: u16,
    /// Message ID (0000,0110).
    pub message_id: u16,
    pub has_data_set: bool,
    /// Affected SOP Class UID (0000,0002), empty where absent.
    pub sop_class_uid: String,
    /// Affected SOP Instance UID (0000,1000), empty where absent.
    pub sop_instance_uid: String,
}

impl Request {
    /// Reads a complete command set.
    ///
    /// # Errors
    /// Where the bytes are not a flat list of elements of group 0000, or one that every request needs is absent.
    pub fn read(mut bytes: &[u8]) -> Result<Self, Error> {
        let (mut field, mut message_id, mut data_set_type) = (None, None, None);
        let (mut sop_class_uid, mut sop_instance_uid) = (String::new(), String::new());
        while !bytes.is_empty() {
            let (header, rest) = bytes.split_first_chunk::<8>().ok_or(Error::Truncated)?;
            let group = u16::from_le_bytes([header[0], header[1]]);
            let element = u16::from_le_bytes([header[2], header[3]]);
            let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
            if group != 0 {
                return Err(Error::WrongGroup(group));
            }
            let (value, rest) = rest.split_at_checked(length).ok_or(Error::Truncated)?;
            bytes = rest;
            match element {
                0x0002 => sop_class_uid = uid(element, value)?,
                0x0100 => field = Some(number(element, value)?),
                0x0110 => message_id = Some(number(element, value)?),
                0x0800 => data_set_type = Some(number(element, value)?),
                0x1000 => sop_instance_uid = uid(element, value)?,
                _ => {}
            }
        }
        Ok(Self {
            field: field.ok_or(Error::Missing(0x0100))?,
            message_id: message_id.unwrap_or(0),
            has_data_set: data_set_type.ok_or(Error::Missing(0x0800))? != NO_DATA_SET,
            sop_class_uid,
            sop_instance_uid,
        })
    }

    /// The response to this request, with `status` and, for the peer's log, a comment of at most 64 characters.
    pub fn response(&self, status: u16, comment: &str) -> Vec<u8> {
        let mut group = Vec::with_capacity(160);
        if !self.sop_class_uid.is_empty() {
            text(&mut group, 0x0002, &self.sop_class_uid, 0);
        }
        word(&mut group, 0x0100, self.field | RESPONSE);
        word(&mut group, 0x0120, self.message_id);
        word(&mut group, 0x0800, NO_DATA_SET);
        word(&mut group, 0x0900, status);
        if !comment.is_empty() {
            // Error Comment (0000,0902) is LO: one line of the default repertoire.
            let line: String = comment
                .chars()
                .filter(|c| (' '..='~').contains(c) && *c != '\\')
                .take(64)
                .collect();
            text(&mut group, 0x0902, &line, b' ');
        }
        if !self.sop_instance_uid.is_empty() {
            text(&mut group, 0x1000, &self.sop_instance_uid, 0);
        }
        let mut command = Vec::with_capacity(group.len() + 12);
        element(&mut command, 0x0000, &(group.len() as u32).to_le_bytes());
        command.extend_from_slice(&group);
        command
    }
}

fn number(element: u16, value: &[u8]) -> Result<u16, Error> {
    let bytes: [u8; 2] = value.try_into().map_err(|_| Error::WrongLength {
        element,
        length: value.len(),
    })?;
    Ok(u16::from_le_bytes(bytes))
}

/// A UID without its padding, which some peers make a space.
fn uid(element: u16, value: &[u8]) -> Result<String, Error> {
    let end = value
        .iter()
        .rposition(|byte| !matches!(byte, 0 | b' '))
        .map_or(0, |last| last + 1);
    let text = std::str::from_utf8(&value[..end]).map_err(|_| Error::NotUid(element))?;
    if is_uid(text) {
        Ok(text.to_owned())
    } else {
        Err(Error::NotUid(element))
    }
}

fn element(out: &mut Vec<u8>, element: u16, value: &[u8]) {
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&element.to_le_bytes());
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(value);
}

fn word(out: &mut Vec<u8>, number: u16, value: u16) {
    element(out, number, &value.to_le_bytes());
}

fn text(out: &mut Vec<u8>, number: u16, value: &str, padding: u8) {
    let mut bytes = value.as_bytes().to_vec();
    if bytes.len() % 2 == 1 {
        bytes.push(padding);
    }
    element(out, number, &bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn store_request() -> Vec<u8> {
        let mut bytes = Vec::new();
        text(&mut bytes, 0x0002, "1.2.840.10008.5.1.4.1.1.1", 0);
        word(&mut bytes, 0x0100, C_STORE_RQ);
        word(&mut bytes, 0x0110, 7);
        word(&mut bytes, 0x0700, 0);
        word(&mut bytes, 0x0800, 1);
        text(&mut bytes, 0x1000, "1.2.3.4", 0);
        bytes
    }

    #[test]
    fn a_store_request_is_read() {
        let request = Request::read(&store_request()).unwrap();
        assert_eq!(
            request,
            Request {
                field: C_STORE_RQ,
                message_id: 7,
                has_data_set: true,
                sop_class_uid: "1.2.840.10008.5.1.4.1.1.1".to_owned(),
                sop_instance_uid: "1.2.3.4".to_owned(),
            }
        );
    }

    #[test]
    fn a_response_is_a_command_set_of_the_stated_length() {
        let bytes = Request::read(&store_request())
            .unwrap()
            .response(0xC000, "line one\nline\\two");
        let length = u32::from_le_bytes(bytes[8..12].try_into().unwrap());
        assert_eq!(bytes.len(), 12 + length as usize);
        let read = Request::read(&bytes).unwrap();
        assert_eq!(read.field, C_STORE_RQ | RESPONSE);
        assert!(!read.has_data_set);
        assert!(String::from_utf8_lossy(&bytes).contains("line onelinetwo"));
    }

    #[test]
    fn a_lying_length_is_refused_without_memory() {
        let mut bytes = store_request();
        bytes.extend_from_slice(&[0, 0, 0x02, 0x09, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(Request::read(&bytes), Err(Error::Truncated));
    }

    #[test]
    fn a_data_set_element_is_refused() {
        let mut bytes = store_request();
        bytes.extend_from_slice(&[8, 0, 0x18, 0, 0, 0, 0, 0]);
        assert_eq!(Request::read(&bytes), Err(Error::WrongGroup(8)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Request::read(&bytes);
        }

        #[test]
        fn damage_does_not_make_it_panic(at in 0_usize..100, value in any::<u8>(), cut in 0_usize..100) {
            let mut bytes = store_request();
            let at = at % bytes.len();
            bytes[at] = value;
            bytes.truncate(bytes.len() - cut % bytes.len());
            let _ = Request::read(&bytes);
        }
    }
}
