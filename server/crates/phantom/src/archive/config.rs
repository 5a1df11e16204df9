//! Every prior of the hospital in one place.

use serde::{Deserialize, Serialize};

use super::scanner::{Scanner, scanners};

/// How the hospital works: shares are 0 to 1. Values marked (prior) are judgements, not published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArchiveConfig {
    /// First year and number of years: 2005 to 2015 (Gale 2017).
    pub first_year: i32,
    pub years: u32,
    /// Shares of the departments a patient first comes to: emergency, outpatient, inpatient (prior).
    pub departments: [f64; 3],
    /// Patients with a hip fracture among those who first come to the emergency department (Gale 2017: 19 %).
    pub fracture_emergency: f64,
    /// The same among all other patients (Gale 2017: about 12 % where they are counted in).
    pub fracture_elsewhere: f64,
    /// How much fracture goes with department, age, sex and scanner: 1 as in life, 0 not at all.
    pub confounding: f64,
    /// Patients of 2 to 17 years; they have no hip fracture here (prior).
    pub children: f64,
    /// Adults of 18 to 54 among those without fracture (prior).
    pub young_adults: f64,
    /// Women with and without fracture (Swedish register 0.69; prior 0.60).
    pub women_fracture: f64,
    pub women_other: f64,
    /// Mean and deviation of age at fracture (Swedish register: 82 ± 11).
    pub fracture_age: [f64; 2],
    /// Age of the others from 55 up (prior).
    pub other_age: [f64; 2],
    /// Hip metal from an earlier operation, from 65 up (prior 0.15-0.25 of films).
    pub earlier_metal: f64,
    /// Fractures that the first film does not show (Deleanu 2015: 4.8 % of neck, 4.4 % of trochanteric).
    pub occult: f64,
    /// Patients with an occult fracture who return with a displaced one (prior).
    pub return_after_occult: f64,
    /// Fractures operated on (UK audit: 98 %).
    pub operated: f64,
    /// Operated patients with a film in the first three days, and after six weeks (prior 0.6-0.9; 0.4).
    pub postoperative_film: f64,
    pub six_week_film: f64,
    /// A second fracture, of the other hip, in the following years (Melton 2009: 6-11 % in ten years).
    pub second_fracture: f64,
    /// Planned hip replacement for arthritis among outpatients from 55 up (prior).
    pub elective_replacement: f64,
    /// Studies with a repeated frontal film (prior 0.08-0.12).
    pub repeat: f64,
    /// Studies without any frontal pelvis (prior).
    pub no_frontal: f64,
    /// Mean number of later attendances without fracture.
    pub later_attendances: f64,

    /// Films of a fracture that neither report nor theatre list states plainly. With `invented` this sets how
    /// right such labels are: about 95 % (Gale 2017), most errors being unrecorded fractures.
    pub unrecorded: f64,
    /// Films without fracture whose record states one.
    pub invented: f64,
    /// Films without fracture that the report leaves open (Hardy 2013: 5.4 % discordance; prior).
    pub equivocal: f64,
    /// Report and theatre list that name the other side (priors 0.3-1 %, 0.2-0.5 %).
    pub wrong_side_report: f64,
    pub wrong_side_theatre: f64,
    /// Films never reported (prior).
    pub unreported: f64,
    /// Reports with a typing error (prior 2-4 %).
    pub typing_errors: f64,
    /// Reports of one line (prior).
    pub one_line: f64,
    /// Reports with an addendum (prior 2-4 %).
    pub addendum: f64,
    /// Theatre bookings that were cancelled and made again (prior 10-15 %).
    pub cancelled: f64,
    /// Headers with a wrong body part, and with none (Güld 2002: 15 % wrong; prior 10-20 % none).
    pub wrong_body_part: f64,
    pub no_body_part: f64,
    pub no_view_position: f64,
    /// Films from plates without any pixel spacing (prior).
    pub no_spacing: f64,

    pub scanners: Vec<Scanner>,
    /// The priors of the pictures.
    pub pictures: crate::Config,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        Self {
            first_year: 2005,
            years: 10,
            departments: [0.55, 0.25, 0.20],
            fracture_emergency: 0.19,
            fracture_elsewhere: 0.12,
            confounding: 1.0,
            children: 0.05,
            young_adults: 0.20,
            women_fracture: 0.70,
            women_other: 0.60,
            fracture_age: [82.0, 11.0],
            other_age: [75.0, 12.0],
            earlier_metal: 0.16,
            occult: 0.045,
            return_after_occult: 0.5,
            operated: 0.98,
            postoperative_film: 0.75,
            six_week_film: 0.40,
            second_fracture: 0.07,
            elective_replacement: 0.08,
            repeat: 0.10,
            no_frontal: 0.03,
            later_attendances: 0.4,
            unrecorded: 0.20,
            invented: 0.012,
            equivocal: 0.04,
            wrong_side_report: 0.005,
            wrong_side_theatre: 0.004,
            unreported: 0.015,
            typing_errors: 0.03,
            one_line: 0.40,
            addendum: 0.03,
            cancelled: 0.12,
            wrong_body_part: 0.08,
            no_body_part: 0.15,
            no_view_position: 0.25,
            no_spacing: 0.35,
            scanners: scanners(),
            pictures: crate::Config::default(),
        }
    }
}

