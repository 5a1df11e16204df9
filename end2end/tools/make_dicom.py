"""Makes one Digital X-Ray Image Storage file, for the tests; prints its Study Instance UID.

Of a PNG: 8-bit grey, shifted into 12 bits as detectors store them. Of a DICOM file: its pixels as they are, in a study
of its own. Without either: a picture that is no x-ray. Lookup tables take the place of the file's windows.
"""

import argparse

import numpy
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

DX_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"


def pixels(png):
    if png:
        return numpy.asarray(Image.open(png).convert("L"), dtype=numpy.uint16) << 4
    y, x = numpy.mgrid[0:600, 0:800]
    rings = numpy.sin(numpy.hypot(x - 400, y - 300) / 12)
    return ((rings + 1) * 2047).astype(numpy.uint16)


def table(first, entries, bits):
    """One item of a LUT sequence (PS3.3 C.11.1.1.1)."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries) % 65536, first, bits])
    item.LUTExplanation = "made for the test"
    item.add_new("LUTData", "OW", numpy.asarray(entries, dtype="<u2").tobytes())
    return item


def add_tables(data, which):
    """An S-shaped VOI table over the middle of the values, or a modality table that turns them into another range."""
    values = 1 << data.BitsStored
    steps = numpy.arange(values) / (values - 1)
    for name in ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction"):
        if name in data:
            delattr(data, name)
    if "modality" in which:
        for name in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
            if name in data:
                delattr(data, name)
        data.ModalityLUTSequence = Sequence([table(0, (steps**1.5 * 4095).astype(int), 12)])
        data.ModalityLUTSequence[0].ModalityLUTType = "US"
    if "voi" in which:
        inputs = numpy.arange(600)
        curve = 1 / (1 + numpy.exp(-(inputs - 300) / 60))
        data.VOILUTSequence = Sequence([table(200, (curve * 1023).astype(int), 10)])


def of_file(path, out, arguments):
    data = pydicom.dcmread(path)
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.StudyInstanceUID = generate_uid()
    data.SeriesInstanceUID = generate_uid()
    data.PatientName = arguments.name
    data.PatientID = arguments.id
    add_tables(data, arguments.tables)
    data.save_as(out)
    return data.StudyInstanceUID


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--name", required=True, help="as DICOM writes it: FAMILY^GIVEN")
    parser.add_argument("--id", required=True)
    parser.add_argument("--png")
    parser.add_argument("--dicom", help="takes this file's pixels and attributes")
    parser.add_argument("--tables", action="append", default=[], choices=["voi", "modality"])
    parser.add_argument("--date", default="20260301")
    parser.add_argument("--spacing", type=float, default=0.15, help="millimetres at the detector")
    parser.add_argument("--shrink", type=int, default=1, help="keeps every n-th pixel")
    arguments = parser.parse_args()
    if arguments.dicom:
        print(of_file(arguments.dicom, arguments.out, arguments))
        return

    image = pixels(arguments.png)[:: arguments.shrink, :: arguments.shrink]
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
    data.StudyDate = arguments.date
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
    data.ImagerPixelSpacing = [arguments.spacing, arguments.spacing]
    data.Rows, data.Columns = image.shape
    data.BitsAllocated = 16
    data.BitsStored = 12
    data.HighBit = 11
    data.PixelRepresentation = 0
    data.PixelData = numpy.ascontiguousarray(image).astype("<u2").tobytes()
    if arguments.tables:
        add_tables(data, arguments.tables)
    pydicom.dcmwrite(arguments.out, data, enforce_file_format=True)
    print(data.StudyInstanceUID)


if __name__ == "__main__":
    main()
