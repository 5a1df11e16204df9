"""Makes the picture of the benchmark: 3036 x 3036 pixels of 16 bits, of a simulated x-ray.

The x-ray's own noise is averaged away; then it is enlarged, spread over 16 bits and given so much noise of a detector that
HTJ2K needs about 11 MB for it without loss, as for the picture of Cornerstone3D's own benchmark. Writes DICOM for Shenton and raw values for the encoder.
"""

import argparse

import numpy
import pydicom
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

SIDE = 3036


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--xray", required=True, help="a DICOM file of `shenton simulate image`")
    parser.add_argument("--out", required=True)
    parser.add_argument("--raw", required=True)
    parser.add_argument("--noise", type=float, default=85.0, help="standard deviation in grey levels of 65536")
    arguments = parser.parse_args()

    data = pydicom.dcmread(arguments.xray)
    image = data.pixel_array.astype(numpy.float32)
    low, high = float(image.min()), float(image.max())
    image = (image - low) / max(high - low, 1.0)
    small = Image.fromarray(image).reduce(4)
    image = numpy.asarray(small.resize((SIDE, SIDE), Image.BICUBIC))
    noise = numpy.random.default_rng(1).normal(0.0, arguments.noise, image.shape)
    image = numpy.clip(image * 60000.0 + 2500.0 + noise, 0, 65535).astype("<u2")
    image.tofile(arguments.raw)

    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID = generate_uid()
    data.SeriesInstanceUID = generate_uid()
    data.PatientName = "BENCHMARK^SIMULATED"
    data.Rows = data.Columns = SIDE
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit = 15
    data.PixelRepresentation = 0
    data.WindowCenter, data.WindowWidth = 32500, 62000
    for name in ("VOILUTSequence", "ModalityLUTSequence", "PixelPaddingValue"):
        if name in data:
            delattr(data, name)
    data.PixelData = image.tobytes()
    pydicom.dcmwrite(arguments.out, data, enforce_file_format=True)
    print(data.StudyInstanceUID)


if __name__ == "__main__":
    main()
