//! Reading a report: what it says of each hip, and by which words.

use domain::Side;
use serde::{Deserialize, Serialize};

use super::text::{Normal, Section, Sentence};
use super::{Evidence, Kind, Leaning, Location, Rules, SideRule, other};

/// What is said of a fracture of one hip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    #[default]
    NotMentioned,
    /// "No fracture", "hips intact".
    Absent,
    /// A fracture is stated.
    Present,
    /// Left open: "?fracture", "cannot be excluded".
    Doubtful,
}

/// What is said of further imaging.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FollowUp {
    #[default]
    None,
    /// On a condition, or left to others: "consider CT", "MRI if pain persists".
    Optional,
    /// Asked for without a condition: "CT recommended".
    Required,
    /// Asked for without a condition and to make the diagnosis: "CT required to exclude a fracture".
    RequiredToDiagnose,
}

/// What a report says of one hip.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    pub finding: Finding,
    /// Stated, but not plainly: "likely", "no definite".
    pub hedged: bool,
    /// The diagnosis that a doubtful wording states all the same.
    pub leaning: Leaning,
    pub location: Option<Location>,
    /// An implant in or at the hip.
    pub metal: bool,
    /// A fracture at the implant.
    pub periprosthetic: bool,
    /// An old, healed or operated fracture.
    pub old_fracture: bool,
    pub follow_up: FollowUp,
    /// It says plainly that the frontal film was not enough: "only seen on the lateral".
    pub other_information: bool,
    /// A denial and a statement of a fracture in one report; the fracture counts.
    pub contradiction: bool,
    pub evidence: Vec<Evidence>,
}

/// What a report says of both hips.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportReading {
    pub right: Statement,
    pub left: Statement,
    /// Said without a side. A denial holds for both hips; a fracture is of one, it is not said which.
    pub unspecified: Statement,
}

impl ReportReading {
    /// What is said of a side alone.
    pub fn side(&self, side: Side) -> &Statement {
        match side {
            Side::Right => &self.right,
            Side::Left => &self.left,
        }
    }

    fn side_mut(&mut self, side: Option<Side>) -> &mut Statement {
        match side {
            Some(Side::Right) => &mut self.right,
            Some(Side::Left) => &mut self.left,
            None => &mut self.unspecified,
        }
    }

    /// What is said of a hip, with what was said without a side. A fracture or a doubt without a side is not taken over:
    /// see [`ReportReading::side_missing`].
    pub fn hip(&self, side: Side) -> Statement {
        let mut out = self.side(side).clone();
        let general = &self.unspecified;
        if out.finding == Finding::NotMentioned && general.finding == Finding::Absent {
            out.finding = Finding::Absent;
            out.hedged = general.hedged;
            out.evidence.extend(general.evidence.iter().cloned());
        }
        out.follow_up = out.follow_up.max(general.follow_up);
        out.other_information |= general.other_information && out.finding != Finding::NotMentioned;
        out
    }

    /// Whether a fracture is stated or left open without a side.
    pub fn side_missing(&self) -> bool {
        matches!(self.unspecified.finding, Finding::Present | Finding::Doubtful)
    }

    /// Everything that fired.
    pub fn evidence(&self) -> Vec<Evidence> {
        let all = [&self.right, &self.left, &self.unspecified];
        let mut out: Vec<Evidence> = all.iter().flat_map(|s| s.evidence.iter().cloned()).collect();
        out.sort_by(|a, b| (a.start, a.end, &a.rule).cmp(&(b.start, b.end, &b.rule)));
        out.dedup();
        out
    }
}

/// A match within a sentence.
#[derive(Clone, Copy, Debug)]
struct Hit {
    rule: usize,
    kind: Kind,
    start: usize,
    end: usize,
}

impl Hit {
    fn within(&self, other: &Hit) -> bool {
        self.start >= other.start && self.end <= other.end
    }

    fn overlaps(&self, other: &Hit) -> bool {
        self.start < other.end && other.start < self.end
    }

