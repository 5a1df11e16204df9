//! One patient's years with the hospital: attendances, fractures, operations.

use rand::Rng;
use time::{Date, Duration, Month, PrimitiveDateTime, Time};

use super::{Archive, ArchiveConfig, Department, HipState, Injury, normal, weighted};
use crate::{FractureKind, MetalKind, Sex, Side};

/// Why the patient is x-rayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Injury,
    Pain,
    AfterOperation,
    Review,
}

/// One attendance.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    pub when: PrimitiveDateTime,
    pub department: Department,
    pub reason: Reason,
    pub hips: [HipState; 2],
    /// Which of the patient's fractures this attendance shows.
    pub episode: Option<usize>,
    /// Hip that hurts or was operated on.
    pub side: Side,
}

/// One fracture and what the hospital's lists keep of it.
#[derive(Clone, Debug)]
pub(super) struct Episode {
    pub side: Side,
    /// Neither report nor theatre list will state it plainly.
    pub unrecorded: bool,
    /// The index of its operation, if there was one.
    pub operation: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Procedure {
    Hemiarthroplasty,
    ReplacementForFracture,
    CannulatedScrews,
    SlidingScrew,
    Nail,
    PlannedReplacement,
}

impl Procedure {
    pub fn metal(self) -> MetalKind {
        match self {
            Procedure::Hemiarthroplasty => MetalKind::Hemiarthroplasty,
            Procedure::ReplacementForFracture | Procedure::PlannedReplacement => MetalKind::TotalArthroplasty,
            Procedure::CannulatedScrews => MetalKind::CannulatedScrews,
            Procedure::SlidingScrew => MetalKind::DynamicHipScrew,
            Procedure::Nail => MetalKind::Nail,
        }
    }

    /// What is done for a fracture (UK practice; prior).
    fn for_fracture(kind: FractureKind, rng: &mut impl Rng) -> Procedure {
        use Procedure::{CannulatedScrews, Hemiarthroplasty, Nail, ReplacementForFracture, SlidingScrew};
        let choices = [
            Hemiarthroplasty,
            ReplacementForFracture,
            CannulatedScrews,
            SlidingScrew,
            Nail,
        ];
        let weights = match kind {
            FractureKind::GardenI | FractureKind::GardenII => [0.25, 0.03, 0.52, 0.20, 0.0],
            FractureKind::GardenIII | FractureKind::GardenIV => [0.81, 0.13, 0.04, 0.02, 0.0],
            FractureKind::Basicervical => [0.10, 0.02, 0.05, 0.68, 0.15],
            FractureKind::TrochantericA1 | FractureKind::TrochantericA2 => [0.01, 0.0, 0.0, 0.60, 0.39],
            FractureKind::TrochantericA3 | FractureKind::Subtrochanteric => [0.0, 0.0, 0.0, 0.10, 0.90],
        };
        choices[weighted(rng, &weights)]
    }
}

#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub when: PrimitiveDateTime,
    pub side: Side,
    pub procedure: Procedure,
}

/// The whole course, attendances in order of time.
#[derive(Clone, Debug)]
pub(super) struct Course {
    pub sex: Sex,
    pub birth: Date,
    /// The seed of the body, the same in all films.
    pub body: u64,
    pub department: Department,
    pub visits: Vec<Visit>,
    pub episodes: Vec<Episode>,
    pub operations: Vec<Operation>,
}

/// The share of adults with a fracture, over all departments.
fn pooled(config: &ArchiveConfig) -> f64 {
    let total: f64 = config.departments.iter().sum();
    let rate = |department: usize| {
        if department == 0 {
            config.fracture_emergency
        } else {
            config.fracture_elsewhere
        }
    };
    let patients: f64 = (0..3).map(|d| config.departments[d] / total * rate(d)).sum();
    patients / (1.0 - config.children).max(f64::EPSILON)
}

/// The value that another variable is drawn from: the truth with the chance `confounding`, else one drawn anew from
/// the same share. The other variable so keeps its distribution, and only its link to the truth weakens.
fn linked(config: &ArchiveConfig, truth: bool, share: f64, rng: &mut impl Rng) -> bool {
    let anew = rng.random_bool(share.clamp(0.0, 1.0));
    if rng.random_bool(config.confounding) {
        truth
    } else {
        anew
    }
}

/// Whether a scanner is chosen as for a fracture, and for which department.
pub(super) fn scanner_link(
    config: &ArchiveConfig,
    fracture: bool,
    department: Department,
    rng: &mut impl Rng,
) -> (bool, Department) {
    let fracture = linked(config, fracture, pooled(config), rng);
    let anew = Department::ALL[weighted(rng, &config.departments)];
    (
        fracture,
        if rng.random_bool(config.confounding) {
            department
        } else {
            anew
        },
    )
}

