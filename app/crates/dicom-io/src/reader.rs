//! Bytes to elements, without recursion and without copying.
//!
//! Nested sequences are stepped over without recursion, so depth costs nothing here. A file that is nested deeper
//! than any sound one is refused all the same: it would end the next reader that recurses, in the archive that it is
//! sent on to. A length is checked against the bytes that are there before it is believed, so nothing is allocated
//! because a file says so.

use crate::Error;
use crate::text::Charset;
use std::collections::BTreeMap;

/// Group in the upper half, element in the lower.
pub(crate) type Tag = u32;

const ITEM: Tag = 0xFFFE_E000;
const ITEM_END: Tag = 0xFFFE_E00D;
const SEQUENCE_END: Tag = 0xFFFE_E0DD;
const UNDEFINED: u32 = u32::MAX;
/// Sequences in one another; structured reports, the deepest of sound objects, stay below a few dozen.
const MAX_DEPTH: usize = 128;

pub(crate) const TRANSFER_SYNTAX_UID: Tag = 0x0002_0010;
pub(crate) const PIXEL_DATA: Tag = 0x7FE0_0010;

/// PS3.5 7.1.2: the value representations with a 32-bit length.
const LONG: [&[u8; 2]; 13] = [
    b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV",
];
/// And those with a 16-bit length.
const SHORT: [&[u8; 2]; 21] = [
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
    b"ST", b"TM", b"UI", b"UL", b"US",
];

/// How elements are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Syntax {
    pub explicit: bool,
    pub big_endian: bool,
}

impl Syntax {
    pub const IMPLICIT_LE: Self = Self {
        explicit: false,
        big_endian: false,
    };
    pub const EXPLICIT_LE: Self = Self {
        explicit: true,
        big_endian: false,
    };
    pub const EXPLICIT_BE: Self = Self {
        explicit: true,
        big_endian: true,
    };

    pub fn u16(self, b: [u8; 2]) -> u16 {
        if self.big_endian {
            u16::from_be_bytes(b)
        } else {
            u16::from_le_bytes(b)
        }
    }

