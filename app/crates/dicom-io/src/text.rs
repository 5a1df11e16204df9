//! Specific Character Set (PS3.3 C.12.1.1.2) to UTF-8.

use encoding_rs::Encoding;

/// How one half of the code table is read.
#[derive(Clone, Copy)]
enum Set {
    /// ISO 646: ASCII, and the Roman half of JIS X 0201.
    Ascii,
    /// JIS X 0208 in the lower half, two bytes a character.
    Jis0208,
    /// JIS X 0212 in the lower half, two bytes a character.
    Jis0212,
    /// The upper half by one of the web's encodings.
    High(&'static Encoding),
    /// Latin 1, which is also what undeclared bytes are taken for.
    Latin1,
}

/// The character sets that an object declares.
pub(crate) struct Charset {
    initial: Set,
    /// The one encoding of a whole value, where there are no code extensions (UTF-8, GB18030, GBK).
    whole: Option<&'static Encoding>,
    declared: bool,
}

/// The upper half of a defined term of PS3.3 C.12.1.1.2, tables C.12-2 to C.12-5.
fn upper_half(term: &str) -> Option<Set> {
    let number = term.trim().rsplit([' ', '_']).next().unwrap_or_default();
    Some(match number {
        "6" => Set::Ascii,
        "100" => Set::Latin1,
        "101" => Set::High(encoding_rs::ISO_8859_2),
        "109" => Set::High(encoding_rs::ISO_8859_3),
        "110" => Set::High(encoding_rs::ISO_8859_4),
        "144" => Set::High(encoding_rs::ISO_8859_5),
        "127" => Set::High(encoding_rs::ISO_8859_6),
        "126" => Set::High(encoding_rs::ISO_8859_7),
        "138" => Set::High(encoding_rs::ISO_8859_8),
        "148" => Set::High(encoding_rs::WINDOWS_1254),
        "203" => Set::High(encoding_rs::ISO_8859_15),
        "166" => Set::High(encoding_rs::WINDOWS_874),
        // JIS X 0201: the upper half is katakana, as in Shift JIS.
        "13" => Set::High(encoding_rs::SHIFT_JIS),
        "149" => Set::High(encoding_rs::EUC_KR),
        "58" => Set::High(encoding_rs::GBK),
        // Both start in ASCII and are reached by an escape sequence.
        "87" | "159" => Set::Ascii,
        _ => return None,
    })
}

impl Charset {
    /// `terms`: the values of Specific Character Set.
    pub fn new(terms: &[String]) -> Self {
        let first = terms.first().map_or("", |t| t.trim());
        let whole = match first {
            "ISO_IR 192" => Some(encoding_rs::UTF_8),
            "GB18030" => Some(encoding_rs::GB18030),
            "GBK" => Some(encoding_rs::GBK),
            _ => None,
        };
        let initial = upper_half(first);
        Self {
            initial: initial.unwrap_or(Set::Ascii),
            whole,
            declared: initial.is_some() && first != "ISO_IR 6",
        }
    }

    /// Decodes one element's value. Bytes that mean nothing become U+FFFD; nothing fails.
    pub fn decode(&self, bytes: &[u8]) -> String {
        if bytes.is_ascii() && !bytes.contains(&0x1b) {
            return bytes.iter().map(|&b| char::from(b)).collect();
        }
        if let Some(encoding) = self.whole {
            return encoding.decode_without_bom_handling(bytes).0.into_owned();
        }
        // Many writers send UTF-8 without saying so.
        if !self.declared
            && !bytes.contains(&0x1b)
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            return text.to_owned();
        }
        self.extended(bytes)
    }

