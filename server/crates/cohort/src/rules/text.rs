//! The text of a report: typing errors put right, sections, sentences. Every byte keeps its place in the original.

use std::collections::HashSet;

use regex::Regex;

/// A text in lower case and without known typing errors, and where each of its bytes stood.
pub(super) struct Normal {
    pub text: String,
    /// For each byte of `text`, and one beyond: its place in the original.
    places: Vec<usize>,
}

impl Normal {
    fn push(&mut self, piece: &str, at: usize) {
        self.text.push_str(piece);
        self.places.extend(std::iter::repeat_n(at, piece.len()));
    }

    /// The original's span of `start..end`.
    pub fn original(&self, start: usize, end: usize) -> (usize, usize) {
        (self.places[start], self.places[end.max(start)])
    }
}

/// Words that are spelt as they are meant, and those that others are read as.
pub(super) struct Dictionary {
    typo_words: Vec<String>,
    known: HashSet<String>,
}

impl Dictionary {
    pub fn new(typo_words: &[String], known_words: &[String], in_rules: impl Iterator<Item = String>) -> Self {
        let known = typo_words.iter().chain(known_words).map(|word| word.to_lowercase());
        Dictionary {
            typo_words: typo_words.iter().map(|word| word.to_lowercase()).collect(),
            known: known.chain(in_rules).collect(),
        }
    }

    /// What an unknown word is read as.
    fn mend(&self, word: &str) -> Option<String> {
        let length = word.chars().count();
        if length < 4 || !word.is_ascii() || self.known.contains(word) {
            return None;
        }
        let mut best: Option<(usize, &String)> = None;
        let mut tied = false;
        for candidate in &self.typo_words {
            if candidate.len().abs_diff(length) > 2 {
                continue;
            }
            let most = match length.min(candidate.len()) {
                0..6 => 0,
                6..8 => 1,
                _ => 2,
            };
            let distance = distance(word.as_bytes(), candidate.as_bytes());
            let first = word.as_bytes()[0] == candidate.as_bytes()[0];
            let fits = if distance == 1 {
                most >= 1 || swapped(word.as_bytes(), candidate.as_bytes())
            } else {
                distance <= most && first
            };
            if fits {
                // Two letters in each other's place are the likeliest error.
                let rank = 2 * distance - usize::from(swapped(word.as_bytes(), candidate.as_bytes()));
                match best {
                    Some((least, _)) if rank > least => {}
                    Some((least, _)) if rank == least => tied = true,
                    _ => {
                        best = Some((rank, candidate));
                        tied = false;
                    }
                }
            }
        }
        if let Some((_, candidate)) = best {
            return (!tied).then(|| candidate.clone());
        }
        // Two words run together.
        (2..length.saturating_sub(3)).find_map(|at| {
            let (head, tail) = word.split_at(at);
            let small = ["no", "of", "the", "left", "right", "and", "or"];
            let one = small.contains(&head) || self.typo_words.iter().any(|w| w == head);
            (one && self.typo_words.iter().any(|w| w == tail)).then(|| format!("{head} {tail}"))
        })
    }

    pub fn normal(&self, original: &str) -> Normal {
        let mut out = Normal {
            text: String::with_capacity(original.len()),
            places: Vec::with_capacity(original.len() + 1),
        };
        let mut word = String::new();
        let mut word_at = 0;
        let flush = |out: &mut Normal, word: &mut String, at: usize| {
            if word.is_empty() {
                return;
            }
            match self.mend(word) {
                Some(mended) => out.push(&mended, at),
                None => {
                    for (offset, letter) in word.char_indices() {
                        out.push(letter.encode_utf8(&mut [0; 4]), at + offset);
                    }
                }
            }
            word.clear();
        };
        for (at, letter) in original.char_indices() {
            if letter.is_ascii_alphabetic() {
                if word.is_empty() {
                    word_at = at;
                }
                word.push(letter.to_ascii_lowercase());
                continue;
            }
            flush(&mut out, &mut word, word_at);
            let plain = match letter {
                '\u{2018}' | '\u{2019}' | '`' | '\u{b4}' => "'",
                '\u{201c}' | '\u{201d}' => "\"",
                '\u{2010}'..='\u{2015}' => "-",
                '\u{a0}' | '\t' => " ",
                '\r' => "\n",
                '\u{2022}' | '*' => "\n",
                _ => "",
            };
            if plain.is_empty() {
                for lower in letter.to_lowercase() {
                    out.push(lower.encode_utf8(&mut [0; 4]), at);
                }
            } else {
                out.push(plain, at);
            }
        }
        flush(&mut out, &mut word, word_at);
        out.places.push(original.len());
        out
    }
}

