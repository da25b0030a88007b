"""Whether a document is fit to be kept for life: claimed, checked in its structure, validated."""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from pypdf.annotations import Link
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    TextStringObject,
)

from inbox.letters import extract, texts, verapdf
from inbox.letters.documents import stream
from inbox.letters.models import Document, DocumentText
from tests.letters.test_texts import changed, written
from tests.make import make_citizen, make_letter

REPORT = """<?xml version="1.0" encoding="utf-8"?>
<report>
  <buildInformation>
    <releaseDetails id="core" version="1.28.2" buildDate="2025-07-15T16:07:00+03:00"></releaseDetails>
    <releaseDetails id="validation-model" version="1.28.2" buildDate="2025-07-15T16:12:00+03:00"></releaseDetails>
    <releaseDetails id="gui" version="1.28.2" buildDate="2025-07-15T16:59:00+03:00"></releaseDetails>
  </buildInformation>
  <jobs>
    <job>
      <item size="5632355">
        <name>STDIN</name>
      </item>
      <validationReport jobEndStatus="normal" profileName="PDF/A-2A validation profile" statement="PDF file is compliant with Validation Profile requirements." isCompliant="true">
        <details passedRules="122" failedRules="0" passedChecks="195" failedChecks="0"></details>
      </validationReport>
      <duration start="1739546673785" finish="1739546674346">00:00:00.561</duration>
    </job>
  </jobs>
  <batchSummary totalJobs="1" failedToParse="0" encrypted="0" outOfMemory="0" veraExceptions="0">
    <validationReports compliant="1" nonCompliant="0" failedJobs="0">1</validationReports>
    <featureReports failedJobs="0">0</featureReports>
    <repairReports failedJobs="0">0</repairReports>
    <duration start="1739546673773" finish="1739546674350">00:00:00.577</duration>
  </batchSummary>
</report>
"""  # noqa: E501
"""As veraPDF 1.28.2 writes it with `--format xml`; cf. veraPDF/veraPDF-library, issue 1223."""


def action(kind: str) -> DictionaryObject:
    return DictionaryObject({NameObject("/S"): NameObject(kind)})


def looked_at(pdf: bytes) -> dict:
    answer = extract.text_of(pdf, "application/pdf")
    assert not answer["failed"]
    return answer["pdfa"]


def without_intent(pdf: bytes) -> bytes:
    """What claims 2b and has no output intent, as Ghostscript leaves it without PDFA_def.ps."""

    def change(writer):
        del writer.root_object["/OutputIntents"]
        metadata = writer.root_object["/Metadata"].get_object()
        said = metadata.get_data().replace(b"conformance>A<", b"conformance>B<")
        metadata.set_data(said)

    return changed(pdf, change)


def add_font(writer) -> None:
    """Name Helvetica and do not embed it, in a form inside a form."""
    fonts = {"/F9": {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}}
    inner, outer = DecodedStreamObject(), DecodedStreamObject()
    inner[NameObject("/Resources")] = made({"/Font": fonts})
    held = DictionaryObject({NameObject("/X1"): writer._add_object(inner)})
    outer[NameObject("/Resources")] = DictionaryObject({NameObject("/XObject"): held})
    resources = writer.pages[0]["/Resources"].get_object()
    resources[NameObject("/XObject")] = DictionaryObject(
        {NameObject("/X0"): writer._add_object(outer)}
    )


def made(value):
    """A PDF dictionary of a Python one, names throughout."""
    if isinstance(value, dict):
        return DictionaryObject({NameObject(k): made(v) for k, v in value.items()})
    return NameObject(value)


def add_script_by_reference(writer) -> None:
    """A script whose kind stands elsewhere, after an action that is allowed, on a link."""
    script = DictionaryObject({NameObject("/JS"): TextStringObject("app.alert(1)")})
    script[NameObject("/S")] = writer._add_object(NameObject("/JavaScript"))
    first = action("/GoTo")
    first[NameObject("/Next")] = ArrayObject([writer._add_object(script)])
    writer.add_annotation(0, Link(rect=(0, 0, 9, 9), url="https://nav.no/"))
    writer.pages[0]["/Annots"][0].get_object()[NameObject("/A")] = first


def add_field(writer) -> None:
    """A form field that computes, and lies on no page."""
    field = made({"/AA": {"/C": {"/S": "/JavaScript"}}})
    form = DictionaryObject({NameObject("/Fields"): ArrayObject([writer._add_object(field)])})
    writer.root_object[NameObject("/AcroForm")] = form


def test_a_file_that_claims_and_keeps_what_can_be_seen_is_checked():
    assert looked_at(written("Tekst")) == {"level": "2a", "lacks": []}


def test_a_claim_without_an_output_intent_is_no_more_than_a_claim():
    pdf = without_intent(written("Tekst"))
    assert looked_at(pdf) == {"level": "2b", "lacks": ["output_intent"]}
    judged = texts.judged(looked_at(pdf), pdf)
    assert (judged["pdfa_status"], judged["pdfa_level"]) == ("claimed", "2b")


