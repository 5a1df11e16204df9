//! The child: reads one file after another, under limits that it sets for itself.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;

use dicom_io::Metadata;
use imaging::Frame;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::protocol::{Kind, LIMITS_VARIABLE, Limits, MAX_JSON, MAX_PATH, REQUEST, RESPONSE, Response};

/// Enough for every sound file; a file that needs more is not one.
const STACK_BYTES: usize = 16 << 20;

/// Runs the child until its stdin ends.
pub fn child_main() -> ExitCode {
    // What a panic would say may hold the file's contents, and nobody reads it.
    std::panic::set_hook(Box::new(|_| {}));
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run() -> io::Result<()> {
    let limits = std::env::var(LIMITS_VARIABLE).map_err(io::Error::other)?;
    let limits: Limits = serde_json::from_str(&limits)?;
    restrict(&limits)?;

    // A copy of stdout that buffers nothing.
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let (sender, receiver) = mpsc::channel::<(Kind, PathBuf)>();
    std::thread::Builder::new()
        .name("decode".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            for (kind, path) in receiver {
                if answer(&output, kind, &path, &limits).is_err() {
                    // The parent is gone.
                    std::process::exit(1);
                }
            }
        })?;
    // This thread keeps reading, so that the end of the parent ends the child in the middle of a file too.
    let mut input = io::stdin().lock();
    while let Some(request) = read_request(&mut input)? {
        if sender.send(request).is_err() {
            break;
        }
    }
    std::process::exit(0)
}

/// Memory, and none of the rest: no core dump with a patient's picture, no file written.
fn restrict(limits: &Limits) -> io::Result<()> {
    let set = |resource, value| {
        // The hard limit may be lower already.
        let hard = rustix::process::getrlimit(resource).maximum;
        let value = hard.map_or(value, |hard: u64| hard.min(value));
        setrlimit(
            resource,
            Rlimit {
                current: Some(value),
                maximum: Some(value),
            },
        )
    };
    set(Resource::Core, 0)?;
    set(Resource::Fsize, 0)?;
    set(Resource::Nofile, 64)?;
    set(Resource::As, limits.memory_bytes)?;
    Ok(())
}