    fn u32(self, b: [u8; 4]) -> u32 {
        if self.big_endian {
            u32::from_be_bytes(b)
        } else {
            u32::from_le_bytes(b)
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    /// Two spaces where the syntax does not say it.
    pub vr: [u8; 2],
    /// The value; of an undefined length: the items, without the closing delimiter.
    pub value: &'a [u8],
    pub undefined_length: bool,
    /// The file ends inside the value.
    pub truncated: bool,
}

#[derive(Clone, Copy)]
struct Header {
    tag: Tag,
    vr: [u8; 2],
    length: u32,
    /// Where the value begins.
    value: usize,
}

fn header(bytes: &[u8], at: usize, syntax: Syntax) -> Result<Header, Error> {
    let take2 = |at: usize| {
        bytes
            .get(at..at + 2)
            .and_then(|b| b.try_into().ok())
            .ok_or(Error::Truncated)
    };
    let take4 = |at: usize| {
        bytes
            .get(at..at + 4)
            .and_then(|b| b.try_into().ok())
            .ok_or(Error::Truncated)
    };
    let tag = u32::from(syntax.u16(take2(at)?)) << 16 | u32::from(syntax.u16(take2(at + 2)?));
    // PS3.5 7.5: items and delimiters have no VR in any syntax.
    if syntax.explicit && tag >> 16 != 0xFFFE {
        let vr: [u8; 2] = take2(at + 4)?;
        if SHORT.contains(&&vr) {
            return Ok(Header {
                tag,
                vr,
                length: u32::from(syntax.u16(take2(at + 6)?)),
                value: at + 8,
            });
        }
        if LONG.contains(&&vr) || vr.iter().all(u8::is_ascii_uppercase) {
            // PS3.5 7.1.2: a VR of the future has this form too. A UN that an old writer made in the short
            // form has its length where the two reserved bytes are.
            let reserved = syntax.u16(take2(at + 6)?);
            if &vr == b"UN" && reserved != 0 {
                return Ok(Header {
                    tag,
                    vr,
                    length: u32::from(reserved),
                    value: at + 8,
                });
            }
            return Ok(Header {
                tag,
                vr,
                length: syntax.u32(take4(at + 8)?),
                value: at + 12,
            });
        }
        if vr.iter().all(|b| b.is_ascii_graphic() || *b == b' ') && vr != *b"  " {
            // Not a VR, yet text: the writer meant the short form.
            return Ok(Header {
                tag,
                vr: *b"UN",
                length: u32::from(syntax.u16(take2(at + 6)?)),
                value: at + 8,
            });
        }
    }
    Ok(Header {
        tag,
        vr: *b"  ",
        length: syntax.u32(take4(at + 4)?),
        value: at + 8,
    })
}

/// The end of the content of an undefined length that begins at `start`, and where the next element begins.
fn undefined_end(bytes: &[u8], start: usize, syntax: Syntax, vr: [u8; 2]) -> Result<(usize, usize), Error> {
    let mut depth = 1u64;
    // PS3.5 6.2.2: a UN of undefined length is implicit little endian inside.
    let mut implicit_from = (&vr == b"UN").then_some(1u64);
    let mut at = start;
    loop {
        let inner = if implicit_from.is_some() {
            Syntax::IMPLICIT_LE
        } else {
            syntax
        };
        let head = header(bytes, at, inner)?;
        match head.tag {
            ITEM_END | SEQUENCE_END => {
                depth -= 1;
                if depth == 0 {
                    return Ok((at, head.value));
                }
                if implicit_from.is_some_and(|from| depth < from) {
                    implicit_from = None;
                }
                at = head.value;
            }
            _ if head.length == UNDEFINED => {
                depth += 1;
                if &head.vr == b"UN" && implicit_from.is_none() {
                    implicit_from = Some(depth);
                }
                at = head.value;
            }
            _ => {
                at = head.value + head.length as usize;
                if at > bytes.len() {
                    return Err(Error::Truncated);
                }
            }
        }
    }
}

/// Whether an element holds items: by its VR, or where that does not say it by the tag that its value begins with.
fn holds_items(vr: [u8; 2], value: &[u8], syntax: Syntax) -> bool {
    match &vr {
        b"SQ" => true,
        b"UN" => value.starts_with(&[0xFE, 0xFF, 0x00, 0xE0]),
        b"  " if syntax.big_endian => value.starts_with(&[0xFF, 0xFE, 0xE0, 0x00]),
        b"  " => value.starts_with(&[0xFE, 0xFF, 0x00, 0xE0]),
        _ => false,
    }
}

/// Refuses the items of a sequence where they nest deeper than [`MAX_DEPTH`]; other damage is not looked for here.
fn check_depth(bytes: &[u8], syntax: Syntax) -> Result<(), Error> {
    // The items and sequences that are open at `at`: where each ends, if it says so, and how its content is encoded.
    let mut open: Vec<(Option<usize>, Syntax)> = Vec::new();
    let mut at = 0;
    loop {
        if open.len() > 2 * MAX_DEPTH {
            return Err(Error::TooDeep { limit: MAX_DEPTH });
        }
        while let Some((Some(end), _)) = open.last()
            && at >= *end
        {
            open.pop();
        }
        let syntax = open.last().map_or(syntax, |(_, syntax)| *syntax);
        let Ok(head) = header(bytes, at, syntax) else {
            return Ok(());
        };
        let end = (head.length != UNDEFINED).then(|| head.value.saturating_add(head.length as usize));
        at = head.value;
        match head.tag {
            ITEM_END | SEQUENCE_END => {
                if open.last().is_some_and(|(end, _)| end.is_none()) {
                    open.pop();
                }
            }
            ITEM => open.push((end, syntax)),
            _ if end.is_none() || holds_items(head.vr, bytes.get(at..).unwrap_or_default(), syntax) => {
                let inside = if &head.vr == b"UN" { Syntax::IMPLICIT_LE } else { syntax };
                open.push((end, inside));
            }
            _ => at = end.unwrap_or(at),
        }
    }
}

/// The elements of one level.
#[derive(Debug)]
pub(crate) struct Dataset<'a> {
    pub syntax: Syntax,
    elements: BTreeMap<Tag, Element<'a>>,
}

impl<'a> Dataset<'a> {
    /// Reads from `at` to the end of `bytes`, or to Pixel Data and with it.
    ///
    /// # Errors
    /// [`Error::Truncated`] where the bytes end inside an element; inside Pixel Data the element says it.
    /// [`Error::TooDeep`] where sequences nest deeper than in any sound file.
    pub fn read(bytes: &'a [u8], mut at: usize, syntax: Syntax) -> Result<Self, Error> {
        let mut elements = BTreeMap::new();
        while at < bytes.len() {
            let rest = &bytes[at..];
            // Some writers fill the last sector with zeros.
            if rest.len() < 8 && rest.iter().all(|b| *b == 0) || rest.starts_with(&[0; 8]) {
                break;
            }
            let head = header(bytes, at, syntax)?;
            let mut element = Element {
                vr: head.vr,
                value: &[],
                undefined_length: false,
                truncated: false,
            };
            if head.length == UNDEFINED {
                element.undefined_length = true;
                match undefined_end(bytes, head.value, syntax, head.vr) {
                    Ok((end, next)) => {
                        element.value = &bytes[head.value..end];
                        at = next;
                    }
                    Err(Error::Truncated) if head.tag == PIXEL_DATA => {
                        element.value = &bytes[head.value..];
                        element.truncated = true;
                        at = bytes.len();
                    }
                    Err(error) => return Err(error),
                }
            } else {
                let end = head.value.checked_add(head.length as usize).ok_or(Error::Truncated)?;
                match bytes.get(head.value..end) {
                    Some(value) => element.value = value,
                    None if head.tag == PIXEL_DATA => {
                        element.value = &bytes[head.value.min(bytes.len())..];
                        element.truncated = true;
                    }
                    None => return Err(Error::Truncated),
                }
                at = end;
            }
            if head.tag != PIXEL_DATA && (element.undefined_length || holds_items(head.vr, element.value, syntax)) {
                let inside = if &head.vr == b"UN" { Syntax::IMPLICIT_LE } else { syntax };
                check_depth(element.value, inside)?;
            }
            elements.insert(head.tag, element);
            if head.tag == PIXEL_DATA {
                break;
            }
        }
        Ok(Self { syntax, elements })
    }