    /// PS3.5 6.1.2.5: code extension techniques of ISO 2022.
    fn extended(&self, bytes: &[u8]) -> String {
        let mut out = String::with_capacity(bytes.len());
        let (mut low, mut high) = (Set::Ascii, self.initial);
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            if byte == 0x1b {
                let (length, set) = escape(&rest[1..]);
                match set {
                    Some((true, set)) => low = set,
                    Some((false, set)) => high = set,
                    None => {}
                }
                rest = &rest[1 + length..];
            } else if byte >= 0x80 {
                let end = rest.iter().position(|&b| b < 0x80).unwrap_or(rest.len());
                match high {
                    Set::High(encoding) => out.push_str(&encoding.decode_without_bom_handling(&rest[..end]).0),
                    _ => out.extend(rest[..end].iter().map(|&b| char::from(b))),
                }
                rest = &rest[end..];
            } else if let (Set::Jis0208 | Set::Jis0212, Some(&second), 0x21..) = (low, rest.get(1), byte) {
                let euc = [0x8f, byte | 0x80, second | 0x80];
                let euc = if matches!(low, Set::Jis0208) {
                    &euc[1..]
                } else {
                    &euc[..]
                };
                out.push_str(&encoding_rs::EUC_JP.decode_without_bom_handling(euc).0);
                rest = &rest[2..];
            } else {
                out.push(char::from(byte));
                // PS3.5 6.1.2.5.3: delimiters switch back to the first character set.
                if matches!(byte, b'\\' | b'^' | b'=' | b'\r' | b'\n' | b'\t' | 0x0c) {
                    (low, high) = (Set::Ascii, self.initial);
                }
                rest = &rest[1..];
            }
        }
        out
    }
}

/// The length of an escape sequence behind ESC, and what it designates: `true` for the lower half.
fn escape(rest: &[u8]) -> (usize, Option<(bool, Set)>) {
    match rest {
        [b'$', b'B' | b'@', ..] => (2, Some((true, Set::Jis0208))),
        [b'$', b'(', b'D', ..] => (3, Some((true, Set::Jis0212))),
        [b'$', b')', b'C', ..] => (3, Some((false, Set::High(encoding_rs::EUC_KR)))),
        [b'$', b')', b'A', ..] => (3, Some((false, Set::High(encoding_rs::GBK)))),
        [b'(', b'B' | b'J', ..] => (2, Some((true, Set::Ascii))),
        [b')', b'I', ..] => (2, upper_half("13").map(|set| (false, set))),
        [b'-', code, ..] => {
            let term = match code {
                b'A' => "100",
                b'B' => "101",
                b'C' => "109",
                b'D' => "110",
                b'L' => "144",
                b'G' => "127",
                b'F' => "126",
                b'H' => "138",
                b'M' => "148",
                b'b' => "203",
                b'T' => "166",
                _ => return (2, None),
            };
            (2, upper_half(term).map(|set| (false, set)))
        }
        _ => (0, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(terms: &[&str], bytes: &[u8], expect: &str) {
        let terms: Vec<String> = terms.iter().map(|t| (*t).to_owned()).collect();
        assert_eq!(Charset::new(&terms).decode(bytes), expect);
    }

    #[test]
    fn the_examples_of_ps3_5() {
        // PS3.5 H.3.1: Yamada^Tarou in katakana, kanji and hiragana.
        check(
            &["", "ISO 2022 IR 87"],
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
        );
        // PS3.5 H.3.2, with JIS X 0201 first.
        check(
            &["ISO 2022 IR 13", "ISO 2022 IR 87"],
            b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
            "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎",
        );
        // PS3.5 I.2: Korean.
        check(
            &["", "ISO 2022 IR 149"],
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
            "Hong^Gildong=洪^吉洞=홍^길동",
        );
        // PS3.5 J.3 and K: Chinese.
        check(
            &["ISO_IR 192"],
            "Wang^XiaoDong=王^小东".as_bytes(),
            "Wang^XiaoDong=王^小东",
        );
        check(
            &["GB18030"],
            b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab",
            "Wang^XiaoDong=王^小东",
        );
        check(
            &["", "ISO 2022 IR 58"],
            b"\x1b$)A\xcd\xf5^\x1b$)A\xd0\xa1\xb6\xab",
            "王^小东",
        );
    }

    #[test]
    fn single_byte_sets() {
        check(&["ISO_IR 100"], b"Buc^J\xe9r\xf4me", "Buc^Jérôme");
        check(&["ISO_IR 144"], b"\xbb\xee\xda", "Люк");
        check(&["ISO_IR 126"], b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος");
        check(&["ISO_IR 138"], b"\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4", "שרון^דבורה");
    }

    #[test]
    fn undeclared_bytes_are_read_as_best_they_can() {
        check(&[], "Zoë".as_bytes(), "Zoë");
        check(&[], b"Zo\xeb", "Zoë");
        check(&["no such set"], b"Zo\xeb", "Zoë");
        check(&["ISO_IR 192"], b"Zo\xeb", "Zo\u{fffd}");
        check(&["", "ISO 2022 IR 87"], b"\x1b", "");
        check(&["", "ISO 2022 IR 87"], b"\x1b$B;", ";");
    }
}
