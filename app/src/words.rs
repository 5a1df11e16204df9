//! Codes, dates and numbers as a person reads them. Nothing here depends on a locale or a clock, so the server
//! and the browser write the same text.

use domain::{
    AuditAction, AuditOutcome, Call, Exclusion, FractureLocation, HipFinding, ImageRow, ReadingStatus, ResultSummary,
    Role, Side, StudyState, Technique, Timestamp,
};
use serde::Deserialize;
use serde::de::IntoDeserializer;

/// Shown on every page that holds a result.
pub const NOTICE: &str = "Models trained on simulated x-rays. Not for clinical use.";

pub fn result(result: ResultSummary) -> &'static str {
    match result {
        ResultSummary::Pending => "No result yet",
        ResultSummary::Excluded => "Set aside, not read",
        ResultSummary::Partial => "Negative, not all read",
        ResultSummary::Negative => "No fracture seen",
        ResultSummary::Doubtful => "Doubtful",
        ResultSummary::Definite => "Fracture suspected",
    }
}

pub fn call(call: Call) -> &'static str {
    match call {
        Call::Negative => "no fracture seen",
        Call::Doubtful => "doubtful: look again",
        Call::Definite => "definite: fracture suspected",
    }
}

/// Modality, body part and view as the file says them.
pub fn image_kind(image: &ImageRow) -> String {
    let parts = [&image.modality, &image.body_part, &image.view_position];
    let known: Vec<&str> = parts
        .into_iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    if known.is_empty() {
        "kind not stated".to_owned()
    } else {
        known.join(" ")
    }
}

/// How an image was taken; empty where the file says nothing of it.
pub fn technique(technique: &Technique) -> String {
    let number = |before: &str, value: Option<f64>, unit: &str| {
        let value = value.filter(|value| value.is_finite() && *value > 0.0)?;
        // A digit behind the point where there is one to say.
        let rounded = (value * 10.0).round() / 10.0;
        Some(format!("{before}{rounded} {unit}"))
    };
    let known = [
        number("", technique.kvp, "kV"),
        number("", technique.exposure_mas, "mAs"),
        // Source to image-receptor distance, as radiographers call it.
        number("SID ", technique.distance_source_to_detector_mm, "mm"),
    ];
    known.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The result whose mark and colour a call takes.
pub fn summary_of(call: Option<Call>) -> ResultSummary {
    match call {
        None => ResultSummary::Excluded,
        Some(Call::Negative) => ResultSummary::Negative,
        Some(Call::Doubtful) => ResultSummary::Doubtful,
        Some(Call::Definite) => ResultSummary::Definite,
    }
}

pub fn state(state: StudyState) -> &'static str {
    match state {
        StudyState::Receiving => "Receiving",
        StudyState::Waiting => "Waiting",
        StudyState::Analysing => "Analysing",
        StudyState::Done => "Done",
        StudyState::Failed => "Failed",
    }
}

pub fn side(side: Side) -> &'static str {
    match side {
        Side::Right => "Right hip",
        Side::Left => "Left hip",
    }
}

/// The side letter of a radiograph.
pub fn letter(side: Side) -> &'static str {
    match side {
        Side::Right => "R",
        Side::Left => "L",
    }
}

pub fn location(location: FractureLocation) -> &'static str {
    match location {
        FractureLocation::None => "no fracture",
        FractureLocation::Intracapsular => "intra-capsular",
        FractureLocation::Extracapsular => "extra-capsular",
    }
}

pub fn role(role: Role) -> &'static str {
    match role {
        Role::Administrator => "Administrator",
        Role::Reader => "Reader",
        Role::Site => "Site",
    }
}

pub fn sex(sex: &str) -> &str {
    match sex {
        "F" => "F",
        "M" => "M",
        "O" => "other",
        _ => "sex unknown",
    }
}

pub fn action(action: AuditAction) -> &'static str {
    match action {
        AuditAction::SignIn => "Sign in",
        AuditAction::SignOut => "Sign out",
        AuditAction::Refusal => "Refusal",
        AuditAction::Upload => "Upload",
        AuditAction::Query => "Search",
        AuditAction::ViewStudy => "View study",
        AuditAction::ViewImage => "View image",
        AuditAction::Answer => "Answer",
        AuditAction::Export => "Export",
        AuditAction::Setting => "Setting",
        AuditAction::Restart => "Restart",
        AuditAction::Quarantine => "Quarantine",
    }
}

pub fn outcome(outcome: AuditOutcome) -> &'static str {
    match outcome {
        AuditOutcome::Success => "Done",
        AuditOutcome::Failure => "Refused or failed",
    }
}