    pub fn get(&self, tag: Tag) -> Option<&Element<'a>> {
        self.elements.get(&tag)
    }

    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// The items of a sequence, at most `limit`; none where it is absent or damaged.
    pub fn items(&self, tag: Tag, limit: usize) -> Vec<Dataset<'a>> {
        let Some(element) = self.get(tag) else {
            return Vec::new();
        };
        // PS3.5 6.2.2: the content of a UN is implicit little endian.
        let syntax = if &element.vr == b"UN" {
            Syntax::IMPLICIT_LE
        } else {
            self.syntax
        };
        let bytes = element.value;
        let (mut at, mut items) = (0, Vec::new());
        while at < bytes.len() && items.len() < limit {
            let Ok(head) = header(bytes, at, syntax) else { break };
            if head.tag != ITEM {
                break;
            }
            let (end, next) = if head.length == UNDEFINED {
                match undefined_end(bytes, head.value, syntax, *b"SQ") {
                    Ok(ends) => ends,
                    Err(_) => break,
                }
            } else {
                let end = head.value + head.length as usize;
                (end, end)
            };
            let Some(item) = bytes.get(head.value..end) else { break };
            let Ok(dataset) = Dataset::read(item, 0, syntax) else {
                break;
            };
            items.push(dataset);
            at = next;
        }
        items
    }

    /// The fragments of encapsulated pixel data (PS3.5 A.4), without the offset table.
    pub fn fragments(&self, element: &Element<'a>) -> Result<Vec<&'a [u8]>, Error> {
        let bytes = element.value;
        let (mut at, mut fragments) = (0, Vec::new());
        while at < bytes.len() {
            let head = header(bytes, at, self.syntax)?;
            if head.tag != ITEM {
                return Err(Error::malformed("encapsulated Pixel Data without items"));
            }
            let end = head.value.checked_add(head.length as usize).ok_or(Error::Truncated)?;
            fragments.push(bytes.get(head.value..end).ok_or(Error::Truncated)?);
            at = end;
        }
        if fragments.is_empty() {
            Err(Error::Truncated)
        } else {
            Ok(fragments.split_off(1))
        }
    }

    /// The values of Specific Character Set.
    pub fn charset(&self) -> Charset {
        let terms = self.get(0x0008_0005).map(|e| ascii(e.value)).unwrap_or_default();
        Charset::new(&terms.split('\\').map(|t| t.trim().to_owned()).collect::<Vec<_>>())
    }

    /// A value of digits, letters and signs: UID, code string, date.
    pub fn ascii(&self, tag: Tag) -> String {
        self.get(tag).map(|e| ascii(e.value)).unwrap_or_default()
    }

    /// The numbers of a decimal or integer string, or of a binary value by its VR.
    pub fn numbers(&self, tag: Tag) -> Vec<f64> {
        let Some(element) = self.get(tag) else {
            return Vec::new();
        };
        let value = element.value;
        let le = |b: &[u8]| -> [u8; 8] {
            let mut out = [0; 8];
            out[..b.len()].copy_from_slice(b);
            if self.syntax.big_endian {
                out[..b.len()].reverse();
            }
            out
        };
        match &element.vr {
            b"FD" => value.chunks_exact(8).map(|b| f64::from_le_bytes(le(b))).collect(),
            b"FL" => value
                .chunks_exact(4)
                .map(|b| f64::from(f32::from_bits(u64::from_le_bytes(le(b)) as u32)))
                .collect(),
            b"US" => value
                .chunks_exact(2)
                .map(|b| u64::from_le_bytes(le(b)) as f64)
                .collect(),
            b"SS" => value
                .chunks_exact(2)
                .map(|b| f64::from(u64::from_le_bytes(le(b)) as i16))
                .collect(),
            b"UL" => value
                .chunks_exact(4)
                .map(|b| u64::from_le_bytes(le(b)) as f64)
                .collect(),
            b"SL" => value
                .chunks_exact(4)
                .map(|b| f64::from(u64::from_le_bytes(le(b)) as i32))
                .collect(),
            _ => ascii(value)
                .split('\\')
                .filter_map(|t| t.trim().parse().ok())
                .filter(|v: &f64| v.is_finite())
                .collect(),
        }
    }

    /// The 16-bit words of a value, whatever its VR.
    pub fn words(&self, tag: Tag) -> Vec<u16> {
        let value = self.get(tag).map_or(&[][..], |e| e.value);
        value.chunks_exact(2).map(|b| self.syntax.u16([b[0], b[1]])).collect()
    }

    /// The first 16-bit word of a value.
    pub fn word(&self, tag: Tag) -> Option<u16> {
        let value = self.get(tag)?.value;
        Some(self.syntax.u16([*value.first()?, *value.get(1)?]))
    }
}

