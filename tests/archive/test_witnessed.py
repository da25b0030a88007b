"""The log's head before its witness and the time-stamping authority, and when they are away."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

from connectors import contract
from connectors.simulation import Faults
from connectors.tlog import cosignature, note
from connectors.tlog import proof as tlog_proof
from connectors.tsa.authority import TimestampAuthority
from inbox.archive import proof
from inbox.archive.proof import failures, log, tasks, timestamps, witness
from inbox.archive.proof.failures import Untrusted
from inbox.archive.proof.models import LogEntry
from tests.archive.proved import Outside, home, outside, record, superuser

pytestmark = pytest.mark.django_db
__all__ = ["home", "outside"]


def test_a_proof_bears_the_witness_where_it_has_signed(outside: Outside):
    record(1, 2)
    tasks.sequence()
    record(3)
    outside.witness_is_away = True
    tasks.sequence()
    keys = proof.public_keys()
    log_key = note.read_vkey(keys.log)
    (witness_key,) = map(cosignature.read_vkey, keys.witnesses)
    for number, quorum, size in ((1, 1, 2), (3, 0, 3)):
        text = proof.of(UUID(int=number), 1)
        assert text
        read = tlog_proof.read(text)
        assert read.extra
        assert read.verify(read.extra, log_key, [witness_key], quorum).size == size
    outside.witness_is_away = False
    tasks.sequence()
    text = proof.of(UUID(int=3), 1)
    assert text
    assert tlog_proof.read(text).verify(read.extra, log_key, [witness_key], 1).size == 3


def test_an_outage_of_the_witness_is_shown_and_caught_up_and_holds_up_nothing(outside: Outside):
    outside.witness_is_away = True
    record(1)
    tasks.sequence()
    assert log.signed_head().size == 1
    (failure,) = failures.failures()
    assert failure.what == failures.WITNESS
    assert "connection failed" in failure.reason
    record(2)
    tasks.sequence()
    assert failures.failures() == [failure]  # since when is kept
    outside.witness_is_away = False
    tasks.sequence()
    assert failures.failures() == []
    found = witness.newest()
    assert found
    assert (found.size, found.root) == (2, log.signed_head().root)


def test_in_log_mode_nobody_is_asked(outside: Outside, settings):
    settings.ARCHIVE_PROOF = "log"
    record(1)
    tasks.sequence()
    tasks.stamp()
    assert log.cosigned() is None
    assert timestamps.newest() is None


def test_a_log_that_was_cut_and_signed_anew_is_refused_by_the_witness(outside: Outside):
    record(1, 2)
    tasks.sequence()
    kept = shutil.copytree(log.folder(), log.folder().with_name("kept"))
    record(3)
    tasks.sequence()
    shutil.rmtree(log.folder())
    kept.rename(log.folder())
    with superuser():
        LogEntry.objects.filter(object_id=UUID(int=3)).delete()
    (log.folder() / "cosigned").unlink()
    with pytest.raises(proof.LogBroken, match="has signed a tree of 3 leaves, ours has 2"):
        tasks.sequence()
    assert failures.failures()[0].what == failures.WITNESS
    record(4, 5)
    with pytest.raises(proof.LogBroken, match="not the one of which the witness signed 3 leaves"):
        tasks.sequence()


def test_an_answer_that_is_not_the_witnesss_is_not_believed(outside: Outside, settings, tmp_path):
    record(1)
    other = cosignature.Cosigner("witness.example/w", log.signer().key)
    settings.ARCHIVE_WITNESS_KEY = str(other.verifier)
    tasks.sequence()
    assert log.cosigned() is None
    assert "no signature of the witness" in failures.failures()[0].reason
    with pytest.raises(Untrusted):
        witness.newest()


def test_the_first_head_of_each_day_is_kept(outside: Outside):
    for number in (1, 2):
        record(number)
        tasks.sequence()
    assert [path.name for path in (log.folder() / "witness").iterdir()] == ["1.note"]


def test_a_time_stamp_is_given_once_a_day_and_verified_by_others(outside: Outside):
    before = datetime.now(UTC).replace(microsecond=0)
    assert not timestamps.stamp()  # nothing is there to stamp
    record(1, 2)
    tasks.sequence()
    assert timestamps.stamp()
    size, at = timestamps.newest() or (0, before)
    assert size == 2
    assert before <= at <= datetime.now(UTC)
    record(3)
    tasks.sequence()
    assert not timestamps.stamp()
    place = log.folder() / "timestamps"
    assert sorted(path.name for path in place.iterdir()) == ["2.note", "2.pem", "2.tsr"]
    assert str(outside.witness.verifier).split("+")[0] in (place / "2.note").read_text("utf-8")

    data = (place / "2.note").read_bytes()
    token = decode_timestamp_response((place / "2.tsr").read_bytes())
    judge = VerifierBuilder().add_root_certificate(outside.tsa.authority.root).build()
    assert judge.verify_message(token, data)
    with pytest.raises(VerificationError):
        judge.verify_message(decode_timestamp_response((place / "2.tsr").read_bytes()), data + b" ")
    command = ["openssl", "ts", "-verify", "-data", str(place / "2.note")]
    command += ["-in", str(place / "2.tsr"), "-CAfile", str(place / "2.pem")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Verification: OK" in done.stdout, done.stderr
    (place / "2.note").write_bytes(data.replace(b"\n2\n", b"\n3\n"))
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
    with pytest.raises(Untrusted):
        timestamps.verified(2)


@pytest.mark.parametrize("mode", ["down", "garbage", "truncated"])
def test_an_outage_of_the_authority_is_shown_and_caught_up(outside: Outside, mode: str):
    record(1)
    tasks.sequence()
    outside.tsa.state.set_faults("tsa", Faults(mode=mode, remaining=1))
    with pytest.raises((contract.ConnectorError, Untrusted)):
        timestamps.stamp()
    (failure,) = failures.failures()
    assert failure.what == failures.TIMESTAMPS
    assert timestamps.newest() is None
    tasks.stamp()
    assert timestamps.newest()
    assert failures.failures() == []


def test_a_token_of_another_authority_is_not_kept(outside: Outside, settings, tmp_path: Path):
    from_elsewhere = TimestampAuthority(tmp_path / "elsewhere")
    settings.ARCHIVE_TSA_CERTIFICATES_FILE = str(from_elsewhere.root_file)
    record(1)
    tasks.sequence()
    with pytest.raises(Untrusted):
        timestamps.stamp()
    assert timestamps.newest() is None


def test_what_is_no_request_gets_no_token(outside: Outside):
    answer = outside.tsa.authority.answer(b"garbage", datetime.now(UTC))
    assert decode_timestamp_response(answer).status == 2  # rejection