/// Why a configuration makes no hospital.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ArchiveError {
    #[error("{name} is {value}, not a share between 0 and 1")]
    Share { name: &'static str, value: f64 },
    #[error("the departments' shares do not add up to more than nothing")]
    Departments,
    #[error("more fractures than grown-up patients")]
    Prevalence,
    #[error("the archive must span 1 to 50 years from 1950 on")]
    Years,
    #[error("no scanner is in service in {year}")]
    Scanners { year: i32 },
    #[error("at most {most} patients")]
    Patients { most: u32 },
}

impl ArchiveConfig {
    /// Whether a hospital can be made from this.
    ///
    /// # Errors
    /// Names the first value out of range.
    pub fn check(&self) -> Result<(), ArchiveError> {
        let shares = [
            ("fracture_emergency", self.fracture_emergency),
            ("fracture_elsewhere", self.fracture_elsewhere),
            ("confounding", self.confounding),
            ("children", self.children),
            ("young_adults", self.young_adults),
            ("women_fracture", self.women_fracture),
            ("women_other", self.women_other),
            ("earlier_metal", self.earlier_metal),
            ("occult", self.occult),
            ("return_after_occult", self.return_after_occult),
            ("operated", self.operated),
            ("postoperative_film", self.postoperative_film),
            ("six_week_film", self.six_week_film),
            ("second_fracture", self.second_fracture),
            ("elective_replacement", self.elective_replacement),
            ("repeat", self.repeat),
            ("no_frontal", self.no_frontal),
            ("unrecorded", self.unrecorded),
            ("invented", self.invented),
            ("equivocal", self.equivocal),
            ("wrong_side_report", self.wrong_side_report),
            ("wrong_side_theatre", self.wrong_side_theatre),
            ("unreported", self.unreported),
            ("typing_errors", self.typing_errors),
            ("one_line", self.one_line),
            ("addendum", self.addendum),
            ("cancelled", self.cancelled),
            ("wrong_body_part", self.wrong_body_part),
            ("no_body_part", self.no_body_part),
            ("no_view_position", self.no_view_position),
            ("no_spacing", self.no_spacing),
            ("later_attendances / 10", self.later_attendances / 10.0),
        ];
        for (name, value) in shares
            .into_iter()
            .chain(self.departments.map(|share| ("departments", share)))
        {
            if !(0.0..=1.0).contains(&value) {
                return Err(ArchiveError::Share { name, value });
            }
        }
        if self.departments.iter().sum::<f64>() <= 0.0 {
            return Err(ArchiveError::Departments);
        }
        if self.fracture_emergency.max(self.fracture_elsewhere) >= 1.0 - self.children {
            return Err(ArchiveError::Prevalence);
        }
        if !(1..=50).contains(&self.years) || !(1950..=2100).contains(&self.first_year) {
            return Err(ArchiveError::Years);
        }
        // One year more, since follow-up films may lie after the last.
        for year in self.first_year..=self.first_year + self.years as i32 {
            if !self
                .scanners
                .iter()
                .any(|s| s.serves(year) && s.usage.iter().sum::<f64>() > 0.0)
            {
                return Err(ArchiveError::Scanners { year });
            }
        }
        Ok(())
    }
}
