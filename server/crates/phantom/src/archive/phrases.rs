//! The words of reports: patterns with alternatives, and what a pattern may grow into.
//!
//! `(a|b)` is one of two, `[a]` is there or not, `{S}` is a slot that the caller fills anew each time.

use rand::Rng;

/// Grows a pattern. A bracket without its partner stands for itself at the end of the pattern.
pub(super) fn grow<R: Rng>(pattern: &str, slot: &dyn Fn(&str, &mut R) -> String, rng: &mut R) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find(['(', '[', '{']) {
        out.push_str(&rest[..at]);
        let open = rest.as_bytes()[at];
        let Some(length) = closing(&rest[at..]) else {
            out.push_str(&rest[at..]);
            return out;
        };
        let inner = &rest[at + 1..at + length];
        rest = &rest[at + length + 1..];
        match open {
            b'{' => out.push_str(&slot(inner, rng)),
            b'[' => {
                if rng.random_bool(0.5) {
                    out.push_str(&grow(inner, slot, rng));
                }
            }
            _ => {
                let choices = alternatives(inner);
                out.push_str(&grow(choices[rng.random_range(0..choices.len())], slot, rng));
            }
        }
    }
    out.push_str(rest);
    out
}

/// The offset of the bracket that closes the one at the start.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Splits at the bars that are not inside brackets.
fn alternatives(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut out) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '|' if depth == 0 => {
                out.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    out.push(&text[start..]);
    out
}

