"""The made-up persons of the demo.

Persons, addresses and numbers are invented. Identity numbers are synthetic as in Test-Norge
(month + 80), so that none can belong to anybody; organisation numbers begin with 31 as there.
Two of fifteen citizens use e-Boks; the report has 0.215 of 2.095 million (section 3.4).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import islice

from connectors.world.agencies import AGENCIES, agency
from connectors.world.model import Channel, Enterprise, Person

__all__ = [
    "AGENCIES",
    "ENTERPRISES",
    "PERSONS",
    "agency",
    "by_slug",
    "enterprise",
    "synthetic_id",
]

_FIRST_WEIGHTS = (3, 7, 6, 1, 8, 9, 4, 5, 2)
_SECOND_WEIGHTS = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)


def synthetic_id(birth: date, serial: int) -> str:
    """Return the `serial`-th (from 0) synthetic identity number for this day of birth.

    Eleven digits: DDMMYY with 80 added to the month, three individual digits from the series of
    the century, two modulus-11 check digits (Skatteetaten, "Fødselsnummer"; Test-Norge).
    Raises ValueError when the day has no such number.
    """
    number = next(islice(_numbers(birth), serial, None), None)
    if number is None:
        raise ValueError("no synthetic number left for this day")
    return number


def _numbers(birth: date) -> Iterator[str]:
    day = f"{birth.day:02d}{birth.month + 80:02d}{birth.year % 100:02d}"
    start = 500 if birth.year >= 2000 else 0
    for individual in range(start, start + 500):
        nine = f"{day}{individual:03d}"
        first = _check_digit(nine, _FIRST_WEIGHTS)
        # A remainder of 1 would need the "digit" 10: such numbers are not given out.
        if first == 10:
            continue
        second = _check_digit(f"{nine}{first}", _SECOND_WEIGHTS)
        if second < 10:
            yield f"{nine}{first}{second}"


def _check_digit(digits: str, weights: tuple[int, ...]) -> int:
    total = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))
    return -total % 11


PERSONS: tuple[Person, ...] = (
    Person(
        "kari",
        "Kari Nordmann",
        synthetic_id(date(1992, 4, 17), 3),
        "kari.nordmann@example.no",
        "kari.nordmann#1A2B",
        Channel.DIGIPOST,
        "nb",
        "Kari (34) er nybakt mor i Oslo og har søkt om bostøtte og barnehageplass; to frister "
        "kommer snart.",
        address=("Tvetenveien 999", "0671 Oslo"),
    ),
    Person(
        "ola",
        "Ola Hansen",
        synthetic_id(date(1955, 2, 9), 7),
        "ola.hansen@example.org",
        "ola.hansen#7K3M",
        Channel.DIGIPOST,
        "nb",
        "Ola (71) er pensjonist i Bergen; pensjon, sykehus og kommunale avgifter fyller innboksen.",
        address=("Fjellveien 999", "5019 Bergen"),
    ),
    Person(
        "amina",
        "Amina Yusuf Ali",
        synthetic_id(date(2002, 8, 30), 11),
        "amina.ali@example.org",
        "amina.ali#5T9Q",
        Channel.DIGIPOST,
        "en",
        "Amina (24) studerer i Oslo og leser helst engelsk; lån og stipend, skatt og studieplass.",
        address=("Sognsveien 999", "0855 Oslo"),
    ),
    Person(
        "nils-ante",
        "Nils-Ánte Gaup",
        synthetic_id(date(1981, 5, 3), 2),
        "nils-ante.gaup@example.no",
        "nils-ante.gaup#3C8D",
        Channel.DIGIPOST,
        "se",
        "Nils-Ánte (45) driver enkeltpersonforetak i Karasjok; mest post i Altinn, noe på samisk.",
        address=("Stuorraluohkká 999", "9730 Kárášjohka"),
    ),
    Person(
        "bjorg",
        "Bjørg Lien",
        synthetic_id(date(1974, 11, 21), 5),
        "bjorg.lien@example.no",
        "bjorg.lien#9H4R",
        Channel.EBOKS,
        "nb",
        "Bjørg (52) er pårørende og arving i Trondheim etter at faren døde i sommer.",
        address=("Bakklandet 999", "7013 Trondheim"),
    ),
    Person(
        "olena",
        "Olena Kovalenko",
        synthetic_id(date(1997, 1, 25), 8),
        "olena.kovalenko@example.org",
        "olena.kovalenko#2F6W",
        Channel.DIGIPOST,
        "en",
        "Olena (29) er ny i Norge og bor i Stavanger; opphold, introduksjonsprogram og skattekort.",
        address=("Pedersgata 999", "4013 Stavanger"),
    ),
    Person(
        "jonas",
        "Jonas Berg",
        synthetic_id(date(1998, 6, 12), 4),
        "jonas.berg@example.no",
        "jonas.berg#8P1N",
        Channel.DIGIPOST,
        "nb",
        "Jonas (28) mistet jobben i vår og får dagpenger; meldekort, jobbsøking og restskatt.",
        address=("Thereses gate 999", "0358 Oslo"),
    ),
    Person(
        "eirik",
        "Eirik Aasen",
        synthetic_id(date(1995, 3, 8), 6),
        "eirik.aasen@example.no",
        "eirik.aasen#6V2L",
        Channel.DIGIPOST,
        "nn",
        "Eirik (31) er far i Bergen og skriv nynorsk; foreldrepengar, barnehage og eit sjukt barn.",
        address=("Nygårdsgaten 999", "5008 Bergen"),
    ),
    Person(
        "ingrid",
        "Ingrid Haugen",
        synthetic_id(date(2007, 9, 14), 9),
        "ingrid.haugen@example.org",
        "ingrid.haugen#4J7X",
        Channel.DIGIPOST,
        "nb",
        "Ingrid (19) har flyttet hjemmefra til Trondheim; første jobb, førerkort og studielån.",
        address=("Klæbuveien 999", "7030 Trondheim"),
    ),
    Person(
        "solveig",
        "Solveig Moen",
        synthetic_id(date(1943, 12, 2), 1),
        "solveig.moen@example.no",
        "solveig.moen#0B5Z",
        Channel.EBOKS,
        "nb",
        "Solveig (82) bor alene i Tromsø; hjemmetjeneste, frikort og pensjon fra staten.",
        address=("Storgata 999", "9008 Tromsø"),
    ),
    Person(
        "henrik",
        "Henrik Dahl",
        synthetic_id(date(1969, 7, 19), 10),
        "henrik.dahl@example.no",
        "henrik.dahl#7Y3E",
        Channel.DIGIPOST,
        "nb",
        "Henrik (57) har hytte og bil og leder en ny forening; tinglysing, avgifter og skatt.",
        address=("Madlaveien 999", "4009 Stavanger"),
    ),
    Person(
        "stress",
        "Marit Storhaug",
        synthetic_id(date(1966, 10, 5), 12),
        "marit.storhaug@example.org",
        "marit.storhaug#1X0K",
        Channel.DIGIPOST,
        "nb",
        "Marit (60) har fått 2 000 brev på seks år, gjennom alle kanaler.",
        address=("Trondheimsveien 999", "0565 Oslo"),
    ),
    Person(
        "nora",
        "Nora Nyland",
        synthetic_id(date(2008, 10, 28), 13),
        "nora.nyland@example.no",
        "nora.nyland#2S8U",
        Channel.DIGIPOST,
        "nb",
        "Nora (18) har nettopp opprettet digital postkasse og har ikke fått noe brev ennå.",
        address=("Markveien 999", "0554 Oslo"),
    ),
    Person(
        "sara",
        "Sara Dahl",
        synthetic_id(date(2010, 12, 1), 15),
        "sara.dahl@example.no",
        "sara.dahl#4C6G",
        Channel.DIGIPOST,
        "nb",
        "Sara (15) er Henriks datter. Han ser posten hennes til hun fyller 16, 1. desember 2026, "
        "men ikke det fortrolige fra hun fylte 12.",
        address=("Madlaveien 999", "4009 Stavanger"),
    ),
    Person(
        "leif",
        "Leif Lien",
        synthetic_id(date(1941, 5, 6), 16),
        "leif.lien@example.no",
        "leif.lien#5D9T",
        Channel.DIGIPOST,
        "nb",
        "Leif døde 30. juni 2026. Datteren Bjørg representerer boet og ser posten; han kan ikke "
        "logge inn.",
        address=("Bakklandet 998", "7013 Trondheim"),
    ),
    Person(
        "drift",
        "Drift Operatør",
        synthetic_id(date(1985, 1, 15), 14),
        "drift@example.org",
        "drift.operator#9D9D",
        Channel.DIGIPOST,
        "nb",
        "Operatøren driver Samlepost: ser kildenes helse og karantene, men ingen brev.",
        is_operator=True,
    ),
    Person(
        "berit",
        "Berit Solberg",
        synthetic_id(date(1979, 4, 2), 17),
        "berit.solberg@example.org",
        "berit.solberg#3B7B",
        Channel.DIGIPOST,
        "nb",
        "Berit arbeider i NAV og bruker virksomhetsportalen: leveringslogg, koblinger, nøkler.",
        works_at="nav",
    ),
    Person(
        "tormod",
        "Tormod Vik",
        synthetic_id(date(1988, 9, 11), 18),
        "tormod.vik@example.org",
        "tormod.vik#6T4V",
        Channel.DIGIPOST,
        "nb",
        "Tormod arbeider i Tromsø kommune og sender brev fra virksomhetsportalen.",
        works_at="tromso",
    ),
)

_PERSON_BY_SLUG = {person.slug: person for person in PERSONS}


def by_slug(slug: str) -> Person:
    """Return the person of that slug. Raises KeyError."""
    return _PERSON_BY_SLUG[slug]


ENTERPRISES: tuple[Enterprise, ...] = (
    Enterprise(
        "gaup-bilverksted",
        "GAUP BILVERKSTED",
        "313920720",
        (by_slug("nils-ante"),),
        address=("Stuorraluohkká 999", "9730 Kárášjohka"),
    ),
)

_ENTERPRISE_BY_SLUG = {each.slug: each for each in ENTERPRISES}


def enterprise(slug: str) -> Enterprise:
    """Return the enterprise of that slug. Raises KeyError."""
    return _ENTERPRISE_BY_SLUG[slug]