/// Bytes as text, without the padding of PS3.5 6.2; what is not ASCII becomes a question mark.
fn ascii(bytes: &[u8]) -> String {
    let text: String = bytes
        .iter()
        .map(|b| if b.is_ascii() { char::from(*b) } else { '?' })
        .collect();
    text.trim_matches(|c: char| c == '\0' || c.is_ascii_whitespace())
        .to_owned()
}

/// A file: its transfer syntax and its data set.
pub(crate) struct File<'a> {
    pub meta: Option<Dataset<'a>>,
    pub transfer_syntax: String,
    pub dataset: Dataset<'a>,
}

/// How the body of the file is to be read, where its head says it or the bytes do.
fn guess(bytes: &[u8], at: usize, declared: Option<Syntax>) -> Option<Syntax> {
    let b = bytes.get(at..at + 8)?;
    let vr: [u8; 2] = [b[4], b[5]];
    let spelled = SHORT.contains(&&vr) || LONG.contains(&&vr);
    let big_endian = match declared {
        Some(syntax) => syntax.big_endian,
        // The first group is small: 0008 as a rule.
        None => b[0] == 0 && b[1] != 0,
    };
    // What is written counts more than what is declared: both mistakes are in the archives.
    match (spelled, declared) {
        (true, _) => Some(Syntax {
            explicit: true,
            big_endian,
        }),
        (false, Some(declared)) if b[4..6].iter().all(|b| b.is_ascii_graphic()) => Some(declared),
        (false, Some(declared)) if declared.big_endian => Some(declared),
        (false, _) => Some(Syntax {
            explicit: false,
            big_endian: false,
        }),
    }
}

