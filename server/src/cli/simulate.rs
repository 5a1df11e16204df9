//! `shenton simulate`: one image, or a whole hospital's archive.

mod archive;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;
use phantom::{Case, Config, FractureKind, FractureRequest, MetalKind, Request, Sex, Side, View};

use crate::simulate::{self, Severity, Study};

#[derive(clap::Subcommand)]
pub enum Simulate {
    /// Simulate one x-ray as a DICOM file; what is not asked for is drawn by chance.
    Image(Image),
    /// Simulate a hospital's archive of ten years: DICOM files, reports, theatre list and the truth.
    ///
    /// Writes DIR/dicom/PATIENT/STUDY/N.dcm, reports.csv, theatre.csv, truth.csv (one line a hip), images.csv (one
    /// line an image) and archive.json (all settings). The same settings and seed write the same bytes.
    Archive(archive::Options),
}

#[derive(clap::Args)]
pub struct Image {
    /// The same seed and switches make the same file.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The DICOM file to write.
    #[arg(long)]
    out: PathBuf,
    /// Also write what is true of the image, as JSON.
    #[arg(long)]
    truth: Option<PathBuf>,
    /// Also write the image as a viewer shows it, as PNG with 8 bits.
    #[arg(long)]
    png: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = ViewChoice::FrontalPelvis)]
    view: ViewChoice,
    /// Which fracture; `any` takes one by chance.
    #[arg(long, value_enum)]
    fracture: Option<FractureChoice>,
    /// The patient's side of the fracture, or of the hip that the view shows.
    #[arg(long, value_enum)]
    side: Option<SideChoice>,
    /// How easily the fracture is seen.
    #[arg(long, value_enum)]
    severity: Option<Severity>,
    /// Metal at a hip; beside a fracture it is at the other hip.
    #[arg(long, value_enum)]
    metal: Option<MetalChoice>,
    /// The patient's side of the metal.
    #[arg(long, value_enum, requires = "metal")]
    metal_side: Option<SideChoice>,
    /// The patient's age in years; below 17 the growth plates are open.
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=110))]
    age: Option<u32>,
    #[arg(long, value_enum)]
    sex: Option<SexChoice>,
    /// What else the image is to show, separated by commas; diseases need an age that can have them.
    #[arg(long, value_enum, value_delimiter = ',')]
    with: Vec<Extra>,
    /// Width in pixels where the full size is not needed.
    #[arg(long, value_name = "WIDTH", value_parser = clap::value_parser!(u32).range(16..=8192))]
    scale: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ViewChoice {
    FrontalPelvis,
    LateralHip,
    SingleHip,
    Chest,
    LumbarSpine,
    Knee,
    Abdomen,
}

