//! Rules that read reports and theatre lists: a file of regular expressions and what their matches mean.

mod operation;
mod reading;
mod text;

use std::collections::BTreeMap;
use std::path::Path;

use domain::Side;
use regex::Regex;
use serde::{Deserialize, Serialize};

pub use domain::cohort::{Evidence, Location};
pub use operation::{OperationKind, OperationReading};
pub use reading::{Finding, FollowUp, ReportReading, Statement};
use text::{Dictionary, Headings, Section};

use crate::baseline::Failure;

/// Why a rules file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("rules file: {0}")]
    Toml(#[from] toml::de::Error),
    #[error("rules file: version {found} is not 1")]
    Version { found: u32 },
    #[error("rules file, rule \"{rule}\": {source}")]
    Expression { rule: String, source: Box<regex::Error> },
    #[error("rules file, rule \"{rule}\": {problem}")]
    Rule { rule: String, problem: &'static str },
}

/// What a match means; the rules file explains each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Fracture,
    Diagnosis,
    Suspicion,
    Hip,
    Elsewhere,
    Normal,
    Metal,
    Periprosthetic,
    Planned,
    DenyBefore,
    DenyAfter,
    NoOther,
    DoubtBefore,
    DoubtAfter,
    Hedge,
    Old,
    Acute,
    Imaging,
    Require,
    Condition,
    Settle,
    Planning,
    OtherInformation,
    Advanced,
    Break,
    Side,
    Correction,
    Mask,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OperationRule {
    ForFracture,
    Implant,
    Diagnosis,
    Elective,
    NotIndex,
    Elsewhere,
    Cancelled,
    Code,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SideRule {
    Right,
    Left,
    Both,
    Plural,
    Other,
}

/// What a doubtful wording says all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leaning {
    #[default]
    Fracture,
    None,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    text: TextFile,
    #[serde(default)]
    macros: BTreeMap<String, String>,
    rule: Vec<RuleFile<Kind>>,
    operation: Vec<RuleFile<OperationRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextFile {
    typo_words: Vec<String>,
    known_words: Vec<String>,
    skip_headings: Vec<String>,
    exam_headings: Vec<String>,
    findings_headings: Vec<String>,
    impression_headings: Vec<String>,
    addendum_headings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile<K> {
    name: String,
    kind: K,
    #[serde(default)]
    any: Vec<String>,
    #[serde(default)]
    codes: Vec<String>,
    location: Option<Location>,
    #[serde(default)]
    weak: bool,
    side: Option<SideRule>,
    #[serde(default)]
    hedged: bool,
    #[serde(default)]
    leaning: Leaning,
}

struct Rule<K> {
    name: String,
    kind: K,
    regex: Regex,
    location: Option<Location>,
    weak: bool,
    side: Option<SideRule>,
    hedged: bool,
    leaning: Leaning,
}

/// The rules, ready to read with.
pub struct Rules {
    rules: Vec<Rule<Kind>>,
    operations: Vec<Rule<OperationRule>>,
    dictionary: Dictionary,
    headings: Headings,
}

/// The rules file that the program carries.
pub const DEFAULT_RULES: &str = include_str!("rules/default.toml");

impl Rules {
    /// The rules that the program carries.
    ///
    /// # Errors
    /// None in a released program: the tests read this file.
    pub fn standard() -> Result<Rules, RulesError> {
        Rules::parse(DEFAULT_RULES)
    }

    /// Whether words of a rule make a report a failure of this kind.
    pub(crate) fn decides(&self, rule: &str, failure: Failure) -> bool {
        let of = |kind: Kind| match failure {
            Failure::OtherInformation => kind == Kind::OtherInformation,
            // The doubt beside it is what the imaging is to settle.
            Failure::FurtherImaging => matches!(
                kind,
                Kind::Imaging | Kind::Require | Kind::Settle | Kind::DoubtBefore | Kind::DoubtAfter | Kind::Suspicion
            ),
        };
        self.rules.iter().any(|own| own.name == rule && of(own.kind))
    }

    /// # Errors
    /// The file cannot be read, or [`Rules::parse`] refuses it.
    pub fn load(path: &Path) -> Result<Rules, RulesError> {
        let text = std::fs::read_to_string(path).map_err(|source| RulesError::Read {
            path: path.display().to_string(),
            source,
        })?;
        Rules::parse(&text)
    }

    /// # Errors
    /// No TOML of the right shape, another version, a rule without expressions or with one that is none.
    pub fn parse(text: &str) -> Result<Rules, RulesError> {
        let file: File = toml::from_str(text)?;
        if file.version != 1 {
            return Err(RulesError::Version { found: file.version });
        }
        let macros = &file.macros;
        let section = |name: &str, section, words: &[String]| {
            // An addendum needs no colon: "ADDENDUM 3/7/2011 CT performed".
            let any: Vec<String> = words.iter().map(|word| expression(word, macros)).collect();
            let all = any.join("|");
            let pattern = match section {
                Section::Addendum => {
                    format!(r"^(?:addend\w+|addenum)\b[^a-z\n:]*:?|^(?:{all})[^a-z\n:]{{0,24}}(?::|\n|$)")
                }
                Section::Asked | Section::Exam => format!(r"^(?:{all})\s{{0,3}}(?::| ?- |\n)"),
                _ => format!(r"^(?:{all})[ \t]{{0,3}}(?::|\n)"),
            };
            compile(name, &pattern).map(|regex| (section, regex))
        };
        let headings = Headings {
            section: vec![
                section("skip_headings", Section::Asked, &file.text.skip_headings)?,
                section("exam_headings", Section::Exam, &file.text.exam_headings)?,
                section("findings_headings", Section::Findings, &file.text.findings_headings)?,
                section(
                    "impression_headings",
                    Section::Impression,
                    &file.text.impression_headings,
                )?,
                section("addendum_headings", Section::Addendum, &file.text.addendum_headings)?,
            ],
        };
        let in_rules: Vec<String> = file
            .rule
            .iter()
            .flat_map(|rule| &rule.any)
            .flat_map(|text| text.split(|c: char| !c.is_ascii_alphabetic()))
            .filter(|word| word.len() > 3)
            .map(str::to_lowercase)
            .collect();
        let dictionary = Dictionary::new(&file.text.typo_words, &file.text.known_words, in_rules.into_iter());
        let rules: Vec<Rule<Kind>> = rules(file.rule, macros)?;
        for rule in &rules {
            if (rule.kind == Kind::Side) != rule.side.is_some() {
                return Err(RulesError::Rule {
                    rule: rule.name.clone(),
                    problem: "a rule of kind side, and no other, has a side",
                });
            }
            if rule.kind == Kind::Correction && rule.regex.captures_len() < 2 {
                return Err(RulesError::Rule {
                    rule: rule.name.clone(),
                    problem: "captures no side: put right|left in round brackets",
                });
            }
        }
        Ok(Rules {
            rules,
            operations: self::rules(file.operation, macros)?,
            dictionary,
            headings,
        })
    }
}

fn rules<K>(files: Vec<RuleFile<K>>, macros: &BTreeMap<String, String>) -> Result<Vec<Rule<K>>, RulesError> {
    files
        .into_iter()
        .map(|file| {
            let mut any: Vec<String> = file.any.iter().map(|text| expression(text, macros)).collect();
            // A list of codes may hold several: the code stands alone between other characters.
            any.extend(
                file.codes
                    .iter()
                    .map(|code| format!(r"\b(?:{})\b", code.to_lowercase())),
            );
            if any.is_empty() {
                return Err(RulesError::Rule {
                    rule: file.name,
                    problem: "has no expressions",
                });
            }
            let regex = compile(&file.name, &any.join("|"))?;
            Ok(Rule {
                name: file.name,
                kind: file.kind,
                regex,
                location: file.location,
                weak: file.weak,
                side: file.side,
                hedged: file.hedged,
                leaning: file.leaning,
            })
        })
        .collect()
}

fn compile(rule: &str, pattern: &str) -> Result<Regex, RulesError> {
    regex::RegexBuilder::new(pattern)
        .case_insensitive(true)
        .size_limit(1 << 26)
        .build()
        .map_err(|source| RulesError::Expression {
            rule: rule.to_owned(),
            source: Box::new(source),
        })
}

/// An expression as a regular expression: macros put in, spaces widened, whole words.
fn expression(text: &str, macros: &BTreeMap<String, String>) -> String {
    let mut out = text.to_owned();
    // Macros may hold macros, one level deep.
    for _ in 0..3 {
        for (name, value) in macros {
            out = out.replace(&format!("{{{name}}}"), value);
        }
    }
    let out = out.replace(' ', r"\s+").replace(r"\s+?", r"\s*");
    if text.starts_with('\\') {
        return format!("(?:{out})");
    }
    let hash = text.contains('#');
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric()) || !hash && text.starts_with(['(', '{']);
    let ends =
        text.ends_with(|c: char| c.is_ascii_alphanumeric()) || !hash && text.ends_with([')', '}', '?', '+', ']']);
    let start = if begins { r"(?:\b|^)" } else { "" };
    let end = if ends { r"(?:\b|$)" } else { "" };
    format!("{start}(?:{out}){end}")
}

/// The other one.
pub(crate) fn other(side: Side) -> Side {
    match side {
        Side::Right => Side::Left,
        Side::Left => Side::Right,
    }
}
