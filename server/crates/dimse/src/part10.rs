//! The head of a DICOM file (PS3.10 section 7.1): preamble, prefix and file meta information.

/// Identifies this implementation in files and associations (PS3.7 D.3.3.2); a UUID-derived UID (PS3.5 B.2).
pub const IMPLEMENTATION_CLASS_UID: &str = "2.25.104571836217560286434316921398230547629";
/// PS3.7 D.3.3.2.3: at most 16 characters.
pub const IMPLEMENTATION_VERSION_NAME: &str = "SHENTON_0_1";

/// Whether `text` has a UID's characters and length (PS3.5 section 9.1).
///
/// Components with leading zeros, which the standard forbids and archives hold, are let through.
pub fn is_uid(text: &str) -> bool {
    text.len() <= 64
        && text
            .split('.')
            .all(|component| !component.is_empty() && component.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Preamble, `DICM` and group 0002 for a data set in `transfer_syntax`: the data set's bytes follow as they are.
pub fn file_meta(sop_class_uid: &str, sop_instance_uid: &str, transfer_syntax: &str, calling_ae: &str) -> Vec<u8> {
    let mut group = Vec::with_capacity(256);
    // (0002,0001) File Meta Information Version is OB, with a four-byte length.
    group.extend_from_slice(&[0x02, 0x00, 0x01, 0x00, b'O', b'B', 0, 0, 2, 0, 0, 0, 0x00, 0x01]);
    short_element(&mut group, 0x0002, b"UI", sop_class_uid, 0);
    short_element(&mut group, 0x0003, b"UI", sop_instance_uid, 0);
    short_element(&mut group, 0x0010, b"UI", transfer_syntax, 0);
    short_element(&mut group, 0x0012, b"UI", IMPLEMENTATION_CLASS_UID, 0);
    short_element(&mut group, 0x0013, b"SH", IMPLEMENTATION_VERSION_NAME, b' ');
    if !calling_ae.is_empty() {
        // (0002,0016) Source Application Entity Title.
        short_element(&mut group, 0x0016, b"AE", calling_ae, b' ');
    }

    let mut file = vec![0; 128];
    file.extend_from_slice(b"DICM");
    file.extend_from_slice(&[0x02, 0x00, 0x00, 0x00, b'U', b'L', 4, 0]);
    file.extend_from_slice(&(group.len() as u32).to_le_bytes());
    file.extend_from_slice(&group);
    file
}

/// Appends an element of group 0002 with a two-byte length, padded to an even one.
fn short_element(out: &mut Vec<u8>, element: u16, vr: &[u8; 2], value: &str, padding: u8) {
    let padded = value.len() + value.len() % 2;
    out.extend_from_slice(&0x0002_u16.to_le_bytes());
    out.extend_from_slice(&element.to_le_bytes());
    out.extend_from_slice(vr);
    out.extend_from_slice(&(padded as u16).to_le_bytes());
    out.extend_from_slice(value.as_bytes());
    if padded > value.len() {
        out.push(padding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_told_from_other_text() {
        for sound in ["1.2.840.10008.1.1", "2.25.0", "1.2.003"] {
            assert!(is_uid(sound), "{sound}");
        }
        let long = "1.".repeat(32) + "1";
        for wrong in ["", ".", "1..2", "1.2.", ".1", "1.2a", "1.2 ", "../1", long.as_str()] {
            assert!(!is_uid(wrong), "{wrong}");
        }
    }

    #[test]
    fn the_group_length_counts_to_the_end() {
        let file = file_meta("1.2.840.10008.5.1.4.1.1.1", "1.2.3", "1.2.840.10008.1.2.1", "MODALITY");
        let length = u32::from_le_bytes(file[140..144].try_into().unwrap());
        assert_eq!(file.len(), 144 + length as usize);
        assert_eq!(file.len() % 2, 0);
    }
}