/// Edits (insert, delete, replace, swap neighbours) from one word to another.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

/// Whether two words of one length differ by two neighbours in each other's place.
fn swapped(a: &[u8], b: &[u8]) -> bool {
    let differ: Vec<usize> = (0..a.len().min(b.len())).filter(|at| a[*at] != b[*at]).collect();
    a.len() == b.len() && matches!(differ[..], [i, j] if j == i + 1 && a[i] == b[j] && a[j] == b[i])
}

/// What a stretch of a report is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// What was asked: not read.
    Asked,
    /// Which study it is: read for the side alone.
    Exam,
    Findings,
    Impression,
    Addendum,
}

pub(super) struct Headings {
    pub section: Vec<(Section, Regex)>,
}

/// One sentence, its span in the normal text.
#[derive(Clone, Debug)]
pub(super) struct Sentence {
    pub start: usize,
    pub end: usize,
    pub section: Section,
    /// 0: the report; 1 and on: its addenda.
    pub part: usize,
}

impl Headings {
    /// The heading that begins at `at`: what it heads, and where it ends.
    fn at(&self, text: &str) -> Option<(Section, usize)> {
        self.section
            .iter()
            .filter_map(|(section, regex)| regex.find(text).map(|found| (*section, found.end())))
            .max_by_key(|(_, end)| *end)
    }

    /// Parts and sections of a report, cut into sentences.
    pub fn sentences(&self, text: &str) -> Vec<Sentence> {
        let mut out: Vec<Sentence> = Vec::new();
        let (mut section, mut part) = (Section::Findings, 0);
        // Where the section began, in lines: a section without a successor ends with its line.
        let mut open_line = 0;
        let rest_has_heading = |from: usize| {
            text[from..].match_indices(['\n', '.']).any(|(at, sign)| {
                let next = text[from + at + sign.len()..].trim_start();
                self.at(next).is_some_and(|(section, _)| section != Section::Asked)
            })
        };
        let (mut at, mut line, mut blank) = (0, 0, false);
        let mut spoken = false;
        while at < text.len() {
            let rest = &text[at..];
            let space = rest.len() - rest.trim_start().len();
            if space > 0 {
                let breaks = rest[..space].matches('\n').count();
                line += breaks;
                blank |= breaks > 1;
                at += space;
                continue;
            }
            if let Some((found, length)) = self.at(rest) {
                section = found;
                if found == Section::Addendum {
                    part += 1;
                }
                open_line = line;
                at += length;
                (blank, spoken) = (false, false);
                // The heading's own words may name the side: "Right hip:".
                if found == Section::Findings {
                    out.push(Sentence {
                        start: at - length,
                        end: at,
                        section: Section::Exam,
                        part,
                    });
                }
                continue;
            }
            let passing = matches!(section, Section::Asked | Section::Exam);
            if passing && spoken {
                let ends = if rest_has_heading(at) {
                    blank && section == Section::Exam
                } else {
                    blank || line > open_line || !text[at..].contains('\n')
                };
                if ends {
                    section = Section::Findings;
                }
            }
            let mut end = at + sentence_end(rest);
            // A heading begins a sentence, whatever the line before it looks like.
            for (offset, _) in text[at..end].match_indices('\n') {
                let next = at + offset + 1;
                if self.at(text[next..].trim_start()).is_some() {
                    end = at + offset;
                    break;
                }
            }
            out.push(Sentence {
                start: at,
                end,
                section,
                part,
            });
            at = end;
            (blank, spoken) = (false, true);
        }
        out
    }
}