    fn longer(&self, other: &Hit) -> bool {
        self.end - self.start > other.end - other.start
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sides {
    One(Side),
    Both,
}

impl Sides {
    fn list(self) -> &'static [Side] {
        match self {
            Sides::One(Side::Right) => &[Side::Right],
            Sides::One(Side::Left) => &[Side::Left],
            Sides::Both => &Side::BOTH,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Present,
    Doubtful(Leaning),
    /// A fracture denied.
    Absent,
    /// "No other": holds for what is not named.
    NoOther,
    /// "Intact", "normal".
    Normal,
    /// Old, healed or operated.
    Old,
    Metal,
    Periprosthetic,
    /// A fracture of another bone.
    Elsewhere,
}

/// One thing that a sentence says of one or both hips.
#[derive(Clone, Debug)]
struct Mention {
    said: Said,
    sides: Option<Sides>,
    location: Option<(Location, bool)>,
    hedged: bool,
    /// A sign, and no word of doubt.
    sign: bool,
    impression: bool,
    advanced: bool,
    sentence: usize,
    evidence: Vec<Hit>,
}

/// What one part of a report (itself, or an addendum) says.
#[derive(Default)]
struct Part {
    mentions: Vec<Mention>,
    /// Further imaging and the frontal film's shortcomings: sides, what, words.
    remarks: Vec<(Option<Sides>, FollowUp, bool, Vec<Hit>)>,
    correction: Option<(Side, Hit)>,
    sides_named: Vec<Side>,
}

impl Rules {
    /// Reads one report, its addenda included.
    pub fn read_report(&self, text: &str) -> ReportReading {
        self.read_reports(&[text]).0
    }

    /// Reads the reports of one study in the order of time: the later corrects the earlier. Also tells which of them is
    /// the evidence's: for each evidence of [`ReportReading::evidence`] its report; spans count within that report.
    pub fn read_reports(&self, texts: &[&str]) -> (ReportReading, Vec<(usize, Evidence)>) {
        let mut reading = ReportReading::default();
        let mut sources = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let normal = self.dictionary.normal(text);
            for part in self.parts(&normal) {
                self.add(&mut reading, &part, &normal, text, |evidence| {
                    sources.push((index, evidence.clone()));
                });
            }
        }
        sources.dedup();
        (reading, sources)
    }

    fn hits(&self, text: &str, sentence: &Sentence) -> Vec<Hit> {
        let words = &text[sentence.start..sentence.end];
        let mut hits: Vec<Hit> = Vec::new();
        for (rule, of) in self.rules.iter().enumerate() {
            hits.extend(of.regex.find_iter(words).filter(|m| !m.is_empty()).map(|m| Hit {
                rule,
                kind: of.kind,
                start: sentence.start + m.start(),
                end: sentence.start + m.end(),
            }));
        }
        // "Left LT": the second stands for the lesser trochanter.
        let sides: Vec<Hit> = hits.iter().filter(|hit| hit.kind == Kind::Side).copied().collect();
        hits.retain(|hit| {
            let trochanter = hit.kind == Kind::Side && words[hit.start - sentence.start..].starts_with("lt");
            !trochanter
                || !sides
                    .iter()
                    .any(|side| side.end + 1 == hit.start || side.end == hit.start)
        });
        let hidden = |hit: &Hit| {
            hits.iter().any(|by| {
                let contains = hit.within(by) && by.longer(hit);
                match (group(by.kind), group(hit.kind)) {
                    (Group::Mask, Group::Mask) => contains,
                    // A mask does not hide a longer denial that it stands in.
                    (Group::Mask, _) => hit.overlaps(by) && (contains || !by.within(hit)) && hit.kind != Kind::Break,
                    (a, b) if a == b => contains,
                    (Group::Anchor, Group::Trigger) => {
                        contains && matches!(by.kind, Kind::Suspicion | Kind::Periprosthetic)
                    }
                    (Group::Trigger, Group::Anchor) => contains && by.kind == Kind::OtherInformation,
                    _ => false,
                }
            })
        };
        let mut kept: Vec<Hit> = hits.iter().filter(|hit| !hidden(hit)).copied().collect();
        // One fracture is named once: "#nof" is no second fracture beside "#".
        kept.sort_by_key(|hit| (hit.start, std::cmp::Reverse(hit.end)));
        let mut out: Vec<Hit> = Vec::new();
        for hit in kept {
            let twin = out
                .iter()
                .any(|by| by.overlaps(&hit) && group(by.kind) == Group::Anchor && group(hit.kind) == Group::Anchor);
            if !twin {
                out.push(hit);
            }
        }
        out
    }

    fn parts(&self, normal: &Normal) -> Vec<Part> {
        let text = &normal.text;
        let sentences = self.headings.sentences(text);
        let mut parts: Vec<Part> = Vec::new();
        // The side that a heading or the study's name gives.
        let mut heading: Option<Sides> = None;
        for (index, sentence) in sentences.iter().enumerate() {
            while parts.len() <= sentence.part {
                parts.push(Part::default());
                heading = None;
            }
            if sentence.section == Section::Asked {
                continue;
            }
            let hits = self.hits(text, sentence);
            let Some(part) = parts.last_mut() else { continue };
            if sentence.section == Section::Exam {
                // "Findings:" keeps the side of the study's name, "Both hips:" has none.
                heading = match self.named(&hits, None) {
                    Some(Sides::Both) => None,
                    None => heading,
                    one => one,
                };
                continue;
            }
            for hit in &hits {
                if let Some(SideRule::Right) = self.rules[hit.rule].side {
                    part.sides_named.push(Side::Right);
                } else if let Some(SideRule::Left) = self.rules[hit.rule].side {
                    part.sides_named.push(Side::Left);
                }
            }
            if let Some(hit) = hits.iter().find(|hit| hit.kind == Kind::Correction)
                && let Some(found) = self.rules[hit.rule].regex.captures(&text[hit.start..hit.end])
                && let Some(word) = found.iter().skip(1).flatten().next()
            {
                let side = if word.as_str() == "right" {
                    Side::Right
                } else {
                    Side::Left
                };
                part.correction = Some((side, *hit));
            }
            self.sentence(text, sentence, index, &hits, heading, part);
        }
        parts
    }

    /// The side that hits name; `near` a place if there are several.
    fn named(&self, hits: &[Hit], near: Option<(&Hit, Option<Side>)>) -> Option<Sides> {
        let last = near.and_then(|(_, last)| last);
        let anchor = near.map(|(anchor, _)| anchor);
        let mut sides: Vec<(usize, Sides)> = Vec::new();
        let mut plural = false;
        for hit in hits {
            let away = anchor.map_or(0, |anchor| {
                if hit.start >= anchor.end {
                    hit.start - anchor.end
                } else {
                    anchor.start.saturating_sub(hit.end)
                }
            });
            match self.rules[hit.rule].side {
                Some(SideRule::Right) => sides.push((away, Sides::One(Side::Right))),
                Some(SideRule::Left) => sides.push((away, Sides::One(Side::Left))),
                Some(SideRule::Both) => sides.push((away, Sides::Both)),
                Some(SideRule::Plural) => plural = true,
                Some(SideRule::Other) => {
                    if let Some(last) = last {
                        sides.push((away, Sides::One(other(last))));
                    }
                }
                None => {}
            }
        }
        if sides.iter().any(|(_, side)| *side == Sides::Both) {
            return Some(Sides::Both);
        }
        let nearest = sides.iter().min_by_key(|(away, _)| *away).map(|(_, side)| *side);
        nearest.or(plural.then_some(Sides::Both))
    }

    fn sentence(
        &self,
        text: &str,
        sentence: &Sentence,
        index: usize,
        hits: &[Hit],
        heading: Option<Sides>,
        part: &mut Part,
    ) {
        let anchors: Vec<Hit> = hits
            .iter()
            .filter(|hit| group(hit.kind) == Group::Anchor)
            .copied()
            .collect();
        let bounds = bounds(text, sentence, hits, &anchors);
        let reach = Reach {
            text,
            sentence,
            hits,
            anchors: &anchors,
        };
        // "Break in Shenton's line on the left; displaced neck fracture": a sign's side is that of what follows.
        let mut inherited: Option<Sides> = part
            .mentions
            .last()
            .filter(|mention| mention.sign && mention.sentence + 1 == index)
            .and_then(|mention| mention.sides);
        let first_mention = part.mentions.len();
        for (number, anchor) in anchors.iter().enumerate() {
            let (from, to) = bounds[number];
            let inside: Vec<Hit> = hits
                .iter()
                .filter(|h| h.start >= from && h.end <= to)
                .copied()
                .collect();
            let last = last_side(part);
            let own = self.named(&inside, Some((anchor, last)));
            let mut evidence = vec![*anchor];
            evidence.extend(inside.iter().filter(|hit| hit.kind == Kind::Side).copied());
            let Some((said, hedged, sign)) = self.said(&reach, anchor, &inside, part, &mut evidence) else {
                continue;
            };
            let location = self.location(anchor, &inside, &mut evidence);
            let positive = !matches!(said, Said::Absent | Said::NoOther | Said::Normal);
            let sides = own.or(if positive { inherited } else { None }).or(heading);
            if own.is_some() {
                inherited = own;
            }
            part.mentions.push(Mention {
                said,
                sides,
                location,
                hedged,
                sign,
                impression: sentence.section == Section::Impression,
                advanced: inside.iter().any(|hit| hit.kind == Kind::Advanced),
                sentence: index,
                evidence,
            });
        }
        self.remarks(hits, heading, first_mention, part);
    }

    /// Further imaging, and whether the frontal film was enough.
    fn remarks(&self, hits: &[Hit], heading: Option<Sides>, first_mention: usize, part: &mut Part) {
        let find = |kind| hits.iter().filter(move |hit| hit.kind == kind).copied();
        let mut evidence = Vec::new();
        let mut follow_up = FollowUp::None;
        if let Some(imaging) = find(Kind::Imaging).next()
            && let Some(ask) = find(Kind::Require).chain(find(Kind::Condition)).next()
        {
            evidence.extend([imaging, ask]);
            let optional = find(Kind::Condition).next();
            let for_other_ends = find(Kind::Planning).next().is_some();
            let settles = find(Kind::Settle)
                .next()
                .or_else(|| find(Kind::DoubtBefore).find(|hit| self.rules[hit.rule].leaning == Leaning::None));
            follow_up = match (optional, settles) {
                (Some(_), _) => FollowUp::Optional,
                _ if find(Kind::Require).next().is_none() => FollowUp::None,
                (None, Some(settle)) if !for_other_ends => {
                    evidence.push(settle);
                    FollowUp::RequiredToDiagnose
                }
                (None, _) if for_other_ends => FollowUp::Optional,
                (None, _) => FollowUp::Required,
            };
        }
        let mut other_information = false;
        for hit in find(Kind::OtherInformation) {
            other_information = true;
            evidence.push(hit);
        }
        if follow_up == FollowUp::None && !other_information {
            return;
        }
        let of_mentions = part.mentions[first_mention..]
            .iter()
            .rev()
            .chain(part.mentions[..first_mention].iter().rev())
            .find(|mention| matches!(mention.said, Said::Doubtful(_) | Said::Present))
            .and_then(|mention| mention.sides);
        let sides = self.named(hits, None).or(of_mentions).or(heading);
        part.remarks.push((sides, follow_up, other_information, evidence));
    }

    /// What a sentence says at an anchor: hedged or not, a mere sign or not. `None`: nothing new.
    fn said(
        &self,
        reach: &Reach,
        anchor: &Hit,
        inside: &[Hit],
        part: &Part,
        evidence: &mut Vec<Hit>,
    ) -> Option<(Said, bool, bool)> {
        let Reach {
            text, sentence, hits, ..
        } = *reach;
        let before = |kind| {
            hits.iter()
                .rev()
                .find(|hit| hit.kind == kind && reach.forward(hit, anchor))
                .copied()
        };
        let after = |kind| {
            hits.iter()
                .find(|hit| hit.kind == kind && reach.backward(hit, anchor))
                .copied()
        };
        let within = |kind| inside.iter().find(|hit| hit.kind == kind).copied();
        match anchor.kind {
            Kind::Normal => return Some((Said::Normal, false, false)),
            Kind::Periprosthetic => {
                let denied = before(Kind::DenyBefore).or(before(Kind::NoOther));
                return match denied {
                    Some(_) => None,
                    None => Some((Said::Periprosthetic, false, false)),
                };
            }
            Kind::Metal => {
                let planned = inside.iter().find(|hit| {
                    hit.kind == Kind::Planned && hit.end <= anchor.start && words(&text[hit.end..anchor.start]) <= 2
                });
                let near = |hit: &Hit| words(&text[hit.end..anchor.start]) <= 3;
                let denied = before(Kind::DenyBefore).filter(near).or_else(|| after(Kind::DenyAfter));
                return match (planned, denied) {
                    (None, None) => Some((Said::Metal, false, false)),
                    _ => None,
                };
            }
            _ => {}
        }

        let place = self.place(text, anchor, inside, hits);
        let deny = before(Kind::DenyBefore).or_else(|| after(Kind::DenyAfter));
        let no_other = before(Kind::NoOther);
        let doubts: Vec<Hit> = hits
            .iter()
            .filter(|hit| {
                (hit.kind == Kind::DoubtBefore && reach.forward(hit, anchor))
                    || (hit.kind == Kind::DoubtAfter && reach.backward(hit, anchor))
            })
            .copied()
            .collect();
        let hedge = within(Kind::Hedge);
        if let Some(hit) = no_other {
            evidence.push(hit);
            return Some((Said::NoOther, false, false));
        }
        if place == Place::Elsewhere {
            return match deny {
                Some(_) => None,
                None => Some((Said::Elsewhere, false, false)),
            };
        }
        // The nearer word decides: "possible fracture, not convincing", "no suspicious fracture".
        if let Some(hit) = deny {
            let nearer = doubts
                .iter()
                .find(|doubt| doubt.kind == Kind::DoubtBefore && doubt.end <= anchor.start);
            let overruled = nearer
                .is_some_and(|doubt| hit.kind == Kind::DenyAfter && self.rules[doubt.rule].leaning == Leaning::None);
            if !overruled {
                evidence.push(hit);
                if let Some(old) = within(Kind::Old)
                    && within(Kind::Acute).is_none()
                    && hit.kind == Kind::DenyBefore
                    && old.start > hit.end
                    && old.end <= anchor.start
                {
                    return None;
                }
                if anchor.kind == Kind::Suspicion {
                    return Some((Said::Normal, false, false));
                }
                let hedged = self.rules[hit.rule].hedged || doubts.iter().any(|d| d.kind == Kind::DoubtAfter);
                return Some((Said::Absent, hedged, false));
            }
        }
        // Its age: the nearer word counts.
        let away = |hit: &Hit| {
            if hit.end <= anchor.start {
                anchor.start - hit.end
            } else {
                hit.start.saturating_sub(anchor.end) + 1
            }
        };
        // "No new injury" makes nothing new.
        let denied = |hit: &Hit| {
            hits.iter().any(|deny| {
                matches!(deny.kind, Kind::DenyBefore | Kind::NoOther)
                    && deny.start >= anchor.end
                    && deny.end <= hit.start
                    && words(&text[deny.end..hit.start]) <= 2
            })
        };
        let nearest = |kind| {
            let of_kind = inside.iter().filter(|hit| hit.kind == kind && !denied(hit));
            of_kind.min_by_key(|hit| away(hit)).copied()
        };
        if let Some(old) = nearest(Kind::Old)
            && nearest(Kind::Acute).is_none_or(|acute| away(&acute) > away(&old))
        {
            evidence.push(old);
            return Some((Said::Old, false, false));
        }
        // "The fracture", "alignment of the fracture": what was named before, not another one.
        let continued = place == Place::None
            && part
                .mentions
                .iter()
                .rev()
                .find(|m| !matches!(m.said, Said::Normal | Said::Metal))
                .is_some_and(|m| {
                    matches!(
                        m.said,
                        Said::Elsewhere | Said::Old | Said::Present | Said::Doubtful(_) | Said::Periprosthetic
                    )
                })
            && self.continues(text, sentence, anchor, inside);
        if continued && doubts.is_empty() {
            return None;
        }
        // A fracture beside the metal that holds it.
        let at_metal = inside
            .iter()
            .any(|hit| matches!(hit.kind, Kind::Metal) && !self.is_planned(text, inside, hit));
        if at_metal && nearest(Kind::Acute).is_none() {
            return Some((Said::Old, false, false));
        }
        if inside.iter().any(|hit| hit.kind == Kind::Periprosthetic) {
            return Some((Said::Periprosthetic, false, false));
        }
        // "MRI if there is concern for an occult fracture" says nothing of what is seen.
        let supposed = hits.iter().any(|hit| {
            let own = !doubts
                .iter()
                .any(|doubt| doubt.overlaps(hit) && !text[doubt.start..].starts_with("if"));
            hit.kind == Kind::Condition && hit.start < anchor.start && own
        });
        if supposed && !doubts.is_empty() && doubts.iter().any(|hit| self.rules[hit.rule].leaning == Leaning::None) {
            return None;
        }
        if !doubts.is_empty() {
            evidence.extend(doubts.iter().copied());
            let against = doubts.iter().any(|hit| self.rules[hit.rule].leaning == Leaning::None);
            let leaning = if against { Leaning::None } else { Leaning::Fracture };
            return Some((Said::Doubtful(leaning), false, false));
        }
        if anchor.kind == Kind::Suspicion {
            return Some((Said::Doubtful(Leaning::Fracture), false, true));
        }
        evidence.extend(hedge);
        Some((Said::Present, hedge.is_some(), false))
    }

    fn is_planned(&self, text: &str, inside: &[Hit], metal: &Hit) -> bool {
        inside
            .iter()
            .any(|hit| hit.kind == Kind::Planned && hit.end <= metal.start && words(&text[hit.end..metal.start]) <= 2)
    }

    /// Whether a fracture without a place is one already spoken of.
    fn continues(&self, text: &str, sentence: &Sentence, anchor: &Hit, inside: &[Hit]) -> bool {
        let side = inside.iter().any(|hit| hit.kind == Kind::Side);
        let lead = text[sentence.start..anchor.start].trim();
        let definite = lead
            .split_whitespace()
            .rev()
            .take(3)
            .any(|word| matches!(word, "the" | "this" | "these" | "its"));
        let follow = text[anchor.end..sentence.end].trim_start();
        let subject = [
            "is ",
            "are ",
            "appears",
            "line",
            "fragment",
            "alignment",
            "has ",
            "have ",
            "gap",
            "site",
            "plane",
        ]
        .iter()
        .any(|word| follow.starts_with(word));
        !side && (definite || lead.is_empty() && subject || lead.ends_with("alignment of"))
    }

    /// The place of a fracture: the nearest, and what is joined to it.
    fn place(&self, text: &str, anchor: &Hit, inside: &[Hit], hits: &[Hit]) -> Place {
        if matches!(anchor.kind, Kind::Diagnosis | Kind::Suspicion) {
            return Place::Hip;
        }
        let mut places: Vec<&Hit> = inside
            .iter()
            .filter(|hit| matches!(hit.kind, Kind::Hip | Kind::Elsewhere))
            // "without extension to the neck": not there.
            .filter(|hit| {
                !hits.iter().any(|deny| {
                    matches!(deny.kind, Kind::DenyBefore | Kind::Mask | Kind::NoOther)
                        && deny.start >= anchor.end
                        && deny.end <= hit.start + 1
                })
            })
            .collect();
        if anchor.kind == Kind::Fracture
            && places
                .iter()
                .any(|hit| hit.kind == Kind::Hip && self.rules[hit.rule].location.is_some() && hit.within(anchor))
        {
            return Place::Hip;
        }
        let away = |hit: &Hit| {
            if hit.end <= anchor.start {
                anchor.start - hit.end
            } else {
                hit.start.saturating_sub(anchor.end)
            }
        };
        places.sort_by_key(|hit| away(hit));
        let Some(nearest) = places.first() else {
            return Place::None;
        };
        if nearest.kind == Kind::Hip {
            return Place::Hip;
        }
        let joined = places.iter().any(|hit| {
            let located = self.rules[hit.rule].location.is_some();
            let (from, to) = if hit.start < nearest.start {
                (hit.end, nearest.start)
            } else {
                (nearest.end, hit.start)
            };
            let between = text.get(from..to).unwrap_or_default();
            let link = ["and", "&", "or", "into", "exten", "involv", "plus", "+"]
                .iter()
                .any(|word| between.contains(word))
                || between.trim() == ","
                || self.rules[hit.rule].name.starts_with("extension");
            hit.kind == Kind::Hip && link && (located || words(between) <= 3)
        });
        if joined { Place::Hip } else { Place::Elsewhere }
    }

    fn location(&self, anchor: &Hit, inside: &[Hit], evidence: &mut Vec<Hit>) -> Option<(Location, bool)> {
        if let Some(location) = self.rules[anchor.rule].location {
            return Some((location, true));
        }
        let away = |hit: &Hit| {
            if hit.end <= anchor.start {
                anchor.start - hit.end
            } else {
                hit.start.saturating_sub(anchor.end)
            }
        };
        let found = inside
            .iter()
            .filter(|hit| hit.kind == Kind::Hip)
            .filter_map(|hit| self.rules[hit.rule].location.map(|location| (hit, location)))
            .min_by_key(|(hit, _)| (self.rules[hit.rule].weak, away(hit)));
        evidence.extend(
            inside
                .iter()
                .filter(|hit| matches!(hit.kind, Kind::Hip | Kind::Elsewhere))
                .copied(),
        );
        found.map(|(hit, location)| (location, !self.rules[hit.rule].weak))
    }
}

/// How far a denial or a doubt reaches.
struct Reach<'a> {
    text: &'a str,
    sentence: &'a Sentence,
    hits: &'a [Hit],
    anchors: &'a [Hit],
}

impl Reach<'_> {
    fn broken(&self, from: usize, to: usize) -> bool {
        self.hits
            .iter()
            .any(|hit| hit.kind == Kind::Break && hit.start >= from && hit.end <= to)
    }