pub fn network(network: &str) -> &str {
    match network {
        "frontal" => "Frontal gate: is this a frontal x-ray of the pelvis?",
        "bounding" => "Localiser: where are the two necks of femur?",
        "metal" => "Metal gate: is there metal in this hip?",
        "fracture" => "Fracture network: is this hip broken, and where?",
        "baseline" => "Baseline: the network that the fracture network is compared with",
        other => other,
    }
}

/// An image's reason in plain words; what is not a known exclusion is an error's own words.
pub fn exclusion(reason: &str) -> String {
    let known: Result<Exclusion, serde::de::value::Error> = Exclusion::deserialize(reason.into_deserializer());
    match known {
        Ok(exclusion) => exclusion.words().to_owned(),
        Err(_) => reason.to_owned(),
    }
}

/// What became of a whole image.
pub fn reading(status: ReadingStatus, reason: Option<&str>) -> String {
    let why = reason.map(exclusion);
    match (status, why) {
        (ReadingStatus::Analysed, _) => "Analysed".to_owned(),
        (ReadingStatus::Excluded, Some(why)) => format!("Set aside: {why}"),
        (ReadingStatus::Excluded, None) => "Set aside".to_owned(),
        (ReadingStatus::Error, Some(why)) => format!("Could not be read: {why}"),
        (ReadingStatus::Error, None) => "Could not be read".to_owned(),
    }
}

/// What a hip's box says, for example `R doubtful 0.63`.
pub fn box_label(hip: &HipFinding) -> String {
    let letter = letter(hip.side);
    match (hip.call, hip.reason) {
        (Some(call), _) => {
            let word = match call {
                Call::Negative => "no fracture seen",
                Call::Doubtful => "doubtful",
                Call::Definite => "definite",
            };
            match hip.fracture {
                Some(fracture) => format!("{letter} {word} {}", score(fracture.score)),
                None => format!("{letter} {word}"),
            }
        }
        (None, Some(reason)) => format!("{letter} not read: {}", reason.words()),
        (None, None) => format!("{letter} not read"),
    }
}

/// Two digits behind the point. A score below 1 never shows as 1.00 and one above 0 never as 0.00.
pub fn score(score: f32) -> String {
    if (0.995..1.0).contains(&score) {
        ">0.99".to_owned()
    } else if score > 0.0 && score < 0.005 {
        "<0.01".to_owned()
    } else {
        format!("{score:.2}")
    }
}

/// `YYYYMMDD` as `YYYY-MM-DD`; anything else unchanged.
pub fn date(da: &str) -> String {
    if da.len() == 8 && da.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("{}-{}-{}", &da[..4], &da[4..6], &da[6..])
    } else {
        da.to_owned()
    }
}

/// `HHMMSS.FFFFFF` as `HH:MM`; anything else unchanged.
pub fn time(tm: &str) -> String {
    match tm.as_bytes() {
        [h1, h2, m1, m2, ..] if [h1, h2, m1, m2].iter().all(|byte| byte.is_ascii_digit()) => {
            format!("{}:{}", &tm[..2], &tm[2..4])
        }
        _ => tm.to_owned(),
    }
}

/// A study's own date and time, as the site's clock had it.
pub fn study_time(da: &str, tm: &str) -> String {
    let text = format!("{} {}", date(da), time(tm));
    let text = text.trim();
    if text.is_empty() {
        "unknown".to_owned()
    } else {
        text.to_owned()
    }
}

/// Whole years between two dates in DICOM DA, if both are dates.
pub fn age(birth: &str, at: &str) -> Option<u32> {
    let number = |da: &str| (da.len() == 8).then(|| da.parse::<u32>().ok()).flatten();
    let (birth, at) = (number(birth)?, number(at)?);
    (at >= birth).then(|| (at - birth) / 10_000)
}

/// `F, 82 y`, with what is known.
pub fn sex_age(sex_code: &str, birth: &str, at: &str) -> String {
    match (sex_code.is_empty(), age(birth, at)) {
        (true, None) => String::new(),
        (false, None) => sex(sex_code).to_owned(),
        (true, Some(age)) => format!("{age} y"),
        (false, Some(age)) => format!("{}, {age} y", sex(sex_code)),
    }
}