/// Words whose full stop ends no sentence.
const SHORT: [&str; 24] = [
    "lt", "rt", "l", "r", "vs", "cf", "e.g", "i.e", "eg", "ie", "dr", "mr", "mrs", "approx", "prox", "fem", "sup",
    "inf", "ant", "post", "no", "bilat", "lat", "prev",
];

/// Length of the first sentence of a text that begins with no space.
fn sentence_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    for at in 0..bytes.len() {
        let next = bytes.get(at + 1).copied();
        let gap = next.is_none_or(|next| next.is_ascii_whitespace());
        match bytes[at] {
            b';' | b'!' => return at + 1,
            b'.' => {
                let word = text[..at].rsplit([' ', '\n', '(', ',']).next().unwrap_or_default();
                let digits = word.ends_with(|c: char| c.is_ascii_digit());
                let following = text[at + 1..].trim_start();
                if gap {
                    let short = SHORT.contains(&word) && !following.is_empty() && !text[at + 1..].starts_with('\n');
                    // "No." and the like are full stops where the next word cannot go on.
                    if short {
                        continue;
                    }
                    return at + 1;
                }
                // "seen.No" is two sentences, "3.5" and "e.g." are not.
                if next.is_some_and(|next| next.is_ascii_alphabetic())
                    && word.len() > 3
                    && !digits
                    && !word.contains('.')
                {
                    return at + 1;
                }
            }
            b'?' => {
                let before = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b')');
                if before && (next == Some(b'\n') || next.is_none()) {
                    return at + 1;
                }
            }
            b'\n' => {
                let following = text[at..].trim_start_matches(' ');
                let breaks = following.len() - following.trim_start_matches('\n').len();
                let goes_on = text[at..].trim_start().starts_with(|c: char| c.is_ascii_lowercase());
                let wrapped = breaks == 1 && goes_on && wraps(&text[..at]);
                if !wrapped {
                    return at;
                }
            }
            _ => {}
        }
    }
    bytes.len()
}

/// Whether a line looks cut by its width, and not by its writer.
fn wraps(line: &str) -> bool {
    let last = line.rsplit('\n').next().unwrap_or_default().trim_end();
    let word = last.rsplit(' ').next().unwrap_or_default();
    const OPEN: [&str; 20] = [
        "the", "a", "an", "of", "and", "or", "with", "no", "is", "are", "in", "to", "at", "for", "on", "by", "not",
        "femoral", "neck", "without",
    ];
    // "of the left", but not "unable to bear weight left".
    let mut back = last.split_whitespace().rev();
    let side = matches!(back.next(), Some("left" | "right")) && matches!(back.next(), Some("the" | "of"));
    last.len() >= 50 || side || OPEN.contains(&word) || last.ends_with(',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_mended_and_places_kept() {
        let words = [
            "fracture",
            "femoral",
            "right",
            "subcapital",
            "intracapsular",
            "extracapsular",
        ]
        .map(str::to_owned);
        let dictionary = Dictionary::new(&words, &["structure".to_owned()], std::iter::empty());
        let text = "Frcature rigth femroal, subcapitol; strucutre nofracture texture intrcapsular";
        let normal = dictionary.normal(text);
        assert_eq!(
            normal.text,
            "fracture right femoral, subcapital; strucutre no fracture texture intracapsular"
        );
        let at = normal.text.find("femoral").expect("mended");
        let (start, end) = normal.original(at, at + 7);
        assert_eq!(&text[start..end], "femroal");
    }

    #[test]
    fn sentences_end_where_they_should() {
        let split = |text: &str| {
            let mut out = Vec::new();
            let mut rest = text;
            while !rest.trim().is_empty() {
                rest = rest.trim_start();
                let end = sentence_end(rest);
                out.push(rest[..end].to_owned());
                rest = &rest[end..];
            }
            out
        };
        assert_eq!(split("no # seen.no dislocation. 3.5 mm gap").len(), 3);
        assert_eq!(split("fracture of the lt. hip, e.g. garden ii.").len(), 1);
        assert_eq!(split("there is a fracture of the\nleft hip").len(), 1);
        assert_eq!(split("left nof #\nno dislocation").len(), 2);
        assert_eq!(split("? fracture left hip").len(), 1);
    }
}
