//! HL7 v2: as much of it as a radiology report needs (segments, repetitions, components, escapes).

use time::{Date, Month, PrimitiveDateTime, Time};

use crate::records::{BadRow, Moment, Records, Report};

/// A field of a segment: `OBR-3`, or a component of it: `OBR-3.1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    segment: String,
    field: usize,
    component: usize,
}

impl Path {
    pub fn parse(text: &str) -> Option<Path> {
        let (segment, rest) = text.trim().split_once('-')?;
        let (field, component) = rest.split_once('.').unwrap_or((rest, "1"));
        let path = Path {
            segment: segment.to_ascii_uppercase(),
            field: field.parse().ok()?,
            component: component.parse().ok()?,
        };
        let sound = path.segment.len() == 3 && path.field > 0 && path.component > 0;
        sound.then_some(path)
    }
}

/// Field, component, repetition, escape and subcomponent separators.
#[derive(Clone, Copy, Debug)]
struct Separators {
    field: char,
    component: char,
    repetition: char,
    escape: char,
    subcomponent: char,
}

#[derive(Clone, Debug)]
struct Segment<'a> {
    line: u64,
    name: &'a str,
    fields: Vec<&'a str>,
}

#[derive(Clone, Debug)]
struct Message<'a> {
    line: u64,
    separators: Separators,
    segments: Vec<Segment<'a>>,
}

impl Segment<'_> {
    /// A field by its number, from 1. MSH-1 is the separator itself.
    fn field(&self, number: usize) -> &str {
        let at = if self.name == "MSH" {
            number.checked_sub(1)
        } else {
            Some(number)
        };
        at.and_then(|at| self.fields.get(at)).copied().unwrap_or_default()
    }
}

impl<'a> Message<'a> {
    /// A component of a field's first repetition, escapes undone.
    fn value(&self, segment: &Segment, path: &Path) -> String {
        let field = segment.field(path.field);
        let first = field.split(self.separators.repetition).next().unwrap_or_default();
        let component = first
            .split(self.separators.component)
            .nth(path.component - 1)
            .unwrap_or_default();
        self.unescape(component).trim().to_owned()
    }

    /// All repetitions, one a line: the text of a report.
    fn text(&self, field: &str) -> String {
        let lines: Vec<String> = field
            .split(self.separators.repetition)
            .map(|part| self.unescape(part))
            .collect();
        lines.join("\n")
    }

    fn unescape(&self, text: &str) -> String {
        let mark = self.separators.escape;
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(mark) {
            out.push_str(&rest[..at]);
            let after = &rest[at + mark.len_utf8()..];
            let Some(end) = after.find(mark) else {
                out.push(mark);
                rest = after;
                continue;
            };
            let code = &after[..end];
            match code {
                "F" => out.push(self.separators.field),
                "S" => out.push(self.separators.component),
                "R" => out.push(self.separators.repetition),
                "E" => out.push(mark),
                "T" => out.push(self.separators.subcomponent),
                "H" | "N" => {}
                ".br" => out.push('\n'),
                _ if code.starts_with(".sp") => {
                    let lines = code[3..].trim_start_matches('+').parse().unwrap_or(1_usize);
                    out.extend(std::iter::repeat_n('\n', lines.min(100)));
                }
                _ if code.starts_with('.') => {}
                _ if code.starts_with('X') && code.len() > 1 && code.len() % 2 == 1 && code.is_ascii() => {
                    let bytes: Option<Vec<u8>> = (1..code.len())
                        .step_by(2)
                        .map(|at| u8::from_str_radix(&code[at..at + 2], 16).ok())
                        .collect();
                    out.push_str(&bytes.map_or_else(String::new, |bytes| String::from_utf8_lossy(&bytes).into_owned()));
                }
                // No escape at all: a lone mark in the text.
                _ => {
                    out.push(mark);
                    rest = after;
                    continue;
                }
            }
            rest = &after[end + mark.len_utf8()..];
        }
        out.push_str(rest);
        out
    }
}

/// Which fields hold what.
pub(crate) struct Fields<'a> {
    pub accession: &'a [Path],
    pub patient: &'a [Path],
    pub time: &'a [Path],
    pub status: &'a [Path],
    pub class: &'a [Path],
    pub department: &'a [Path],
}

/// `YYYYMMDD`, with hours, minutes and seconds as far as they go; fractions and zone are left away.
pub(crate) fn time(text: &str) -> Option<Moment> {
    let digits: &str = text.split(['.', '+', '-']).next().unwrap_or_default();
    if !digits.bytes().all(|b| b.is_ascii_digit()) || !matches!(digits.len(), 8 | 10 | 12 | 14) {
        return None;
    }
    let number = |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |d| d.parse::<u8>().ok());
    let year: i32 = digits.get(..4)?.parse().ok()?;
    let date = Date::from_calendar_date(year, Month::try_from(number(4, 6)?).ok()?, number(6, 8)?).ok()?;
    let time = Time::from_hms(number(8, 10)?, number(10, 12)?, number(12, 14)?).ok()?;
    Some(Moment {
        at: PrimitiveDateTime::new(date, time),
        day_only: digits.len() == 8,
    })
}