/// Year, month, day of a count of days since 1970-01-01 (proleptic Gregorian calendar).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Days since 1970-01-01 of a date.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_index = (month + 9) % 12;
    let day_of_year = (153 * month_index + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

const DAY: i64 = 86_400_000;

/// `2026-11-23T23:13:33Z`.
pub fn iso(at: Timestamp) -> String {
    let (year, month, day) = civil(at.0.div_euclid(DAY));
    let seconds = at.0.rem_euclid(DAY) / 1000;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// `2026-11-23 23:13 UTC`.
pub fn utc(at: Timestamp) -> String {
    let iso = iso(at);
    format!("{} {} UTC", &iso[..iso.len() - 10], &iso[iso.len() - 9..iso.len() - 4])
}

/// The first moment, in UTC, of a day written `YYYY-MM-DD`.
pub fn day_start(text: &str) -> Option<Timestamp> {
    let mut parts = text.splitn(3, '-');
    let year: i64 = parts.next()?.parse().ok()?;
    let month: i64 = parts.next()?.parse().ok()?;
    let day: i64 = parts.next()?.parse().ok()?;
    let sound = (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let count = days(year, month, day);
    (sound && civil(count) == (year, month, day)).then_some(Timestamp(count * DAY))
}

/// The last millisecond, in UTC, of a day written `YYYY-MM-DD`.
pub fn day_end(text: &str) -> Option<Timestamp> {
    day_start(text).map(|start| Timestamp(start.0 + DAY - 1))
}

/// `11.1 MB`, in powers of ten.
pub fn bytes(count: u64) -> String {
    let count_f = count as f64;
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.0} kB", count_f / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count_f / 1e6),
        _ => format!("{:.1} GB", count_f / 1e9),
    }
}

/// `1,434,176`.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The text with a capital first letter.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// `1 image`, `3 images`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(count), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_unambiguous() {
        assert_eq!(date("20260102"), "2026-01-02");
        assert_eq!(date("2026"), "2026");
        assert_eq!(time("140512.5"), "14:05");
        assert_eq!(time("ab"), "ab");
        assert_eq!(time("12é4"), "12é4");
        assert_eq!(study_time("", ""), "unknown");
        assert_eq!(study_time("20260102", ""), "2026-01-02");
    }

    #[test]
    fn a_technique_is_said_as_far_as_it_is_known() {
        let known = Technique {
            kvp: Some(77.0),
            exposure_mas: Some(12.44),
            distance_source_to_detector_mm: Some(1150.0),
        };
        assert_eq!(technique(&known), "77 kV, 12.4 mAs, SID 1150 mm");
        let tube = Technique {
            kvp: Some(81.5),
            exposure_mas: Some(0.0),
            ..Technique::default()
        };
        assert_eq!(technique(&tube), "81.5 kV");
        assert_eq!(technique(&Technique::default()), "");
    }

    #[test]
    fn ages_count_whole_years() {
        assert_eq!(age("19440301", "20260228"), Some(81));
        assert_eq!(age("19440301", "20260301"), Some(82));
        assert_eq!(age("", "20260301"), None);
        assert_eq!(age("20270101", "20260301"), None);
        assert_eq!(sex_age("F", "19440301", "20260301"), "F, 82 y");
        assert_eq!(sex_age("", "", ""), "");
    }

    #[test]
    fn moments_are_written_in_utc() {
        assert_eq!(iso(Timestamp(0)), "1970-01-01T00:00:00Z");
        assert_eq!(iso(Timestamp(951_782_400_000)), "2000-02-29T00:00:00Z");
        assert_eq!(utc(Timestamp(1_795_475_613_000)), "2026-11-23 23:13 UTC");
        assert_eq!(utc(Timestamp(-1)), "1969-12-31 23:59 UTC");
    }

    #[test]
    fn days_have_a_start_and_an_end() {
        assert_eq!(
            day_start("2026-11-23").map(iso).as_deref(),
            Some("2026-11-23T00:00:00Z")
        );
        assert_eq!(day_end("2024-02-29").map(iso).as_deref(), Some("2024-02-29T23:59:59Z"));
        for wrong in ["", "2026", "2026-13-01", "2026-02-30", "x-1-1", "0001-01-01"] {
            assert_eq!(day_start(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn scores_never_round_to_certainty() {
        assert_eq!(score(0.934), "0.93");
        assert_eq!(score(0.9991), ">0.99");
        assert_eq!(score(0.0001), "<0.01");
        assert_eq!(score(1.0), "1.00");
        assert_eq!(score(0.0), "0.00");
    }

    #[test]
    fn exclusions_are_words_and_errors_stay_themselves() {
        assert_eq!(exclusion("not_frontal_pelvis"), Exclusion::NotFrontalPelvis.words());
        assert_eq!(exclusion("unsupported syntax 1.2"), "unsupported syntax 1.2");
        assert_eq!(
            reading(ReadingStatus::Excluded, Some("hips_not_found")),
            "Set aside: the two hips could not be found"
        );
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(1_434_176), "1,434,176");
        assert_eq!(counted(1, "image", "images"), "1 image");
        assert_eq!(bytes(11_100_000), "11.1 MB");
    }
}