impl ViewChoice {
    fn view(self) -> View {
        match self {
            ViewChoice::FrontalPelvis => View::FrontalPelvis,
            ViewChoice::LateralHip => View::LateralHip,
            ViewChoice::SingleHip => View::SingleHip,
            ViewChoice::Chest => View::Chest,
            ViewChoice::LumbarSpine => View::LumbarSpine,
            ViewChoice::Knee => View::Knee,
            ViewChoice::Abdomen => View::Abdomen,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FractureChoice {
    None,
    Any,
    Intracapsular,
    Extracapsular,
    GardenI,
    GardenIi,
    GardenIii,
    GardenIv,
    Basicervical,
    /// Inter-trochanteric, AO 31-A1.
    TrochantericA1,
    /// Inter-trochanteric, AO 31-A2.
    TrochantericA2,
    /// Reverse oblique, AO 31-A3.
    TrochantericA3,
    Subtrochanteric,
}

impl FractureChoice {
    /// `None`: no fracture.
    fn kinds(self) -> Option<Vec<FractureKind>> {
        let located = |location| {
            FractureKind::ALL
                .into_iter()
                .filter(|kind| kind.location() == location)
                .collect()
        };
        Some(match self {
            FractureChoice::None => return None,
            FractureChoice::Any => FractureKind::ALL.to_vec(),
            FractureChoice::Intracapsular => located(phantom::FractureLocation::Intracapsular),
            FractureChoice::Extracapsular => located(phantom::FractureLocation::Extracapsular),
            FractureChoice::GardenI => vec![FractureKind::GardenI],
            FractureChoice::GardenIi => vec![FractureKind::GardenII],
            FractureChoice::GardenIii => vec![FractureKind::GardenIII],
            FractureChoice::GardenIv => vec![FractureKind::GardenIV],
            FractureChoice::Basicervical => vec![FractureKind::Basicervical],
            FractureChoice::TrochantericA1 => vec![FractureKind::TrochantericA1],
            FractureChoice::TrochantericA2 => vec![FractureKind::TrochantericA2],
            FractureChoice::TrochantericA3 => vec![FractureKind::TrochantericA3],
            FractureChoice::Subtrochanteric => vec![FractureKind::Subtrochanteric],
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SideChoice {
    Right,
    Left,
}

impl SideChoice {
    fn side(self) -> Side {
        match self {
            SideChoice::Right => Side::Right,
            SideChoice::Left => Side::Left,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SexChoice {
    Female,
    Male,
}

/// Lookalikes of a fracture and things that are in the way.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Extra {
    /// Wires and electrodes of an electrocardiogram.
    Leads,
    Buttons,
    /// Edges of trolley and mattress.
    Trolley,
    /// Tubes and cables across the picture.
    Lines,
    Catheter,
    Folds,
    CalcifiedArteries,
    Arthritis,
    Paget,
    HealedFracture,
    /// A healed fracture with a mass of callus.
    FrankCallus,
    RamusFracture,
    SpinalMetal,
}

impl Extra {
    /// Makes sure of it in a configuration. Shares that fall with youth are set so high that a grown-up's are whole.
    fn set(self, config: &mut Config) {
        match self {
            Extra::Leads => (config.leads, config.leads_chest) = (1.0, 1.0),
            Extra::Buttons => config.buttons = 1.0,
            Extra::Trolley => config.trolley = 1.0,
            Extra::Lines => config.lines = 1.0,
            Extra::Catheter => config.catheter = 1.0,
            Extra::Folds => config.folds = 1.0,
            Extra::CalcifiedArteries => config.calcified_arteries = 1.0,
            Extra::Arthritis => config.arthritis = 1e6,
            Extra::Paget => config.paget = 1e6,
            Extra::HealedFracture => config.healed_fracture = 10.0,
            Extra::FrankCallus => (config.healed_fracture, config.frank_callus) = (10.0, 1.0),
            Extra::RamusFracture => config.ramus_fracture = 1.0,
            Extra::SpinalMetal => config.spinal_metal = 1.0,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MetalChoice {
    None,
    Any,
    Hemiarthroplasty,
    TotalArthroplasty,
    DynamicHipScrew,
    Nail,
    CannulatedScrews,
}

impl MetalChoice {
    fn kind(self) -> Option<MetalKind> {
        match self {
            MetalChoice::None | MetalChoice::Any => None,
            MetalChoice::Hemiarthroplasty => Some(MetalKind::Hemiarthroplasty),
            MetalChoice::TotalArthroplasty => Some(MetalKind::TotalArthroplasty),
            MetalChoice::DynamicHipScrew => Some(MetalKind::DynamicHipScrew),
            MetalChoice::Nail => Some(MetalKind::Nail),
            MetalChoice::CannulatedScrews => Some(MetalKind::CannulatedScrews),
        }
    }
}

impl Image {
    /// What is asked of the phantom.
    ///
    /// # Errors
    /// The switches contradict each other.
    fn request(&self) -> anyhow::Result<Request> {
        let view = self.view.view();
        let shows_hips = matches!(view, View::FrontalPelvis | View::LateralHip | View::SingleHip);
        let none = matches!(self.fracture, None | Some(FractureChoice::None));
        anyhow::ensure!(none || shows_hips, "--fracture: this view shows no hip");
        anyhow::ensure!(
            self.severity.is_none() || self.fracture != Some(FractureChoice::None),
            "--severity: there is no fracture with --fracture none"
        );
        anyhow::ensure!(
            self.severity.is_none() || shows_hips,
            "--severity: this view shows no hip"
        );
        let wanted = self.fracture.or(self.severity.map(|_| FractureChoice::Any));
        let side = self.side.map(SideChoice::side);
        let fracture = wanted.map(|wanted| match wanted.kinds() {
            Some(kinds) => {
                // By chance the kinds come as often as in life, unless a severity or a location narrows them.
                let free = wanted == FractureChoice::Any && self.severity.is_none();
                simulate::fracture(if free { &[] } else { &kinds }, side, self.severity, self.seed)
            }
            None => FractureRequest {
                present: Some(false),
                ..FractureRequest::default()
            },
        });
        let fractured = fracture.as_ref().is_some_and(|fracture| fracture.present == Some(true));
        let hip_metal = match (self.metal, self.metal_side.map(SideChoice::side)) {
            (Some(MetalChoice::None), Some(_)) => anyhow::bail!("--metal-side: there is no metal with --metal none"),
            (Some(metal), Some(at)) => {
                anyhow::ensure!(
                    !fractured || side.is_some_and(|side| side != at),
                    "--metal-side: a fracture needs --side with the other side"
                );
                let drawn = MetalKind::ALL[usize::try_from(self.seed % 5).unwrap_or(0)];
                let kind = Some(metal.kind().unwrap_or(drawn));
                Some(if at == Side::Right { [kind, None] } else { [None, kind] })
            }
            _ => None,
        };
        Ok(Request {
            view: Some(view),
            fracture,
            metal: self.metal.map(|metal| metal != MetalChoice::None),
            metal_kind: self.metal.and_then(MetalChoice::kind),
            hip_metal,
            side,
            occult: self.severity.map(|severity| severity == Severity::Occult),
            age: self.age,
            sex: self.sex.map(|sex| {
                if sex == SexChoice::Female {
                    Sex::Female
                } else {
                    Sex::Male
                }
            }),
            ..Request::default()
        })
    }

    fn run(&self) -> anyhow::Result<()> {
        let mut config = Config::default();
        for extra in &self.with {
            extra.set(&mut config);
        }
        let case = Case::draw(&config, &self.request()?, self.seed);
        let frame = match self.scale {
            Some(width) if width < case.truth().columns => case.render_scaled(width as usize),
            _ => case.render(),
        };
        let study = Study {
            seed: self.seed,
            instance: 1,
            patient: self.seed,
            date: "20260101".to_owned(),
            time: "120000".to_owned(),
        };
        let bytes = dicom_io::write_dx(&frame, &simulate::metadata(&case, &frame, &study))?;
        write(&self.out, &bytes)?;
        if let Some(path) = &self.truth {
            write(
                path,
                format!("{}\n", serde_json::to_string_pretty(case.truth())?).as_bytes(),
            )?;
        }
        if let Some(path) = &self.png {
            let grey = imaging::present(&frame, None);
            let pixels = grey
                .data
                .iter()
                .map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8)
                .collect();
            let picture =
                image::GrayImage::from_raw(frame.columns, frame.rows, pixels).context("the picture's size is wrong")?;
            let mut bytes = std::io::Cursor::new(Vec::new());
            picture.write_to(&mut bytes, image::ImageFormat::Png)?;
            write(path, bytes.get_ref())?;
        }
        Ok(())
    }
}

/// Writes a file whole or not at all, with the folders that lead to it.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let at = || path.display().to_string();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(at)?;
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    std::fs::write(&part, bytes).with_context(at)?;
    std::fs::rename(&part, path).with_context(at)
}

pub fn run(command: &Simulate) -> anyhow::Result<()> {
    match command {
        Simulate::Image(image) => image.run(),
        Simulate::Archive(options) => archive::run(options),
    }
}

#[cfg(test)]
mod tests;