    /// A word before the anchor.
    fn forward(&self, word: &Hit, anchor: &Hit) -> bool {
        if word.end > anchor.start
            && !(word.start <= anchor.start && word.end <= anchor.end && word.start < anchor.start)
        {
            return false;
        }
        let between = self.text.get(word.end..anchor.start).unwrap_or_default();
        if self.broken(word.end, anchor.start) || words(between) > 12 {
            return false;
        }
        // Another fracture in between, told of its own side, takes the word to itself.
        let side = |from: usize, to: usize| {
            self.hits
                .iter()
                .any(|hit| matches!(hit.kind, Kind::Side) && hit.start >= from && hit.end <= to)
        };
        let metal = self.anchors.iter().any(|hit| {
            matches!(hit.kind, Kind::Normal | Kind::Metal) && hit.start >= word.end && hit.end <= anchor.start
        });
        if metal {
            return false;
        }
        // Over a comma only along a list: "no dislocation, fracture or loosening".
        if let Some(comma) = between.rfind([',', '\n', ':']) {
            let from = word.end + comma + 1;
            let tail = &self.text[from..anchor.start];
            let listed = tail.trim_start().starts_with("or ") || tail.trim_start().starts_with("nor ");
            let to = self.text[anchor.end..self.sentence.end]
                .find([',', '\n'])
                .map_or(self.sentence.end, |at| anchor.end + at);
            let subject = [
                "there",
                "is",
                "are",
                "a",
                "an",
                "displaced",
                "undisplaced",
                "comminuted",
                "impacted",
                "the",
            ];
            let starts = tail.split_whitespace().any(|word| subject.contains(&word));
            if !listed && (starts || side(from, to) || self.hip_between(from, to)) {
                return false;
            }
        }
        true
    }