/// Cuts a file into messages: each begins with MSH; batch headers, MLLP frames and blank lines are passed over.
fn messages<'a>(file: &str, text: &'a str, bad: &mut Vec<BadRow>) -> Vec<Message<'a>> {
    let mut out: Vec<Message> = Vec::new();
    let mut stray = false;
    // Segments end with CR; files often have LF or both.
    for (line, raw) in (1..).zip(lines(text)) {
        let raw = raw.trim_matches(['\u{b}', '\u{1c}', '\u{feff}', ' ']);
        if raw.is_empty() {
            continue;
        }
        if let Some(rest) = raw.strip_prefix("MSH") {
            let marks: Vec<char> = rest.chars().take(5).collect();
            let [field, component, repetition, escape, subcomponent] = marks[..] else {
                bad.push(bad_row(file, line, "MSH without its five separators"));
                stray = true;
                continue;
            };
            stray = false;
            out.push(Message {
                line,
                separators: Separators {
                    field,
                    component,
                    repetition,
                    escape,
                    subcomponent,
                },
                segments: vec![Segment {
                    line,
                    name: "MSH",
                    fields: raw.split(field).collect(),
                }],
            });
            continue;
        }
        let name = raw.get(..3).unwrap_or_default();
        if matches!(name, "FHS" | "BHS" | "BTS" | "FTS") {
            continue;
        }
        match out.last_mut() {
            Some(message) if !stray => {
                let known = name.len() == 3 && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
                if known && raw[3..].starts_with(message.separators.field) {
                    let fields = raw.split(message.separators.field).collect();
                    message.segments.push(Segment { line, name, fields });
                } else {
                    bad.push(bad_row(
                        file,
                        line,
                        "no segment: a line break within a field must be written \\.br\\",
                    ));
                }
            }
            _ => bad.push(bad_row(file, line, "a segment before the first MSH")),
        }
    }
    out
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    // "\r\n" is one end of a line, "\r" and "\n" are too.
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let now = rest?;
        let Some(at) = now.find(['\r', '\n']) else {
            rest = None;
            return Some(now);
        };
        let ends = if now[at..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&now[at + ends..]);
        Some(&now[..at])
    })
}

fn bad_row(file: &str, line: u64, problem: &str) -> BadRow {
    BadRow {
        file: file.to_owned(),
        line,
        problem: problem.to_owned(),
    }
}

/// The reports of a file of messages: one for each OBR with text.
pub(crate) fn reports(
    file: &str,
    text: &str,
    fields: &Fields,
    time: impl Fn(&str) -> Option<Moment>,
    emergency: impl Fn(&str, &str) -> Option<bool>,
) -> Records<Report> {
    let mut bad = Vec::new();
    let mut rows = Vec::new();
    for message in messages(file, text, &mut bad) {
        let head = &message.segments[0];
        let kind = head.field(9);
        let mut parts = kind.split(message.separators.component);
        if (parts.next(), parts.next()) != (Some("ORU"), Some("R01")) {
            bad.push(bad_row(file, message.line, &format!("a message {kind}, not ORU^R01")));
            continue;
        }
        let orders: Vec<usize> = (0..message.segments.len())
            .filter(|at| message.segments[*at].name == "OBR")
            .collect();
        if orders.is_empty() {
            bad.push(bad_row(file, message.line, "no OBR segment"));
        }
        for (number, order) in orders.iter().enumerate() {
            let end = orders.get(number + 1).copied().unwrap_or(message.segments.len());
            let own = &message.segments[*order..end];
            // Those of the order first, then those of the whole message.
            let find = |paths: &[Path]| {
                paths
                    .iter()
                    .find_map(|path| {
                        let of_order = own.iter().find(|segment| segment.name == path.segment);
                        let before = message.segments[..*order].iter().rev();
                        let segment =
                            of_order.or_else(|| before.clone().find(|segment| segment.name == path.segment))?;
                        Some(message.value(segment, path)).filter(|value| !value.is_empty())
                    })
                    .unwrap_or_default()
            };
            let lines: Vec<String> = own
                .iter()
                .filter(|segment| segment.name == "OBX" && matches!(segment.field(2), "TX" | "FT" | "ST" | ""))
                .map(|segment| message.text(segment.field(5)))
                .collect();
            let (accession, patient_id) = (find(fields.accession), find(fields.patient));
            let when = find(fields.time);
            let moment = if when.is_empty() { None } else { time(&when) };
            let problem = if lines.iter().all(|line| line.trim().is_empty()) {
                Some("no text in OBX-5".to_owned())
            } else if accession.is_empty() && patient_id.is_empty() {
                Some("neither accession number nor patient".to_owned())
            } else if !when.is_empty() && moment.is_none() {
                Some(format!("\"{when}\" is no time"))
            } else {
                None
            };
            match problem {
                Some(problem) => bad.push(bad_row(file, message.line, &problem)),
                None => rows.push(Report {
                    // A message may report on several studies: the line of its MSH would be the name of each.
                    record: format!("{file} line {}", message.segments[*order].line),
                    accession,
                    patient_id,
                    time: moment,
                    status: find(fields.status),
                    emergency: emergency(&find(fields.class), &find(fields.department)),
                    text: lines.join("\n"),
                }),
            }
        }
    }
    Records { rows, bad }
}
