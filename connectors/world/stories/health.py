"""Health: helsenorge's archive and the general practitioners' pasientpost. All at level 4.

Their public titles say who wrote and no more; what it is about is in the title and the letter.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time, timedelta
from typing import Any

from connectors.contract import LEVEL_HIGH, Appointment, Kind
from connectors.world.agencies import agency
from connectors.world.drafts import Draft, Enclosure, oslo
from connectors.world.model import Channel, Person
from connectors.world.pdf import Block, Heading, Items, Rows
from connectors.world.stories import answers
from connectors.world.stories.common import letter

_SENDERS = {"helsenorge": Channel.HELSENORGE, "pasientpost": Channel.PASIENTPOST}
_FROM = {"nb": "Brev fra", "nn": "Brev frå", "en": "Letter from"}


def heart(person: Person, doctor: str) -> Iterator[Draft]:
    """Yield a heart patient's mail: referral, discharge summary and an appointment to confirm."""
    yield _letter(
        person,
        "henvisning-hjerte",
        "pasientpost",
        date(2026, 8, 18),
        "Vi har henvist deg til hjertelege",
        "Fastlegen har sendt henvisningen til Haukeland universitetssjukehus.",
        "Sykehuset vurderer henvisningen innen ti virkedager. Du får svar på Helsenorge.",
        "Blir du verre mens du venter, ringer du legekontoret. Ring 113 ved sterke brystsmerter.",
        f"Hilsen {doctor}, fastlege",
        enclosures=(
            Enclosure(
                "Henvisning",
                (
                    Heading("Grunn til henvisningen"),
                    "Tungpust i trapper siden juni. Kjent høyt blodtrykk.",
                    Heading("Ønsket undersøkelse"),
                    Items(("ultralyd av hjertet", "belastnings-EKG")),
                ),
            ),
        ),
    )
    yield _letter(
        person,
        "epikrise-hjerte",
        "helsenorge",
        date(2026, 9, 29),
        "Epikrise etter undersøkelse på hjertepoliklinikken",
        "Epikrisen er en oppsummering av undersøkelsen 25. september. Fastlegen din har fått den.",
        Heading("Hva vi fant"),
        "Hjertet pumper litt svakere enn vi ønsker. Klaffene virker som de skal.",
        Heading("Medisiner"),
        Rows(
            ("Medisin", "Styrke", "Når"),
            (("Metoprolol", "50 mg", "morgen"), ("Ramipril", "5 mg", "kveld")),
        ),
        Heading("Videre"),
        "Du får time til kontroll i desember. Fastlegen tar blodprøver før det.",
        case="HUS-2026-ola",
    )
    start = oslo(date(2026, 12, 3), time(9, 20))
    yield _letter(
        person,
        "time-fastlege",
        "pasientpost",
        date(2026, 11, 18),
        "Timeavtale hos fastlegen: blodprøver og blodtrykk",
        "Du har time 3. desember 2026 klokken 9.20. Svar innen 1. desember om timen passer.",
        Items(
            (
                "Ikke spis frokost før du kommer. Du kan drikke vann.",
                "Ta medisinene som vanlig.",
                "Ta med listen over medisinene dine.",
            )
        ),
        f"Hilsen {doctor}, fastlege",
        kind=Kind.TASK,
        due=date(2026, 12, 1),
        needs_action=True,
        reply_forms=answers.choose(
            "Passer timen?", ("ja", "Ja, jeg kommer"), ("nei", "Nei, jeg trenger en ny time")
        ),
        appointment=Appointment(
            "Blodprøver og blodtrykk",
            f"{doctor}, Fjellveien legesenter, Fjellveien 998, 5019 Bergen",
            ((start, start + timedelta(minutes=20)),),
            "Kom uten å ha spist. Ta med listen over medisinene dine.",
        ),
    )