/// The next request, or `None` at the end.
fn read_request(input: &mut impl Read) -> io::Result<Option<(Kind, PathBuf)>> {
    let mut header = [0; 9];
    match input.read_exact(&mut header) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let [m0, m1, m2, m3, kind, l0, l1, l2, l3] = header;
    let kind = Kind::of(kind)
        .filter(|_| [m0, m1, m2, m3] == REQUEST)
        .ok_or(io::ErrorKind::InvalidData)?;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length > MAX_PATH {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut path = vec![0; length];
    input.read_exact(&mut path)?;
    use std::os::unix::ffi::OsStringExt;
    Ok(Some((kind, PathBuf::from(std::ffi::OsString::from_vec(path)))))
}

/// Reads a file and writes the response.
fn answer(mut output: &File, kind: Kind, path: &Path, limits: &Limits) -> io::Result<()> {
    let (mut response, mut pixels) = match load(path, limits) {
        Ok(bytes) => catch_unwind(AssertUnwindSafe(|| read(kind, &bytes, limits))).unwrap_or_else(|_| {
            let words = "it breaks the reader's assumptions".to_owned();
            (Response::Refused(dicom_io::Error::Malformed(words)), Vec::new())
        }),
        Err(response) => (response, Vec::new()),
    };
    let mut json = serde_json::to_vec(&response)?;
    if json.len() > MAX_JSON {
        response = Response::Refused(dicom_io::Error::Malformed("its attributes are too long".to_owned()));
        pixels = Vec::new();
        json = serde_json::to_vec(&response)?;
    }
    output.write_all(&RESPONSE)?;
    output.write_all(&(json.len() as u32).to_le_bytes())?;
    output.write_all(&json)?;
    output.write_all(&(pixels.len() as u64).to_le_bytes())?;
    let mut chunk = Vec::with_capacity(1 << 20);
    for part in pixels.chunks(1 << 19) {
        chunk.clear();
        chunk.extend(part.iter().flat_map(|value| value.to_le_bytes()));
        output.write_all(&chunk)?;
    }
    Ok(())
}

fn load(path: &Path, limits: &Limits) -> Result<Vec<u8>, Response> {
    let unreadable = |error: io::Error| Response::Unreadable(error.to_string());
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    // A pipe or a device would hold the child up.
    if !metadata.is_file() {
        return Err(Response::Unreadable("not a file".to_owned()));
    }
    if metadata.len() > limits.max_file_bytes {
        return Err(Response::TooLong {
            bytes: metadata.len(),
            allowed: limits.max_file_bytes,
        });
    }
    std::fs::read(path).map_err(unreadable)
}

fn read(kind: Kind, bytes: &[u8], limits: &Limits) -> (Response, Vec<u16>) {
    let sizes = dicom_io::Limits {
        max_pixels: limits.max_pixels,
        max_bytes: limits.max_file_bytes,
    };
    let read = match kind {
        Kind::Metadata => dicom_io::read_metadata(bytes).and_then(|metadata| {
            plausible(&metadata, limits.max_pixels)?;
            Ok((metadata, None))
        }),
        Kind::Decode => dicom_io::decode(bytes, &sizes).map(|(metadata, frame)| (metadata, Some(frame))),
        Kind::DecodeForDisplay => {
            dicom_io::decode_for_display(bytes, &sizes).map(|(metadata, frame)| (metadata, Some(frame)))
        }
    };
    match read {
        Ok((metadata, frame)) => {
            let mut frame: Option<Box<Frame>> = frame.map(Box::new);
            let pixels = frame
                .as_mut()
                .map(|frame| std::mem::take(&mut frame.pixels))
                .unwrap_or_default();
            (
                Response::Read {
                    metadata: Box::new(metadata),
                    frame,
                },
                pixels,
            )
        }
        Err(dicom_io::Error::MissingUid { .. }) if is_directory(bytes) => (Response::Directory, Vec::new()),
        Err(error) => (Response::Refused(error), Vec::new()),
    }
}

/// Whether the picture is whole and of a sane size, as far as that shows without decoding: a file cut short is
/// better refused while its sender still has the rest.
fn plausible(metadata: &Metadata, max_pixels: u64) -> Result<(), dicom_io::Error> {
    if !metadata.has_pixels {
        return Ok(());
    }
    let (rows, columns) = (metadata.rows, metadata.columns);
    let pixels = u64::from(rows) * u64::from(columns);
    if pixels > max_pixels {
        return Err(dicom_io::Error::TooLarge { rows, columns });
    }
    if metadata.pixels_truncated {
        return Err(dicom_io::Error::Truncated);
    }
    Ok(())
}

/// Whether the file meta information names Media Storage Directory Storage (PS3.10 section 8.6).
fn is_directory(bytes: &[u8]) -> bool {
    let uid = dicom_dictionary_std::uids::MEDIA_STORAGE_DIRECTORY_STORAGE.as_bytes();
    let head = &bytes[..bytes.len().min(1024)];
    head.windows(uid.len()).any(|window| window == uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_to_the_end_and_nonsense_is_refused() {
        let mut bytes = b"SHRQD\x04\0\0\0/a/b".to_vec();
        let mut input = bytes.as_slice();
        assert_eq!(
            read_request(&mut input).unwrap(),
            Some((Kind::Decode, PathBuf::from("/a/b")))
        );
        assert_eq!(read_request(&mut input).unwrap(), None);
        bytes[5..9].fill(0xFF);
        assert!(read_request(&mut bytes.as_slice()).is_err());
        assert!(read_request(&mut b"GET / HTTP/1.1".as_slice()).is_err());
    }

    #[test]
    fn a_picture_must_be_whole_and_of_a_sane_size() {
        let check = |rows, columns, has_pixels, pixels_truncated, expect| {
            let metadata = Metadata {
                rows,
                columns,
                has_pixels,
                pixels_truncated,
                ..Metadata::default()
            };
            assert_eq!(plausible(&metadata, 1000), expect, "{rows} x {columns}");
        };
        check(10, 100, true, false, Ok(()));
        check(10, 10, true, true, Err(dicom_io::Error::Truncated));
        check(
            65535,
            65535,
            true,
            true,
            Err(dicom_io::Error::TooLarge {
                rows: 65535,
                columns: 65535,
            }),
        );
        check(65535, 65535, false, false, Ok(()));
    }

    #[test]
    fn what_is_not_a_file_is_not_opened() {
        let limits = Limits {
            memory_bytes: 1 << 30,
            max_pixels: 1000,
            max_file_bytes: 10,
        };
        assert!(matches!(
            load(Path::new("/dev/zero"), &limits),
            Err(Response::Unreadable(_))
        ));
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(load(folder.path(), &limits), Err(Response::Unreadable(_))));
        let file = folder.path().join("long");
        std::fs::write(&file, [0; 11]).unwrap();
        assert!(matches!(
            load(&file, &limits),
            Err(Response::TooLong { bytes: 11, allowed: 10 })
        ));
    }
}
