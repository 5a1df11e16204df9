"""Makes one Digital X-Ray Image Storage file, for the tests; prints its Study Instance UID.

Of a PNG: 8-bit grey, shifted into 12 bits as detectors store them. Without one: a picture that is no x-ray.
"""

import argparse

import numpy
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

DX_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"


def pixels(png):
    if png:
        return numpy.asarray(Image.open(png).convert("L"), dtype=numpy.uint16) << 4
    y, x = numpy.mgrid[0:600, 0:800]
    rings = numpy.sin(numpy.hypot(x - 400, y - 300) / 12)
    return ((rings + 1) * 2047).astype(numpy.uint16)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--name", required=True, help="as DICOM writes it: FAMILY^GIVEN")
    parser.add_argument("--id", required=True)
    parser.add_argument("--png")
    arguments = parser.parse_args()

    image = pixels(arguments.png)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DX_FOR_PRESENTATION
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(arguments.out, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID = meta.MediaStorageSOPClassUID
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID = generate_uid()
    data.SeriesInstanceUID = generate_uid()
    data.PatientName = arguments.name
    data.PatientID = arguments.id
    data.PatientBirthDate = "19400101"
    data.PatientSex = "F"
    data.StudyDate = "20260301"
    data.StudyTime = "071500"
    data.AccessionNumber = "E2E" + arguments.id
    data.StudyDescription = "Pelvis AP"
    data.Modality = "DX"
    data.BodyPartExamined = "PELVIS"
    data.ViewPosition = "AP"
    data.InstanceNumber = 1
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.PresentationLUTShape = "IDENTITY"
    data.PixelIntensityRelationship = "LOG"
    data.PixelIntensityRelationshipSign = -1
    data.RescaleIntercept = 0
    data.RescaleSlope = 1
    data.RescaleType = "US"
    data.ImagerPixelSpacing = [0.15, 0.15]
    data.Rows, data.Columns = image.shape
    data.BitsAllocated = 16
    data.BitsStored = 12
    data.HighBit = 11
    data.PixelRepresentation = 0
    data.PixelData = image.astype("<u2").tobytes()
    pydicom.dcmwrite(arguments.out, data, enforce_file_format=True)
    print(data.StudyInstanceUID)


if __name__ == "__main__":
    main()