impl Archive {
    pub(super) fn course(&self, rng: &mut impl Rng) -> Course {
        let config = self.config();
        let share = pooled(config);
        let child = rng.random_bool(config.children);
        let fracture = rng.random_bool(share.clamp(0.0, 1.0)) && !child;

        let seen = linked(config, fracture, share, rng);
        let total: f64 = config.departments.iter().sum();
        let weights: Vec<f64> = (0..3)
            .map(|d| {
                let rate = if d == 0 {
                    config.fracture_emergency
                } else {
                    config.fracture_elsewhere
                } / (1.0 - config.children);
                let given = if child {
                    1.0
                } else if seen {
                    rate
                } else {
                    1.0 - rate
                };
                config.departments[d] / total * given
            })
            .collect();
        let department = Department::ALL[weighted(rng, &weights)];

        let seen = linked(config, fracture, share, rng);
        let age = if child {
            rng.random_range(2.0..18.0)
        } else if seen {
            normal(rng, config.fracture_age[0], config.fracture_age[1], 35.0, 102.0)
        } else if rng.random_bool(config.young_adults) {
            rng.random_range(18.0..55.0)
        } else {
            normal(rng, config.other_age[0], config.other_age[1], 55.0, 102.0)
        };
        let seen = linked(config, fracture, share, rng);
        let women = if seen {
            config.women_fracture
        } else {
            config.women_other
        };
        let sex = if rng.random_bool(women) { Sex::Female } else { Sex::Male };

        let first = self.moment(department, rng);
        let birth = first.date() - Duration::days((age * 365.25) as i64 + 1);
        let mut course = Course {
            sex,
            birth,
            body: rng.random(),
            department,
            visits: Vec::new(),
            episodes: Vec::new(),
            operations: Vec::new(),
        };
        let mut hips = [HipState::default(); 2];
        if age >= 65.0 && rng.random_bool(config.earlier_metal) {
            let kinds = [
                MetalKind::Hemiarthroplasty,
                MetalKind::TotalArthroplasty,
                MetalKind::DynamicHipScrew,
                MetalKind::Nail,
                MetalKind::CannulatedScrews,
            ];
            let side = side(rng);
            hips[side as usize].metal = Some(kinds[weighted(rng, &config.pictures.metal_kinds.map(f64::from))]);
            if rng.random_bool(0.2) {
                hips[1 - side as usize].metal = Some(MetalKind::TotalArthroplasty);
            }
        }
        if fracture && hips.iter().all(|hip| hip.metal.is_some()) {
            hips[side(rng) as usize].metal = None;
        }
        if fracture {
            let side = free_side(&hips, rng);
            let resolved = self.fracture(&mut course, first, department, side, hips, rng);
            hips = resolved.1;
            if hips.iter().any(|hip| hip.metal.is_none()) && rng.random_bool(config.second_fracture) {
                let later = resolved.0 + Duration::days(rng.random_range(60..2500));
                if later.date() <= self.last_day() {
                    let side = free_side(&hips, rng);
                    self.fracture(&mut course, later, department, side, hips, rng);
                }
            }
        } else {
            let reason = if department == Department::Outpatient || rng.random_bool(0.15) {
                Reason::Pain
            } else {
                Reason::Injury
            };
            let side = side(rng);
            course.visits.push(Visit {
                when: first,
                department,
                reason,
                hips,
                episode: None,
                side,
            });
            let mut when = first;
            if reason == Reason::Pain
                && age >= 55.0
                && hips[side as usize].metal.is_none()
                && rng.random_bool(config.elective_replacement)
            {
                let operation = Operation {
                    when: theatre_time(first.date() + Duration::days(rng.random_range(30..300)), rng),
                    side,
                    procedure: Procedure::PlannedReplacement,
                };
                hips[side as usize].metal = Some(MetalKind::TotalArthroplasty);
                when = self.aftercare(&mut course, operation, hips, rng);
            }
            while course.visits.len() < 4
                && rng.random_bool((config.later_attendances / (1.0 + config.later_attendances)).min(0.9))
            {
                when += Duration::days(rng.random_range(20..1500));
                let when_there = when.replace_time(time_of_day(department, rng));
                if when.date() > self.last_day() {
                    break;
                }
                let reason = if rng.random_bool(0.5) {
                    Reason::Pain
                } else {
                    Reason::Injury
                };
                let side = self::side(rng);
                course.visits.push(Visit {
                    when: when_there,
                    department,
                    reason,
                    hips,
                    episode: None,
                    side,
                });
            }
        }
        course.visits.sort_by_key(|visit| visit.when);
        course
    }

