//! What is asked of the phantom for one film.

use rand::Rng;

use super::scanner::Scanner;
use super::{ArchiveConfig, HipState};
use crate::{FractureRequest, Request, Sex, Side, StationRequest, View};

/// The person and the room that a film is of.
pub(super) struct Setting<'a> {
    pub config: &'a ArchiveConfig,
    pub scanner: &'a Scanner,
    pub sex: Sex,
    pub age: u32,
    /// The seed of the body.
    pub body: u64,
}

/// A request that leaves nothing to chance which the records speak of.
pub(super) fn request(
    setting: &Setting,
    hips: &[HipState; 2],
    view: View,
    side: Option<Side>,
    rng: &mut impl Rng,
) -> Request {
    let scanner = setting.scanner;
    let injured = Side::BOTH
        .into_iter()
        .find_map(|side| hips[side as usize].injury.map(|injury| (side, injury)));
    // A view of one hip shows the fracture only where it is of that hip.
    let seen = injured.filter(|(hip, _)| side.is_none_or(|side| side == *hip));
    let fracture = match seen {
        Some((side, injury)) => FractureRequest {
            present: Some(true),
            kind: Some(injury.kind),
            side: Some(side),
            ..FractureRequest::default()
        },
        None => FractureRequest {
            present: Some(false),
            ..FractureRequest::default()
        },
    };
    Request {
        view: Some(view),
        fracture: Some(fracture),
        immature: Some(setting.age < 17),
        age: Some(setting.age),
        sex: Some(setting.sex),
        hip_metal: Some(hips.map(|hip| hip.metal)),
        side,
        occult: Some(seen.is_some_and(|(_, injury)| injury.occult)),
        person: Some(setting.body),
        station: Some(StationRequest {
            seed: scanner.processing,
            pitch_mm: scanner.pitch_mm,
            bits: scanner.bits,
            monochrome1: rng.random_bool(scanner.monochrome1.clamp(0.0, 1.0)),
        }),
        ..Request::default()
    }
}