def eyes(person: Person) -> Iterator[Draft]:
    """Yield an old woman's discharge summary, and the answer to her blood tests."""
    yield _letter(
        person,
        "epikrise-oye",
        "helsenorge",
        date(2025, 2, 6),
        "Epikrise etter operasjon for grå stær",
        "Epikrisen er en oppsummering av operasjonen 3. februar. Fastlegen din har fått den.",
        "Operasjonen på høyre øye gikk som planlagt. Du skal dryppe øyet i fire uker.",
        "Ring øyeavdelingen hvis du får vondt i øyet eller ser dårligere.",
    )
    yield _letter(
        person,
        "provesvar-2026",
        "pasientpost",
        date(2026, 10, 14),
        "Prøvesvar: blodprøvene fra 5. oktober",
        "Blodprøvene er fine. Jernlageret er litt lavt.",
        Rows(
            ("Prøve", "Svar", "Vanlig"),
            (
                ("Hemoglobin", "12,4", "11,7–15,3"),
                ("Ferritin", "14", "15–160"),
                ("Kreatinin", "71", "45–90"),
            ),
        ),
        "Ta jerntabletter i tre måneder. Da tar vi en ny prøve.",
        "Hilsen Tor Dahle, fastlege",
    )


def back_pain(person: Person) -> Iterator[Draft]:
    """Yield a doctor's answer that can be asked about, and questions before an examination."""
    yield _letter(
        person,
        "e-konsultasjon",
        "pasientpost",
        date(2026, 11, 12),
        "Svar på e-konsultasjonen din om ryggen",
        "Du trenger ikke komme til legekontoret nå. Vi har bestilt MR av ryggen.",
        "Det du beskriver, ligner ikke på noe alvorlig. Hold deg i gang, og bruk smertestillende "
        "som det står på pakken.",
        "Får du nedsatt kraft i beinet eller problemer med å late vannet, ringer du oss samme dag.",
        "E-konsultasjonen koster det samme som en vanlig time. Regningen kommer fra legekontoret.",
        "Hilsen Berit Voll, fastlege",
        reply_forms=answers.write_to("Spør fastlegen om svaret", files=1),
    )
    yield _letter(
        person,
        "helsesporsmal-mr",
        "helsenorge",
        date(2026, 11, 19),
        "Svar på spørsmål før MR-undersøkelsen",
        "Sykehuset må vite om du kan undersøkes i en MR-maskin. Svar innen 7. desember 2026.",
        Items(
            (
                "Har du pacemaker, klips eller annet metall i kroppen?",
                "Er du redd for trange rom?",
                "Hvor mye veier du?",
            )
        ),
        "Svarer du ikke, kan du miste timen.",
        kind=Kind.TASK,
        due=date(2026, 12, 7),
        needs_action=True,
        action=("https://www.helsenorge.no/", "Svar på spørsmålene"),
        agency_task="Svar på spørsmålene",
    )


def childs_referral(person: Person) -> Iterator[Draft]:
    """Yield the doctor's answer to a father, in Nynorsk."""
    yield _letter(
        person,
        "tilvising-sovn",
        "pasientpost",
        date(2026, 10, 21),
        "Svar på e-konsultasjonen din om søvn",
        "Eg har tilvist deg til kurs i søvnmeistring, og skrive ut sjukmelding i to veker.",
        "Det er vanleg å sove dårleg når barnet er sjukt. Ta kontakt om det ikkje er betre innan "
        "to veker.",
        "Helsing Unni Sande, fastlege",
        language="nn",
    )


def newcomers_tests(person: Person) -> Iterator[Draft]:
    """Yield the answer to a screening, in English."""
    yield _letter(
        person,
        "test-results",
        "helsenorge",
        date(2025, 9, 10),
        "Test results: tuberculosis screening",
        "The test is negative. You do not need treatment.",
        "All who move to Norway from some countries are tested. You will not be tested again.",
        language="en",
    )


def her_own(person: Person) -> Iterator[Draft]:
    """Yield a girl's letter from her doctor, which her parents do not see."""
    yield _letter(
        person,
        "e-konsultasjon",
        "pasientpost",
        date(2026, 11, 5),
        "Svar på e-konsultasjonen din",
        "Du kan få time hos meg uten at foreldrene dine får vite det.",
        "Fra du er 16 år, bestemmer du selv om foreldrene dine skal se det du skriver til meg. "
        "Før det spør jeg deg først.",
        "Hilsen Ane Rud, fastlege",
    )


def _letter(
    person: Person,
    key: str,
    sender: str,
    on: date,
    title: str,
    summary: str,
    *blocks: Block,
    **more: Any,
) -> Draft:
    words = _FROM[more.get("language", "nb")]
    return letter(
        person,
        f"{sender}-{key}",
        sender,
        _SENDERS[sender],
        on,
        title,
        summary,
        *blocks,
        level=LEVEL_HIGH,
        public_title=f"{words} {agency(sender).name}",
        **more,
    )