/// Opens a file with or without preamble, prefix and file meta information.
///
/// `storage` keeps an inflated data set alive, which holds at most `max_bytes`.
///
/// # Errors
/// [`Error::NotDicom`], [`Error::Truncated`], [`Error::TooLarge`] of an inflated data set.
pub(crate) fn open<'a>(bytes: &'a [u8], storage: &'a mut Vec<u8>, max_bytes: u64) -> Result<File<'a>, Error> {
    let prefixed = bytes.get(128..132) == Some(b"DICM");
    let start = match bytes {
        _ if prefixed => 132,
        [b'D', b'I', b'C', b'M', ..] => 4,
        _ => 0,
    };
    // PS3.10 7.1: group 0002 is explicit little endian.
    let mut body = start;
    let mut has_meta = false;
    while let Ok(head) = header(bytes, body, Syntax::EXPLICIT_LE) {
        if head.tag >> 16 != 0x0002 || head.length == UNDEFINED {
            break;
        }
        body = head.value + head.length as usize;
        has_meta = true;
        if body > bytes.len() {
            return Err(Error::Truncated);
        }
    }
    let meta = has_meta
        .then(|| Dataset::read(&bytes[..body], start, Syntax::EXPLICIT_LE))
        .transpose()?;
    let mut transfer_syntax = meta.as_ref().map(|m| m.ascii(TRANSFER_SYNTAX_UID)).unwrap_or_default();
    let certain = prefixed || has_meta;
    if body >= bytes.len() {
        return Err(if certain { Error::Truncated } else { Error::NotDicom });
    }

    let (content, declared): (&'a [u8], Option<Syntax>) = match transfer_syntax.as_str() {
        "" => (bytes, None),
        uids::IMPLICIT_LE => (bytes, Some(Syntax::IMPLICIT_LE)),
        uids::EXPLICIT_BE => (bytes, Some(Syntax::EXPLICIT_BE)),
        uids::DEFLATED => {
            inflate(&bytes[body..], storage, max_bytes)?;
            body = 0;
            (storage.as_slice(), Some(Syntax::EXPLICIT_LE))
        }
        // PS3.5 A.4: every other one is explicit little endian.
        _ => (bytes, Some(Syntax::EXPLICIT_LE)),
    };
    let not_dicom = if certain { Error::Truncated } else { Error::NotDicom };
    let syntax = guess(content, body, declared).ok_or(not_dicom)?;
    let dataset = Dataset::read(content, body, syntax);
    if !certain {
        // Without the prefix only a sensible beginning tells DICOM from other bytes.
        let head = header(content, body, syntax).map_err(|_| Error::NotDicom)?;
        let sensible = matches!(head.tag >> 16, 0x0004 | 0x0008 | 0x0010) && (head.length as usize) < content.len();
        match &dataset {
            Ok(dataset) if sensible && dataset.len() > 2 => {}
            Err(Error::Truncated) if sensible && syntax.explicit => return Err(Error::Truncated),
            Err(Error::TooDeep { limit }) if sensible => return Err(Error::TooDeep { limit: *limit }),
            _ => return Err(Error::NotDicom),
        }
    }
    let dataset = dataset?;
    if transfer_syntax.is_empty() {
        transfer_syntax = match syntax {
            Syntax { explicit: false, .. } => uids::IMPLICIT_LE,
            Syntax { big_endian: true, .. } => uids::EXPLICIT_BE,
            Syntax { .. } => uids::EXPLICIT_LE,
        }
        .to_owned();
    }
    Ok(File {
        meta,
        transfer_syntax,
        dataset,
    })
}

