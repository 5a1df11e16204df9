//! Files that a server must survive, written by hand so that nothing refuses to write them.

use std::path::PathBuf;

use rand::Rng;
use rand_chacha::ChaCha12Rng;

pub const DX: &str = "1.2.840.10008.5.1.4.1.1.1.1";

/// An element in explicit VR little endian with a two-byte length.
pub fn element(out: &mut Vec<u8>, group: u16, number: u16, vr: &[u8; 2], value: &[u8]) {
    out.extend_from_slice(&group.to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(vr);
    out.extend_from_slice(&(value.len() as u16).to_le_bytes());
    out.extend_from_slice(value);
}

fn uid(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

/// File meta information and the UIDs that every instance has.
pub fn head(sop_class: &str, study: &str, instance: &str, transfer_syntax: &str) -> Vec<u8> {
    let mut file = dimse::file_meta(sop_class, instance, transfer_syntax, "TEST");
    element(&mut file, 0x0008, 0x0016, b"UI", &uid(sop_class));
    element(&mut file, 0x0008, 0x0018, b"UI", &uid(instance));
    element(&mut file, 0x0020, 0x000D, b"UI", &uid(study));
    element(&mut file, 0x0020, 0x000E, b"UI", &uid(&format!("{study}.1")));
    file
}

fn image(file: &mut Vec<u8>, samples: u16, frames: Option<&str>, photometric: &str, rows: u16, columns: u16) {
    element(file, 0x0028, 0x0002, b"US", &samples.to_le_bytes());
    let mut photometric = photometric.as_bytes().to_vec();
    photometric.resize(photometric.len().next_multiple_of(2), b' ');
    element(file, 0x0028, 0x0004, b"CS", &photometric);
    if samples > 1 {
        element(file, 0x0028, 0x0006, b"US", &0_u16.to_le_bytes());
    }
    if let Some(frames) = frames {
        element(file, 0x0028, 0x0008, b"IS", frames.as_bytes());
    }
    element(file, 0x0028, 0x0010, b"US", &rows.to_le_bytes());
    element(file, 0x0028, 0x0011, b"US", &columns.to_le_bytes());
    element(file, 0x0028, 0x0100, b"US", &8_u16.to_le_bytes());
    element(file, 0x0028, 0x0101, b"US", &8_u16.to_le_bytes());
    element(file, 0x0028, 0x0102, b"US", &7_u16.to_le_bytes());
    element(file, 0x0028, 0x0103, b"US", &0_u16.to_le_bytes());
}

fn pixels(file: &mut Vec<u8>, bytes: usize) {
    file.extend_from_slice(&[0xE0, 0x7F, 0x10, 0x00, b'O', b'W', 0, 0]);
    file.extend_from_slice(&(bytes as u32).to_le_bytes());
    file.extend(std::iter::repeat_n(0x55, bytes));
}

/// Sequences of undefined length, one in the other, `depth` times: a few bytes each.
pub fn nested(study: &str, instance: &str, depth: usize) -> Vec<u8> {
    let mut file = head(DX, study, instance, "1.2.840.10008.1.2.1");
    for _ in 0..depth {
        // (0040,0275) Request Attributes Sequence and an item, both of undefined length.
        file.extend_from_slice(&[0x40, 0x00, 0x75, 0x02, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        file.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
    }
    for _ in 0..depth {
        file.extend_from_slice(&[0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0]);
        file.extend_from_slice(&[0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
    }
    file
}

/// Announces 65,535 rows and columns and holds a few bytes.
pub fn absurd(study: &str, instance: &str, transfer_syntax: &str) -> Vec<u8> {
    let mut file = head(DX, study, instance, transfer_syntax);
    image(&mut file, 1, None, "MONOCHROME2", 65535, 65535);
    pixels(&mut file, 64);
    file
}

/// Deep nesting and absurd dimensions, with their SOP Instance UIDs below `root`. The first is deep and sound; every
/// other one must be refused.
pub fn monsters(root: &str) -> Vec<(String, Vec<u8>)> {
    let explicit = "1.2.840.10008.1.2.1";
    let deflated = "1.2.840.10008.1.2.1.99";
    let jpeg = "1.2.840.10008.1.2.4.70";
    let mut monsters = Vec::new();
    for depth in [100, 10_000, 100_000, 1_000_000] {
        let instance = format!("{root}.66.{depth}");
        monsters.push((instance.clone(), nested(&format!("{root}.66"), &instance, depth)));
    }
    for (number, transfer_syntax) in [explicit, jpeg, deflated].into_iter().enumerate() {
        let instance = format!("{root}.67.{number}");
        monsters.push((
            instance.clone(),
            absurd(&format!("{root}.67"), &instance, transfer_syntax),
        ));
    }
    monsters
}

/// A picture in a transfer syntax that no radiograph has: a film in MPEG-4.
pub fn unsupported(study: &str, instance: &str) -> Vec<u8> {
    let mut file = head(DX, study, instance, "1.2.840.10008.1.2.4.102");
    image(&mut file, 1, None, "MONOCHROME2", 8, 8);
    file.extend_from_slice(&[0xE0, 0x7F, 0x10, 0x00, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    file.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0, 0, 0, 0, 0]);
    file.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0, 4, 0, 0, 0, 1, 2, 3, 4]);
    file.extend_from_slice(&[0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
    file
}

/// A sound colour image.
pub fn colour(study: &str, instance: &str) -> Vec<u8> {
    let mut file = head("1.2.840.10008.5.1.4.1.1.7", study, instance, "1.2.840.10008.1.2.1");
    image(&mut file, 3, None, "RGB", 8, 8);
    pixels(&mut file, 192);
    file
}

/// A sound image of four frames.
pub fn multi_frame(study: &str, instance: &str) -> Vec<u8> {
    let mut file = head("1.2.840.10008.5.1.4.1.1.7.2", study, instance, "1.2.840.10008.1.2.1");
    image(&mut file, 1, Some("4 "), "MONOCHROME2", 8, 8);
    pixels(&mut file, 256);
    file
}

/// A sound object without a picture, as a report is.
pub fn report(study: &str, instance: &str) -> Vec<u8> {
    head("1.2.840.10008.5.1.4.1.1.88.11", study, instance, "1.2.840.10008.1.2.1")
}

/// The directory of a disc: no study of its own.
pub fn directory() -> Vec<u8> {
    let mut file = dimse::file_meta("1.2.840.10008.1.3.10", "1.2.3.4", "1.2.840.10008.1.2.1", "");
    element(&mut file, 0x0004, 0x1130, b"CS", b"DISC");
    file
}

/// Changes a few bytes, cuts, inserts, or repeats.
pub fn damage(sound: &[u8], rng: &mut ChaCha12Rng) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..7) {
            0 | 1 => bytes[at] = rng.random(),
            // The head holds what a reader must understand: it deserves more of the damage.
            2 => {
                let at = rng.random_range(0..bytes.len().min(1600));
                bytes[at] ^= 1 << rng.random_range(0..8);
            }
            3 => {
                let at = rng.random_range(0..bytes.len().min(1600));
                let end = (at + 4).min(bytes.len());
                bytes[at..end].fill(0xFF);
            }
            4 => bytes.truncate(at.max(1)),
            5 => {
                let noise: Vec<u8> = (0..rng.random_range(1..64)).map(|_| rng.random()).collect();
                bytes.splice(at..at, noise);
            }
            _ => {
                let end = (at + rng.random_range(1..256)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

/// The folder of real files, where there is one.
pub fn corpus() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = std::env::var_os("SHENTON_CORPUS").map_or_else(|| root.join("../shared/corpus"), PathBuf::from);
    folder.join("dicom").is_dir().then_some(folder)
}