@pytest.mark.parametrize(
    ("change", "lacks"),
    [
        (add_font, ["fonts"]),
        (lambda w: w.root_object.__delitem__("/StructTreeRoot"), ["tags"]),
        (lambda w: w.encrypt("", "owner"), ["encryption"]),
        (lambda w: w.add_attachment("a.exe", b"MZ"), ["embedded_files"]),
        (add_script_by_reference, ["actions"]),
        (add_field, ["actions"]),
        (
            lambda w: w.root_object.__setitem__(NameObject("/OpenAction"), action("/ResetForm")),
            ["actions"],
        ),
        (
            lambda w: (
                w.root_object["/OutputIntents"][0]
                .get_object()["/DestOutputProfile"]
                .get_object()
                .set_data(b"no profile")
            ),
            ["output_intent"],
        ),
    ],
)
def test_what_is_missing_is_named(change, lacks):
    pdf = changed(written("Tekst"), change)
    assert looked_at(pdf)["lacks"] == lacks
    judged = texts.judged(looked_at(pdf), pdf)
    assert judged["pdfa_status"] == "claimed"


@pytest.mark.parametrize("change", [add_script_by_reference, add_field])
def test_a_script_is_found_wherever_it_lies(change):
    answer = extract.text_of(changed(written("Tekst"), change), "application/pdf")
    assert "script" in answer["warnings"]


def test_a_file_that_claims_nothing_has_no_status():
    assert (
        looked_at(changed(written("x"), lambda w: w.root_object.__delitem__("/Metadata"))) is None
    )
    assert texts.judged(None, b"")["pdfa_status"] == ""


def test_a_file_whose_table_is_wrong_is_read_and_told_of():
    pdf = written("Husleien")
    at = pdf.rindex(b"startxref") + len(b"startxref\n")
    hurt = pdf[:at] + b"7\n%%EOF"
    answer = extract.text_of(hurt, "application/pdf")
    assert "repaired" in answer["warnings"]
    assert "Husleien" in answer["text"]
    assert answer["pdfa"]["lacks"] == ["structure"]


def stand_in(tmp_path: Path, settings, answer: str) -> None:
    """An executable that does as veraPDF does: reads standard input, writes `answer`."""
    (tmp_path / "report").write_text(answer)
    script = tmp_path / "verapdf"
    script.write_text(
        f'#!/bin/sh\necho "$@ $DATABASE_URL$DJANGO_SETTINGS_MODULE" > {tmp_path}/called\n'
        f"cat > {tmp_path}/got\ncat {tmp_path}/report\n"
    )
    script.chmod(0o755)
    settings.VERAPDF_BIN = str(script)


CLAIM = {"level": "2a", "lacks": []}


@pytest.mark.parametrize(
    ("answer", "status", "by"),
    [
        (REPORT, "validated", "veraPDF 1.28.2"),
        (REPORT.replace("PDF/A-2A", "PDF/A-1B"), "claimed", "veraPDF 1.28.2"),
        (REPORT.replace('isCompliant="true"', 'isCompliant="false"'), "claimed", "veraPDF 1.28.2"),
        (REPORT.replace('failedRules="0"', 'failedRules="1"'), "claimed", "veraPDF 1.28.2"),
        (REPORT.replace('jobEndStatus="normal"', 'jobEndStatus="timeout"'), "checked", "Samlepost"),
        (REPORT.replace("PDF/A-2A", "PDF/UA-1"), "checked", "Samlepost"),
        ("STDIN is an encrypted PDF file.", "checked", "Samlepost"),
        ("", "checked", "Samlepost"),
    ],
)
def test_only_veras_word_validates(tmp_path, settings, answer, status, by):
    stand_in(tmp_path, settings, answer)
    judged = texts.judged(CLAIM, b"%PDF-1.7 ...")
    assert judged["pdfa_status"] == status
    assert judged["pdfa_checked_by"].startswith(by)
    assert (tmp_path / "got").read_bytes() == b"%PDF-1.7 ..."
    assert (tmp_path / "called").read_text().split() == ["--format", "xml"]


def test_a_validator_that_hangs_or_is_away_costs_its_word_alone(tmp_path, settings, monkeypatch):
    settings.VERAPDF_BIN = str(tmp_path / "verapdf")
    assert texts.judged(CLAIM, b"")["pdfa_status"] == "checked"
    (tmp_path / "verapdf").write_text("#!/bin/sh\ncat > /dev/null\nsleep 600\n")
    (tmp_path / "verapdf").chmod(0o755)
    monkeypatch.setattr(verapdf, "WALL_SECONDS", 0.2)
    assert texts.judged(CLAIM, b"")["pdfa_status"] == "checked"


@pytest.mark.django_db
def test_the_status_is_written_and_the_original_stays_as_it_came():
    kari = make_citizen()
    pdf = changed(written("Tekst"), add_script_by_reference)
    make_letter(kari, document=pdf)
    assert texts.read_due() == 1
    text = DocumentText.objects.get(citizen=kari)
    assert (text.pdfa_status, text.pdfa_level) == ("claimed", "2a")
    assert (text.pdfa_lacks, "script" in text.warnings) == (["actions"], True)
    document = Document.objects.select_related("blob").get(citizen=kari)
    served = b"".join(stream(document))
    assert hashlib.sha256(served).hexdigest() == hashlib.sha256(pdf).hexdigest()
    assert document.blob.sha256 == hashlib.sha256(pdf).hexdigest()


@pytest.mark.django_db
def test_documents_that_were_read_before_are_looked_at_once_more():
    make_letter(make_citizen(), document=written("Tekst"))
    texts.read_due()
    DocumentText.objects.update(pdfa_status="", pdfa_level="")
    migration = import_module("inbox.letters.migrations.0031_document_format")
    migration.read_again(apps, None)
    assert texts.read_due() == 1
    assert DocumentText.objects.get().pdfa_status == "checked"