pub(super) const INTRACAPSULAR_DISPLACED: &[&str] = &[
    "(Displaced|Garden III|Garden IV|Garden 4|Completely displaced) (subcapital|transcervical|intracapsular|IC) (fracture|#) [of the ]{S} (NOF|femoral neck|neck of femur)",
    "[Displaced ]{S} #NOF, (subcapital|IC|intracapsular)[, with (varus|marked) angulation]",
    "(There is a|There is an acute) (displaced|comminuted) (fracture|#) (through|of) the {S} femoral neck[ with (shortening|proximal migration of the shaft|external rotation)]",
    "Break in Shenton's line on the {S}; (displaced |)neck (fracture|#)",
    "Acute {S} intracapsular (#|fracture) with (shortening|varus angulation|external rotation)",
    "Comminuted {S} (femoral neck|NOF|neck) (fracture|#), (head rotated|in varus|grossly displaced)",
    "{S} subcapital NOF# [(Garden III|Garden IV)], displaced",
    "(Subcapital|Transcervical) fracture of the {S} hip with (upward displacement|varus angulation|loss of Shenton's line)",
];
pub(super) const INTRACAPSULAR_UNDISPLACED: &[&str] = &[
    "(Undisplaced|Impacted|Garden I|Garden II|Garden 1|Minimally displaced) (subcapital|transcervical|intracapsular) (fracture|#) [of the ]{S} (NOF|femoral neck|neck of femur)",
    "Valgus(-| )impacted {S} (neck|subcapital|NOF) (#|fracture)",
    "(Subtle|Undisplaced|Impacted) {S} #NOF[, (subcapital|IC|intracapsular)]",
    "(There is a|There is an acute) (subtle|undisplaced|minimally impacted) (fracture|#) (through|of) the {S} femoral neck",
    "Sclerotic line across the {S} femoral neck, in keeping with an (impacted|undisplaced) (fracture|#)",
    "(Acute|Recent) {S} subcapital (fracture|#) (with minimal displacement|without displacement|in valgus)",
];
pub(super) const BASICERVICAL: &[&str] = &[
    "(Basicervical|Basal) (fracture|#) [of the ]{S} (NOF|femoral neck|neck of femur)[, (minimally |)displaced]",
    "{S} (basicervical|basal neck) (#|fracture) (with varus angulation|with shortening|, displaced|, little displacement)",
    "(There is a|Acute) (fracture|#) at the base of the {S} femoral neck[ with (varus|shortening)]",
    "{S} #NOF, (basal|basicervical|at the base of the neck)",
];
pub(super) const INTERTROCHANTERIC: &[&str] = &[
    "(2 part|3 part|4 part|Two-part|Comminuted|Displaced|Undisplaced|Acute) (IT|intertrochanteric|pertrochanteric) (#|fracture) [of the ]{S} (femur|hip|proximal femur)",
    "{S} (IT|intertrochanteric) (#|fracture) with (LT|lesser trochanter) (avulsed|separated)",
    "Extracapsular {S} #NOF[, comminuted][ with varus angulation]",
    "{S} (GT|LT) fracture with intertrochanteric extension",
    "(There is a|There is an acute) (comminuted |displaced |)(intertrochanteric|extracapsular) (fracture|#) of the {S} (femur|hip)[ with (shortening|varus angulation)]",
    "{S} extracapsular hip (#|fracture), (stable|unstable|two part|comminuted)",
];
pub(super) const REVERSE_OBLIQUE: &[&str] = &[
    "Reverse oblique (IT|intertrochanteric|pertrochanteric) (#|fracture) [of the ]{S} (femur|hip|proximal femur)",
    "{S} (intertrochanteric|trochanteric) (#|fracture) (through the lateral cortex|of reverse obliquity|, transverse), (shaft medialised|displaced|unstable)",
    "(Unstable|Displaced|Comminuted) {S} extracapsular (#|fracture) (with|,) reverse obliquity",
];
pub(super) const SUBTROCHANTERIC: &[&str] = &[
    "{S} (subtrochanteric|subtroch) (#|fracture)[ (extending to shaft|, displaced|, comminuted)]",
    "(Displaced|Spiral|Comminuted|Transverse|Acute) (subtrochanteric|subtroch) (#|fracture) [of the ]{S} femur",
    "[Pathological-looking ]{S} subtroch (#|fracture)[, (?mets|correlate with history)]",
    "(There is a|Acute) (displaced |spiral |)(fracture|#) of the {S} proximal femoral shaft, subtrochanteric",
];
pub(super) const NO_FRACTURE: &[&str] = &[
    "No (acute |definite |displaced |)(fracture|#|bony injury)[ (seen|identified|demonstrated)]",
    "NBI",
    "No # [of ]{S} NOF",
    "(Hips|Both hips|Femoral necks) and pubic rami (are |)intact",
    "No evidence of (fracture|dislocation|acute bony injury|fracture or dislocation)",
    "Normal alignment, no bony injury",
    "No (hip |)(fracture|#) (seen|identified)",
    "Bones osteopenic, no (acute|obvious) (fracture|#)",
    "Nil acute[ (bony|seen)]",
    "No fracture or dislocation of either hip",
    "Both femoral necks are preserved[, Shenton's lines intact]",
    "Shenton's line (is |)(intact|preserved) (bilaterally|on both sides|b/l)",
    "(Normal study|Normal pelvis and hips|Unremarkable|Normal appearances)",
    "Femoral necks (and pubic rami |)intact[, no #]",
];
pub(super) const ARTHRITIS: &[&str] = &[
    "(Mild|Mod|Moderate|Severe) OA {S} hip, no #",
    "(Degenerative change|Joint space narrowing|Osteophytes) {S} hip, no (fracture|acute bony injury)",
    "OA (both hips|{S} hip) without (fracture|#)",
    "Degenerative changes in the {S} hip(, marked|). No (#|fracture) (seen|identified)",
];
pub(super) const EQUIVOCAL: &[&str] = &[
    "(Possible|?|Suspected|Subtle ?|Cannot exclude an) (undisplaced|impacted) # {S} {h}(.|, CT advised|, suggest MRI|, CT to confirm)",
    "(Lucency|Sclerotic line|Cortical step) {S} (femoral |)neck, (? fracture|overlap vs #|likely osteophyte|may be projectional)[. CT to confirm]",
    "No definite #, if (ongoing pain|unable to WB|clinical concern) (CT|MRI|lateral)[ suggested]",
    "Appearances (suspicious|equivocal) for (#|fracture) {S} {h}[, CT recommended]",
    "(?|query) #NOF {S} - correlate clinically",
    "Equivocal appearance of the {S} femoral neck, CT (recommended|advised)",
    "Lateral required[ to exclude # {S} {h}]",
    "(Cortical irregularity|Step) at the {S} femoral neck, not convincing for fracture. (CT|MRI|Lateral) (advised|if pain persists)",
];
pub(super) const LATERAL_ONLY: &[&str] = &[
    "Fracture of the {S} (NOF|femoral neck) (only|best) (seen|appreciated) on (lateral|HBL), AP (normal|unremarkable)",
    "(Posterior tilt|Step) on {S} lateral (suggests|indicates) neck (#|fracture)",
    "Not (visible|convincing) on AP; lateral shows {S} (neck |NOF |)(#|fracture)",
    "HBL confirms {S} (subcapital|neck|NOF) (#|fracture)",
    "AP looks intact but lateral (angulation|shows cortical break), {S} (neck|NOF) (#|fracture)",
    "The {S} (#NOF|neck fracture) is (only |)demonstrated on the lateral",
];
pub(super) const HEALED: &[&str] = &[
    "(Old|Healed|Previous|Chronic|United|Malunited) (#|fracture) {S} (NOF|IT region|proximal femur)[, no acute #]",
    "Known old {S} #, unchanged (since|cf) {d}",
    "Remodelled {S} proximal femur, no new injury",
    "Post-traumatic deformity {S} hip, long-standing",
    "Old healed {S} (intertrochanteric|hip) (fracture|#). (Nil acute|No acute #)",
];
pub(super) const PROSTHESIS: &[&str] = &[
    "{S} {p} in situ[, (no #|no loosening|satisfactory|no periprosthetic #)]",
    "{S} {p} (noted|unchanged|in satisfactory position)",
    "{S} {p}: no (complication|loosening|periprosthetic fracture)",
    "Metalwork {S} (hip|femur) intact ({p})",
    "Previous {S} {p}[, position (good|satisfactory|unchanged)]",
];
pub(super) const POSTOPERATIVE: &[&str] = &[
    "Post(-| )op {S} {p}, (good|satisfactory) position",
    "Check film: {S} {p} in (good|satisfactory) position[. No complication]",
    "Interval {S} {p}[ for #NOF]. (Satisfactory|Good) (position|alignment)",
    "{S} {p} (in situ|noted), (skin clips|drain) in place[, no immediate complication]",
    "Status post {S} {p}. Alignment (satisfactory|anatomical|maintained)",
];
pub(super) const FOLLOW_UP: &[&str] = &[
    "{S} {p} in situ, (unchanged|position maintained|no change cf post-op film)",
    "(Six week|6/52|Review) film: {S} {p}, (no complication|fracture uniting|satisfactory)",
    "{S} {p} unchanged since {d}[. No loosening]",
];
pub(super) const RAMUS: &[&str] = &[
    "(Undisplaced|Displaced|Acute) # {R} (superior|inferior|sup and inf) pubic (ramus|rami), hips intact",
    "{R} (rami|pubic rami) #s, no #NOF",
    "Pelvic insufficiency #, {R} (rami|pubic ramus). (No hip fracture|Hips intact)",
    "Parasymphyseal # {R}; femora intact",
    "Fractures of the {R} (superior and inferior |inferior |superior |)pubic rami. Femoral necks intact",
];
pub(super) const LIMITED: &[&str] = &[
    "(Rotated|Underexposed|Obese habitus,|Artefact,|Poor positioning,) (film|study|view), {S} (hip|neck) (not fully seen|obscured)",
    "Lateral (non-diagnostic|not obtained)",
    "Limited (study|film); no gross #",
    "Repeat AP (advised|if clinically needed)",
    "External rotation limits assessment of the {S} neck",
    "{S} GT cut off",
];
/// Words of a fracture that a search for words does not find.
pub(super) const OBLIQUE: &[&str] = &[
    "(Seen|Reviewed) with ortho, for theatre[ (today|tomorrow)]",
    "(See|Please see) CT (report|of same day)",
    "Findings discussed with (the orthopaedic registrar|ED) at time of examination[. As per verbal report]",
    "{S} hip: as clinically suspected. (Ortho aware|For admission)",
    "{S} SCF[ (with varus|, displaced)]",
    "Loss of Shenton's line {S}[, femoral head in varus]",
    "As per (prior|transfer) imaging[; no change in alignment]",
];
pub(super) const FREE_OF_CHEST: &[&str] = &[
    "Chest: (clear lungs|no focal consolidation|heart size normal, lungs clear|hyperinflated, no collapse)",
    "CXR: (NAD|no acute abnormality|cardiomegaly, no failure|small left effusion)",
    "Lungs and pleural spaces (clear|unremarkable). Old rib fractures on the right",
    "Chest: (unfolded aorta, |)(no pneumothorax|no consolidation or effusion)",
];
pub(super) const ELSEWHERE: &[&str] = &[
    "(Degenerative change|Spondylosis) in the lower lumbar spine",
    "Vascular calcification",
    "Phleboliths in the pelvis",
    "(Bones|Bone density) osteopenic",
    "(Faecal loading|Overlying bowel gas)",
    "SI joints (unremarkable|normal)",
    "The contralateral hip (is |)(normal|unremarkable)",
];
pub(super) const FALL: &[&str] = &[
    "fall ?#NOF {S}",
    "(fall|mechanical fall|found on floor), ?#",
    "SOR {S} leg",
    "unable WB {S}[, ?#]",
    "(rule out|R/O) # {S} hip",
    "{S} hip pain post fall",
    "(trip|slipped) at home, {S} hip pain, ?NOF#",
    "shortened and ext rotated {S} leg",
    "(MVA|RTA), pelvic pain, ?#",
    "(fall in nursing home|fall from bed)[, {S} groin pain]",
];
pub(super) const PAIN: &[&str] = &[
    "{S} hip pain[, ?OA]",
    "OA hips, (review|for ortho OPD)",
    "groin pain {S}[ for months]",
    "?avn {S}",
    "chronic {S} hip pain",
    "clicking {S} hip",
    "low back and hip pain",
    "limp[, ?DDH|, ?perthes]",
];
pub(super) const AFTER: &[&str] = &[
    "post(-| )op {S} hip",
    "check film post ORIF",
    "day (1|2) post {p} {S}",
    "(6/52|6 week) review {S} {p}",
    "known #NOF {S}, post {p}",
];