    fn hip_between(&self, from: usize, to: usize) -> bool {
        self.hits
            .iter()
            .any(|hit| hit.kind == Kind::Hip && hit.start >= from && hit.end <= to)
    }

    /// A word after the anchor.
    fn backward(&self, word: &Hit, anchor: &Hit) -> bool {
        if word.start < anchor.end.saturating_sub(1) {
            return false;
        }
        let between = self.text.get(anchor.end..word.start).unwrap_or_default();
        if self.broken(anchor.end, word.start) || words(between) > 12 {
            return false;
        }
        let other = self.anchors.iter().any(|hit| {
            hit.start >= anchor.end && hit.end <= word.start && !matches!(hit.kind, Kind::Fracture | Kind::Diagnosis)
        });
        if other {
            return false;
        }
        if let Some(comma) = between.rfind([',', '\n']) {
            let after_comma = between[comma + 1..].trim();
            let list = words(&self.text[self.sentence.start..anchor.end]) <= 4
                && !self.hip_between(self.sentence.start, anchor.end);
            if !(after_comma.is_empty() || list) {
                return false;
            }
        }
        true
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Hip,
    Elsewhere,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Anchor,
    Place,
    Side,
    Trigger,
    Plain,
    Mask,
}

fn group(kind: Kind) -> Group {
    match kind {
        Kind::Fracture | Kind::Diagnosis | Kind::Suspicion | Kind::Normal | Kind::Metal | Kind::Periprosthetic => {
            Group::Anchor
        }
        Kind::Hip | Kind::Elsewhere => Group::Place,
        Kind::Side => Group::Side,
        Kind::Mask => Group::Mask,
        Kind::DenyBefore
        | Kind::DenyAfter
        | Kind::NoOther
        | Kind::DoubtBefore
        | Kind::DoubtAfter
        | Kind::Hedge
        | Kind::Old
        | Kind::Acute
        | Kind::OtherInformation => Group::Trigger,
        _ => Group::Plain,
    }
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn last_side(part: &Part) -> Option<Side> {
    let of_mention = part.mentions.iter().rev().find_map(|mention| match mention.sides {
        Some(Sides::One(side)) => Some(side),
        _ => None,
    });
    of_mention.or(part.sides_named.first().copied())
}

/// The stretch of a sentence that belongs to each anchor.
fn bounds(text: &str, sentence: &Sentence, hits: &[Hit], anchors: &[Hit]) -> Vec<(usize, usize)> {
    let mut out = vec![(sentence.start, sentence.end); anchors.len()];
    for number in 1..anchors.len() {
        let (from, to) = (anchors[number - 1].end, anchors[number].start);
        if from >= to {
            continue;
        }
        let between = &text[from..to];
        let breaker = hits
            .iter()
            .filter(|hit| hit.kind == Kind::Break && hit.start >= from && hit.end <= to)
            .map(|hit| hit.start)
            .next_back();
        let comma = between.rfind([',', '\n', ':']).map(|at| from + at + 1);
        let joint = [" and ", " with ", " & ", " + ", "/"]
            .iter()
            .filter_map(|word| between.rfind(word))
            .max()
            .map(|at| from + at);
        if let Some(at) = breaker.or(comma).or(joint) {
            for earlier in &mut out[..number] {
                earlier.1 = earlier.1.min(at.max(earlier.0));
            }
            for later in &mut out[number..] {
                later.0 = later.0.max(at);
            }
        }
    }
    out
}

impl Rules {
    /// Adds what a part says to what was read before.
    fn add(
        &self,
        reading: &mut ReportReading,
        part: &Part,
        normal: &Normal,
        original: &str,
        mut source: impl FnMut(&Evidence),
    ) {
        let evidence = |hits: &[Hit]| -> Vec<Evidence> {
            hits.iter()
                .map(|hit| {
                    let trimmed = normal.text[hit.start..hit.end].trim_end().len();
                    let (start, end) = normal.original(hit.start, hit.start + trimmed.max(1));
                    Evidence {
                        rule: self.rules[hit.rule].name.clone(),
                        start,
                        end,
                        words: original.get(start..end).unwrap_or_default().to_owned(),
                    }
                })
                .collect()
        };

        if let Some((side, hit)) = &part.correction {
            let found = evidence(&[*hit]);
            found.iter().for_each(&mut source);
            let wrong = std::mem::take(reading.side_mut(Some(other(*side))));
            let right = reading.side_mut(Some(*side));
            let before = std::mem::replace(right, wrong);
            if before.finding != Finding::NotMentioned && right.finding == Finding::NotMentioned {
                *right = before;
            }
            right.evidence.extend(found);
        }

        let mut named: Vec<Side> = part.sides_named.clone();
        named.sort();
        named.dedup();
        let only = match named[..] {
            [side] => Some(side),
            _ => None,
        };
        // A fracture without a side is of the only side that the report names, or of the one left open before.
        let before: Vec<Side> = Side::BOTH
            .into_iter()
            .filter(|side| matches!(reading.side(*side).finding, Finding::Doubtful | Finding::Present))
            .collect();
        let place = |mention: &Mention| -> Vec<Option<Side>> {
            match (mention.sides, mention.said) {
                (Some(sides), _) => sides.list().iter().map(|side| Some(*side)).collect(),
                (None, Said::Present | Said::Doubtful(_) | Said::Old | Said::Metal | Said::Periprosthetic) => {
                    match (only, &before[..]) {
                        (Some(side), _) => vec![Some(side)],
                        (None, [side]) => vec![Some(*side)],
                        _ => vec![None],
                    }
                }
                (None, _) => vec![None],
            }
        };

        let mut fresh = ReportReading::default();
        for target in [Some(Side::Right), Some(Side::Left), None] {
            let mentions: Vec<&Mention> = part.mentions.iter().filter(|m| place(m).contains(&target)).collect();
            let statement = fresh.side_mut(target);
            let general: Vec<&Mention> = part.mentions.iter().filter(|m| m.sides.is_none()).collect();
            settle(statement, &mentions, &general);
            for mention in &mentions {
                statement.evidence.extend(evidence(&mention.evidence));
            }
        }
        for (sides, follow_up, other_information, hits) in &part.remarks {
            let sides: Vec<Option<Side>> = match (sides, only) {
                (Some(sides), _) => sides.list().iter().map(|side| Some(*side)).collect(),
                (None, only) => vec![only],
            };
            for side in sides {
                let statement = fresh.side_mut(side);
                statement.follow_up = statement.follow_up.max(*follow_up);
                statement.other_information |= other_information;
                statement.evidence.extend(evidence(hits));
            }
        }
        fresh.evidence().iter().for_each(&mut source);

        // A plain denial in an addendum, without a side, takes back what was left open or stated before.
        let denies = part
            .mentions
            .iter()
            .any(|m| m.said == Said::Absent && m.sides.is_none());
        for target in [Some(Side::Right), Some(Side::Left), None] {
            let new = std::mem::take(fresh.side_mut(target));
            let old = reading.side_mut(target);
            let taken_back = denies
                && new.finding == Finding::NotMentioned
                && matches!(old.finding, Finding::Doubtful | Finding::Present);
            if taken_back {
                old.finding = Finding::Absent;
                old.hedged = false;
            }
            if new.finding != Finding::NotMentioned {
                old.finding = new.finding;
                old.hedged = new.hedged;
                old.leaning = new.leaning;
                old.contradiction = new.contradiction;
            }
            old.location = new.location.or(old.location);
            old.metal |= new.metal;
            old.periprosthetic |= new.periprosthetic;
            old.old_fracture |= new.old_fracture;
            old.follow_up = old.follow_up.max(new.follow_up);
            old.other_information |= new.other_information;
            old.evidence.extend(new.evidence);
            old.evidence
                .sort_by(|a, b| (a.start, a.end, &a.rule).cmp(&(b.start, b.end, &b.rule)));
            old.evidence.dedup();
        }
        // Said without a side first and with one later: of that side.
        if reading.side_missing()
            && Side::BOTH
                .iter()
                .any(|side| reading.side(*side).finding == Finding::Present)
        {
            reading.unspecified.finding = Finding::NotMentioned;
        }
    }
}

/// What the mentions of one hip come to: stated before doubtful before denied.
fn settle(statement: &mut Statement, mentions: &[&Mention], general: &[&Mention]) {
    let mut location: Option<(Location, bool)> = None;
    let present: Vec<&&Mention> = mentions.iter().filter(|m| m.said == Said::Present).collect();
    let doubtful: Vec<&&Mention> = mentions
        .iter()
        .filter(|m| matches!(m.said, Said::Doubtful(_)))
        .collect();
    let absent: Vec<&&Mention> = mentions.iter().filter(|m| m.said == Said::Absent).collect();
    let normal = mentions.iter().any(|m| matches!(m.said, Said::Normal | Said::NoOther));
    statement.metal = mentions
        .iter()
        .any(|m| matches!(m.said, Said::Metal | Said::Periprosthetic));
    statement.periprosthetic = mentions.iter().any(|m| m.said == Said::Periprosthetic);
    statement.old_fracture = mentions.iter().any(|m| m.said == Said::Old);
    // The hip that carries the metal: its fracture is the one it was put in for.
    if statement.metal && !present.is_empty() && present.iter().all(|m| m.location.is_none()) {
        statement.old_fracture = true;
    }
    for mention in present.iter().chain(&doubtful) {
        if let Some((found, firm)) = mention.location
            && location.is_none_or(|(_, before)| firm && !before)
        {
            location = Some((found, firm));
        }
    }
    statement.location = location.map(|(location, _)| location);
    if !present.is_empty() {
        statement.finding = Finding::Present;
        statement.hedged = present.iter().all(|m| m.hedged);
        statement.contradiction = absent.iter().any(|m| m.sides.is_some() || m.impression);
    } else if let Some(last) = doubtful.last() {
        // A doubt is settled by the impression, by CT or MRI, or, if it was a mere sign, by a later denial.
        let denials = mentions.iter().chain(general).filter(|m| m.said == Said::Absent);
        let settled = denials.into_iter().any(|m| {
            let later = m.sentence >= last.sentence;
            later
                && (m.advanced
                    || m.impression && !last.impression
                    || m.sentence <= last.sentence + 1 && doubtful.iter().all(|d| d.sign))
        });
        if settled {
            statement.finding = Finding::Absent;
            statement.location = None;
        } else {
            statement.finding = Finding::Doubtful;
            let toward = doubtful.iter().any(|m| m.said == Said::Doubtful(Leaning::Fracture));
            let against = !absent.is_empty() || !toward;
            statement.leaning = if against { Leaning::None } else { Leaning::Fracture };
        }
    } else if !absent.is_empty() || normal || statement.old_fracture {
        statement.finding = Finding::Absent;
        statement.hedged = !absent.is_empty() && absent.iter().all(|m| m.hedged) && !normal;
    }
}
