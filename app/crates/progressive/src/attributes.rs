//! A frame's attributes: JSON, with the entries of its lookup tables apart, since as text they would fill the first
//! kilobytes.

use imaging::{Frame, Lut, ModalityLut, Voi};

use crate::Error;
use crate::ans::Tables;
use crate::bytes::{Reader, put_number};
use crate::plane::{CONTEXTS, Draft, History, Stream};

/// Entries of all tables of a frame together; no file comes near.
const MAXIMUM_ENTRIES: usize = 1 << 20;

fn tables(frame: &mut Frame) -> Vec<&mut Lut> {
    let mut tables = Vec::new();
    if let ModalityLut::Table(lut) = &mut frame.modality {
        tables.push(lut);
    }
    for voi in &mut frame.voi {
        if let Voi::Table(lut) = voi {
            tables.push(lut);
        }
    }
    tables.extend(frame.palette.iter_mut().flatten());
    tables
}

/// A frame without pixels.
fn without_pixels(frame: &Frame) -> Frame {
    Frame {
        palette: frame.palette.clone(),
        modality: frame.modality.clone(),
        voi: frame.voi.clone(),
        orientation: frame.orientation.clone(),
        laterality: frame.laterality.clone(),
        pixels: Vec::new(),
        ..*frame
    }
}

pub fn write(frame: &Frame, to: &mut Vec<u8>) -> Result<(), Error> {
    let mut head = without_pixels(frame);
    let entries: Vec<Vec<u16>> = tables(&mut head)
        .into_iter()
        .map(|lut| std::mem::take(&mut lut.data))
        .collect();
    let json = serde_json::to_vec(&head).map_err(|error| Error::Attributes(error.to_string()))?;
    put_number(to, json.len() as u32);
    to.extend(json);
    for table in entries {
        put_number(to, table.len() as u32);
        // Tables are smooth: each entry as its distance from the straight line through the two before it.
        let at = |i: usize| i32::from(table.get(i).copied().unwrap_or(0));
        let bends: Vec<i32> = (0..table.len())
            .map(|i| match i {
                0 => at(0),
                1 => at(1) - at(0),
                _ => at(i) - 2 * at(i - 1) + at(i - 2),
            })
            .collect();
        let mut draft = Draft::default();
        draft.add(&mut History::new(bends.len()), &bends);
        draft.write_alone(to);
    }
    Ok(())
}

/// A frame without pixels.
pub fn read(from: &mut Reader) -> Result<Frame, Error> {
    let length = from.number()? as usize;
    let mut frame: Frame =
        serde_json::from_slice(from.take(length)?).map_err(|error| Error::Attributes(error.to_string()))?;
    let mut all = 0;
    for lut in tables(&mut frame) {
        let count = from.number()? as usize;
        all += count;
        if all > MAXIMUM_ENTRIES {
            return Err(Error::Attributes(format!("{all} entries of lookup tables")));
        }
        let mut bends = vec![0; count];
        let tables = Tables::read(from, CONTEXTS)?;
        let mut stream = Stream::new(from)?;
        stream.read(&tables, &mut History::new(count), &mut bends);
        stream.finish()?;
        let (mut value, mut slope) = (0_i32, 0_i32);
        lut.data = bends
            .iter()
            .enumerate()
            .map(|(i, bend)| {
                slope = if i < 2 { *bend } else { slope.wrapping_add(*bend) };
                value = value.wrapping_add(slope);
                value as u16
            })
            .collect();
    }
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use imaging::{PixelPadding, VoiLutFunction};

    #[test]
    fn attributes_and_tables_come_back_and_are_short() {
        let table = |bits, curve: fn(f64) -> f64| Lut {
            first_value: -5,
            bits,
            data: (0..4096)
                .map(|i| (curve(f64::from(i) / 4095.0) * 65535.0) as u16)
                .collect(),
            explanation: Some("BONE".to_owned()),
        };
        let mut frame = Frame::new(1, 1, 12, vec![0]);
        frame.modality = ModalityLut::Table(table(16, |x| x * x));
        frame.voi = vec![
            Voi::Window {
                center: 5.5,
                width: 7.0,
                function: VoiLutFunction::Sigmoid,
                explanation: None,
            },
            Voi::Table(table(16, f64::sqrt)),
            Voi::Table(Lut {
                data: vec![],
                ..table(8, |x| x)
            }),
            Voi::Table(Lut {
                data: vec![u16::MAX],
                ..table(8, |x| x)
            }),
        ];
        frame.padding = Some(PixelPadding { low: -3, high: 4 });
        let mut bytes = Vec::new();
        write(&frame, &mut bytes).unwrap();
        assert!(bytes.len() < 8000, "{} bytes", bytes.len());
        frame.pixels.clear();
        assert_eq!(read(&mut Reader(&bytes)), Ok(frame));
        for length in 0..bytes.len() {
            assert!(read(&mut Reader(&bytes[..length])).is_err());
        }
    }
}