/// PS3.5 A.5: a raw deflate stream. A stream that is cut short gives what there is.
pub(crate) fn inflate(bytes: &[u8], storage: &mut Vec<u8>, max_bytes: u64) -> Result<(), Error> {
    use std::io::Read;
    let mut decoder = flate2::read::DeflateDecoder::new(bytes).take(max_bytes.saturating_add(1));
    let result = decoder.read_to_end(storage);
    if storage.len() as u64 > max_bytes {
        return Err(Error::malformed(format!(
            "the data set inflates to more than {max_bytes} bytes"
        )));
    }
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(Error::Truncated),
        Err(error) => Err(Error::codec(error)),
        Ok(_) => Ok(()),
    }
}

/// Transfer syntaxes (PS3.6 A).
pub(crate) mod uids {
    pub const IMPLICIT_LE: &str = "1.2.840.10008.1.2";
    pub const EXPLICIT_LE: &str = "1.2.840.10008.1.2.1";
    pub const ENCAPSULATED_UNCOMPRESSED: &str = "1.2.840.10008.1.2.1.98";
    pub const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
    pub const EXPLICIT_BE: &str = "1.2.840.10008.1.2.2";
    pub const JPEG_BASELINE: &str = "1.2.840.10008.1.2.4.50";
    pub const JPEG_EXTENDED: &str = "1.2.840.10008.1.2.4.51";
    pub const JPEG_LOSSLESS: &str = "1.2.840.10008.1.2.4.57";
    pub const JPEG_LOSSLESS_SV1: &str = "1.2.840.10008.1.2.4.70";
    pub const JPEG_LS_LOSSLESS: &str = "1.2.840.10008.1.2.4.80";
    pub const JPEG_LS_NEAR_LOSSLESS: &str = "1.2.840.10008.1.2.4.81";
    pub const JPEG_2000_LOSSLESS: &str = "1.2.840.10008.1.2.4.90";
    pub const JPEG_2000: &str = "1.2.840.10008.1.2.4.91";
    pub const HTJ2K_LOSSLESS: &str = "1.2.840.10008.1.2.4.201";
    pub const HTJ2K_LOSSLESS_RPCL: &str = "1.2.840.10008.1.2.4.202";
    pub const HTJ2K: &str = "1.2.840.10008.1.2.4.203";
    pub const RLE: &str = "1.2.840.10008.1.2.5";
    pub const DEFLATED_FRAME: &str = "1.2.840.10008.1.2.8.1";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: Tag, length: u32) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(((tag >> 16) as u16).to_le_bytes());
        out.extend((tag as u16).to_le_bytes());
        out.extend(length.to_le_bytes());
        out
    }

    /// `depth` sequences of one item each, one in the other; the lengths of every other one are given.
    fn nested(depth: usize, given: impl Fn(usize) -> bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        for level in (0..depth).rev() {
            let inside = std::mem::take(&mut bytes);
            let (sequence, item) = if given(level) {
                (inside.len() as u32 + 8, inside.len() as u32)
            } else {
                (UNDEFINED, UNDEFINED)
            };
            bytes.extend(element(0x0040_0275, sequence));
            bytes.extend(element(ITEM, item));
            bytes.extend(inside);
            if !given(level) {
                bytes.extend(element(ITEM_END, 0));
                bytes.extend(element(SEQUENCE_END, 0));
            }
        }
        bytes.extend(element(0x0040_1001, 2));
        bytes.extend(b"7 ");
        bytes
    }

    #[test]
    fn nesting_is_read_to_the_depth_of_sound_files_and_refused_beyond() {
        let check = |depth: usize, given: &dyn Fn(usize) -> bool| {
            let bytes = nested(depth, given);
            let read = Dataset::read(&bytes, 0, Syntax::IMPLICIT_LE);
            if depth > MAX_DEPTH {
                assert_eq!(read.err(), Some(Error::TooDeep { limit: MAX_DEPTH }), "{depth}");
                return;
            }
            let dataset = read.unwrap();
            assert_eq!((dataset.len(), dataset.ascii(0x0040_1001).as_str()), (2, "7"));
            assert_eq!(dataset.items(0x0040_0275, 9).len(), 1);
        };
        for depth in [1, 2, 30, MAX_DEPTH, MAX_DEPTH + 1, 3000] {
            check(depth, &|_| false);
            check(depth, &|_| true);
            check(depth, &|level| level % 2 == 0);
            check(depth, &|level| level % 3 == 0);
        }
        // A hundred thousand, written from the front.
        let mut bytes: Vec<u8> = [element(0x0040_0275, UNDEFINED), element(ITEM, UNDEFINED)]
            .concat()
            .repeat(100_000);
        // Without the delimiters the file is cut short, whatever its depth.
        assert_eq!(
            Dataset::read(&bytes, 0, Syntax::IMPLICIT_LE).unwrap_err(),
            Error::Truncated
        );
        bytes.extend(
            [element(ITEM_END, 0), element(SEQUENCE_END, 0)]
                .concat()
                .repeat(100_000),
        );
        assert_eq!(
            Dataset::read(&bytes, 0, Syntax::IMPLICIT_LE).unwrap_err(),
            Error::TooDeep { limit: MAX_DEPTH }
        );
    }

    #[test]
    fn many_items_beside_each_other_are_no_depth() {
        for length in [UNDEFINED, 10] {
            let mut bytes = element(0x0040_0275, UNDEFINED);
            for _ in 0..5000 {
                bytes.extend(element(ITEM, length));
                bytes.extend(element(0x0040_1001, 2));
                bytes.extend(b"7 ");
                if length == UNDEFINED {
                    bytes.extend(element(ITEM_END, 0));
                }
            }
            bytes.extend(element(SEQUENCE_END, 0));
            let dataset = Dataset::read(&bytes, 0, Syntax::IMPLICIT_LE).unwrap();
            assert_eq!(dataset.items(0x0040_0275, 9999).len(), 5000);
        }
    }

    #[test]
    fn unknown_sequences_are_implicit_inside() {
        // Explicit: UN of undefined length, holding an implicit element whose value looks like a VR.
        let mut bytes = vec![0x09, 0x00, 0x10, 0x10, b'U', b'N', 0, 0, 0xff, 0xff, 0xff, 0xff];
        bytes.extend(element(ITEM, UNDEFINED));
        bytes.extend(element(0x0009_1011, 4));
        bytes.extend(b"USUS");
        bytes.extend(element(ITEM_END, 0));
        bytes.extend(element(SEQUENCE_END, 0));
        bytes.extend([0x10, 0x00, 0x20, 0x00, b'L', b'O', 2, 0, b'4', b'2']);
        let dataset = Dataset::read(&bytes, 0, Syntax::EXPLICIT_LE).unwrap();
        assert_eq!(dataset.ascii(0x0010_0020), "42");
        let items = dataset.items(0x0009_1010, 9);
        assert_eq!(items[0].ascii(0x0009_1011), "USUS");
    }

    #[test]
    fn a_lying_length_is_not_believed() {
        let mut bytes = element(0x0008_0060, 0xffff_fff0);
        bytes.extend(b"DX");
        assert_eq!(
            Dataset::read(&bytes, 0, Syntax::IMPLICIT_LE).unwrap_err(),
            Error::Truncated
        );
        let mut bytes = element(PIXEL_DATA, 0xffff_fff0);
        bytes.extend(b"DX");
        let dataset = Dataset::read(&bytes, 0, Syntax::IMPLICIT_LE).unwrap();
        let pixels = dataset.get(PIXEL_DATA).unwrap();
        assert!(pixels.truncated && pixels.value == b"DX");
    }

    #[test]
    fn other_bytes_are_not_dicom() {
        for bytes in [
            &b""[..],
            b"hello, this is not DICOM at all",
            b"\x89PNG\r\n\x1a\n0000000000",
            &[0; 300],
            &[0xff; 300],
        ] {
            let mut storage = Vec::new();
            assert_eq!(
                open(bytes, &mut storage, 1000).err(),
                Some(Error::NotDicom),
                "{:?}",
                bytes.get(..8)
            );
        }
        let mut bytes = vec![0; 128];
        bytes.extend(b"DICM");
        assert_eq!(open(&bytes, &mut Vec::new(), 1000).err(), Some(Error::Truncated));
    }
}