    /// Adds a fracture with its films and operation; gives the time of the last and the hips after it.
    fn fracture(
        &self,
        course: &mut Course,
        first: PrimitiveDateTime,
        department: Department,
        side: Side,
        hips: [HipState; 2],
        rng: &mut impl Rng,
    ) -> (PrimitiveDateTime, [HipState; 2]) {
        let config = self.config();
        let kind = FractureKind::ALL[weighted(rng, &config.pictures.fracture_kinds.map(f64::from))];
        let occult = rng.random_bool(config.occult);
        let episode = course.episodes.len();
        let mut broken = hips;
        broken[side as usize].injury = Some(Injury { kind, occult });
        course.visits.push(Visit {
            when: first,
            department,
            reason: Reason::Injury,
            hips: broken,
            episode: Some(episode),
            side,
        });
        let mut last = first;
        let mut kind = kind;
        if occult && rng.random_bool(config.return_after_occult) {
            last = first + Duration::days(rng.random_range(2..15));
            last = last.replace_time(time_of_day(department, rng));
            kind = match kind {
                FractureKind::GardenI | FractureKind::GardenII => FractureKind::GardenIII,
                other => other,
            };
            broken[side as usize].injury = Some(Injury { kind, occult: false });
            course.visits.push(Visit {
                when: last,
                department,
                reason: Reason::Injury,
                hips: broken,
                episode: Some(episode),
                side,
            });
        }
        let operated = rng.random_bool(config.operated);
        course.episodes.push(Episode {
            side,
            unrecorded: rng.random_bool(config.unrecorded),
            operation: operated.then_some(course.operations.len()),
        });
        let mut after = hips;
        if operated {
            let procedure = Procedure::for_fracture(kind, rng);
            after[side as usize].metal = Some(procedure.metal());
            let hours = (28.0 * (0.45 * normal(rng, 0.0, 1.0, -2.5, 2.5)).exp()) as i64;
            let planned = last + Duration::hours(hours.max(6));
            let when = if (8..21).contains(&planned.hour()) {
                planned
            } else {
                theatre_time(planned.date() + Duration::DAY, rng)
            };
            last = self.aftercare(course, Operation { when, side, procedure }, after, rng);
        }
        (last, after)
    }

    /// An operation and the films after it.
    fn aftercare(
        &self,
        course: &mut Course,
        operation: Operation,
        hips: [HipState; 2],
        rng: &mut impl Rng,
    ) -> PrimitiveDateTime {
        let config = self.config();
        let (done, side) = (operation.when, operation.side);
        let mut last = done;
        course.operations.push(operation);
        let mut film = |when: PrimitiveDateTime, department, reason| {
            last = when;
            course.visits.push(Visit {
                when,
                department,
                reason,
                hips,
                episode: None,
                side,
            });
        };
        if rng.random_bool(config.postoperative_film) {
            let when = done + Duration::hours(rng.random_range(3..70));
            film(when, Department::Inpatient, Reason::AfterOperation);
        }
        if rng.random_bool(config.six_week_film) {
            let when = (done + Duration::days(rng.random_range(38..56)))
                .replace_time(time_of_day(Department::Outpatient, rng));
            film(when, Department::Outpatient, Reason::Review);
        }
        last
    }

    fn last_day(&self) -> Date {
        Date::from_ordinal_date(self.config().first_year + self.config().years as i32 - 1, 365).unwrap_or(Date::MAX)
    }

    /// A day within the archive's years, a tenth more of them in winter, and the time.
    fn moment(&self, department: Department, rng: &mut impl Rng) -> PrimitiveDateTime {
        let first = Date::from_ordinal_date(self.config().first_year, 1).unwrap_or(Date::MIN);
        let days = (self.last_day() - first).whole_days();
        loop {
            let day = first + Duration::days(rng.random_range(0..=days));
            let winter = matches!(day.month(), Month::December | Month::January | Month::February);
            if winter || rng.random_bool(0.91) {
                return PrimitiveDateTime::new(day, time_of_day(department, rng));
            }
        }
    }
}

pub(super) fn side(rng: &mut impl Rng) -> Side {
    if rng.random_bool(0.51) { Side::Left } else { Side::Right }
}

/// A side without metal, where there is one.
fn free_side(hips: &[HipState; 2], rng: &mut impl Rng) -> Side {
    match (hips[Side::Right as usize].metal, hips[Side::Left as usize].metal) {
        (Some(_), None) => Side::Left,
        (None, Some(_)) => Side::Right,
        _ => side(rng),
    }
}

/// Peaks at 10-14 and 17-20 h and 15-18 % at night for emergencies; working hours for the others.
fn time_of_day(department: Department, rng: &mut impl Rng) -> Time {
    let hour = match department {
        Department::Outpatient => rng.random_range(8..17),
        Department::Inpatient => rng.random_range(8..20),
        Department::Emergency => {
            let weights: Vec<f64> = (0..24)
                .map(|hour| match hour {
                    0..=6 | 22.. => 1.9,
                    10..=13 => 7.0,
                    17..=19 => 6.5,
                    _ => 4.6,
                })
                .collect();
            weighted(rng, &weights) as u8
        }
    };
    clock(hour, rng)
}

fn theatre_time(day: Date, rng: &mut impl Rng) -> PrimitiveDateTime {
    let hour = rng.random_range(8..19);
    PrimitiveDateTime::new(day, clock(hour, rng))
}

fn clock(hour: u8, rng: &mut impl Rng) -> Time {
    Time::from_hms(hour, rng.random_range(0..60), rng.random_range(0..60)).unwrap_or(Time::MIDNIGHT)
}
