//! Reading a row of the theatre list.

use domain::Side;
use serde::{Deserialize, Serialize};

use super::{Evidence, Location, OperationRule, Rules, SideRule};

/// What an operation says of a hip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// The first treatment of a hip fracture.
    ForFracture,
    /// Leaves metal in the hip, and no fracture is named: a planned replacement.
    Implant,
    /// Not of the hip, no first treatment, or not told.
    Other,
    /// Did not take place.
    Cancelled,
}

/// What a row of the theatre list says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationReading {
    pub kind: OperationKind,
    /// The sides; none where the row does not tell, or where words and side field differ.
    pub sides: Vec<Side>,
    /// Words and side field differ.
    pub side_conflict: bool,
    /// What the kind of operation is done for.
    pub location: Option<Location>,
    /// Spans count within the procedure's text.
    pub evidence: Vec<Evidence>,
}

impl Rules {
    /// Reads one row: the procedure's words, the fields for side, codes and status as they were typed.
    pub fn read_operation(&self, procedure: &str, side: &str, code: &str, status: &str) -> OperationReading {
        let mut evidence = Vec::new();
        let mut found = Vec::new();
        let mut location = None;
        let normal = self.dictionary.normal(procedure);
        for rule in &self.operations {
            let texts: &[&str] = match rule.kind {
                OperationRule::Code => &[code],
                OperationRule::Cancelled => &[status, &normal.text],
                _ => &[&normal.text],
            };
            for (index, text) in texts.iter().enumerate() {
                let Some(hit) = rule.regex.find(text) else { continue };
                found.push(rule.kind);
                if rule.kind == OperationRule::ForFracture {
                    location = location.or(rule.location);
                }
                let of_procedure = index + 1 == texts.len() && rule.kind != OperationRule::Code;
                let (start, end) = if of_procedure {
                    normal.original(hit.start(), hit.end())
                } else {
                    (0, 0)
                };
                evidence.push(Evidence {
                    rule: rule.name.clone(),
                    start,
                    end,
                    words: hit.as_str().to_owned(),
                });
                break;
            }
        }
        let has = |kind| found.contains(&kind);
        use OperationRule::{Cancelled, Code, Diagnosis, Elective, Elsewhere, ForFracture, Implant, NotIndex};
        let named = has(Diagnosis);
        let kind = if has(Cancelled) {
            OperationKind::Cancelled
        } else if has(NotIndex) || (has(Elsewhere) && !named) {
            OperationKind::Other
        } else if has(ForFracture) && (!has(Elective) || named) {
            OperationKind::ForFracture
        } else if has(Implant) && named && !has(Elective) {
            location = location.or(Some(Location::Intracapsular));
            OperationKind::ForFracture
        } else if has(Implant) || (has(ForFracture) && has(Elective)) {
            OperationKind::Implant
        } else if has(Code) && !has(Elective) {
            OperationKind::ForFracture
        } else {
            OperationKind::Other
        };

        let field = self.sides(side);
        let words = self.sides(&normal.text);
        let side_conflict = !field.is_empty() && !words.is_empty() && field != words;
        let sides = match (side_conflict, field.is_empty()) {
            (true, _) => Vec::new(),
            (false, false) => field,
            (false, true) => words,
        };
        OperationReading {
            kind,
            sides,
            side_conflict,
            location,
            evidence,
        }
    }

    /// The sides that a field, a study's description or a procedure names.
    pub fn sides(&self, text: &str) -> Vec<Side> {
        let text = text.to_lowercase();
        let named = |side| {
            self.rules
                .iter()
                .any(|rule| rule.side == Some(side) && rule.regex.is_match(&text))
        };
        let both = named(SideRule::Both) || ["both", "bilateral", "b", "bilat"].contains(&text.trim());
        let mut out = Vec::new();
        if both || named(SideRule::Right) {
            out.push(Side::Right);
        }
        if both || named(SideRule::Left) {
            out.push(Side::Left);
        }
        out
    }
}
