"""The life events, and the rules by which letters are proposed for them. This file is all of it.

The six are those of the government's digitalisation strategy ("Fremtidens digitale Norge
2024-2030", chapter on services around life events). A rule looks at the sender's organisation
number, the kind of letter and words of its title, in Bokmål, Nynorsk and English; nothing else.
It proposes and never decides: she accepts or rejects each letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from inbox.letters.models import Letter

HAVING_A_CHILD = "having-a-child"
ILL_CHILD = "seriously-ill-child"
WORK = "losing-and-finding-work"
NEW_IN_NORWAY = "new-in-norway"
VOLUNTARY = "voluntary-organisation"
DEATH = "death-and-inheritance"
EVENTS = (HAVING_A_CHILD, ILL_CHILD, WORK, NEW_IN_NORWAY, VOLUNTARY, DEATH)

NAV = "889640782"
SKATTEETATEN = "974761076"
POLITIET = "915429785"
UDI = "974760746"
IMDI = "987879696"
BRREG = "974760673"
VEGVESENET = "971032081"
SPK = "982583462"
KARTVERKET = "971040238"
DOMSTOLENE = "984195796"
HOSPITALS = ("991324968", "983658725", "883658752")
"""Helse Sør-Øst, Helse Vest, Helse Nord."""

NOT_INVOICES = ("letter", "decision", "task", "notice")


@dataclass(frozen=True, slots=True)
class Rule:
    """A letter for which every condition that is set holds is proposed for `event`."""

    event: str
    code: str
    """What she is told that the letter is about: `web/event_words.py` has the words."""
    words: tuple[str, ...] = ()
    """One of them begins a word of the title; lower case."""
    senders: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    """Of `Letter.Kind`."""


RULES = (
    Rule(
        HAVING_A_CHILD,
        "parental_benefit",
        (
            *("foreldrepeng", "engangsstønad", "eingongsstønad", "svangerskapspeng"),
            *("parental benefit", "pregnancy benefit", "lump-sum grant"),
        ),
        senders=(NAV,),
    ),
    Rule(
        HAVING_A_CHILD,
        "child_benefit",
        (
            *("barnetrygd", "kontantstøtte", "kontantstønad", "kontantstøtta"),
            *("child benefit", "cash-for-care"),
        ),
        senders=(NAV,),
    ),
    Rule(HAVING_A_CHILD, "kindergarten", ("barnehage", "kindergarten"), kinds=NOT_INVOICES),
    Rule(
        HAVING_A_CHILD,
        "health_station",
        (
            *("helsestasjon", "jordmor", "svangerskapskontroll", "fødeavdeling"),
            *("child health clinic", "midwife", "maternity ward"),
        ),
    ),
    Rule(
        HAVING_A_CHILD,
        "birth",
        (
            *("fødselsmelding", "fødselsattest", "farskap", "foreldreansvar", "navn til barnet"),
            *("namn til barnet", "birth certificate", "paternity", "parental responsibility"),
        ),
    ),
    Rule(
        ILL_CHILD,
        "care_benefit",
        (
            *("pleiepeng", "opplæringspeng", "omsorgspeng", "attendance allowance"),
            *("training allowance", "care benefit"),
        ),
        senders=(NAV,),
    ),
    Rule(
        ILL_CHILD,
        "childrens_ward",
        (
            *(
                "barneavdeling",
                "barneklinikk",
                "barnesykehus",
                "barnesjukehus",
                "barnehabilitering",
            ),
            *("barnepoliklinikk", "children's ward", "paediatric", "pediatric"),
        ),
        senders=HOSPITALS,
    ),
    Rule(
        ILL_CHILD,
        "coordinator",
        (
            *("barnekoordinator", "individuell plan", "avlastning", "avlasting", "omsorgsstønad"),
            *("child coordinator", "individual plan", "respite care"),
        ),
    ),
    Rule(
        WORK,
        "unemployment_benefit",
        ("dagpenge", "dagpengar", "permittering", "lønnsgaranti", "unemployment benefit"),
        senders=(NAV,),
    ),
    Rule(
        WORK,
        "job_seeking",
        (
            *("meldekort", "arbeidssøk", "aktivitetsplan", "tiltakspeng", "samtale om arbeid"),
            *("employment status form", "jobseeker", "job seeker", "meeting with your adviser"),
        ),
        senders=(NAV,),
    ),
    Rule(NEW_IN_NORWAY, "immigration", senders=(UDI,)),
    Rule(NEW_IN_NORWAY, "integration", senders=(IMDI,)),
    Rule(
        NEW_IN_NORWAY,
        "residence",
        (
            *("oppholdskort", "opphaldskort", "oppholdstillatelse", "opphaldsløyve"),
            *("residence card", "residence permit", "appointment with the police"),
        ),
        senders=(POLITIET,),
    ),
    Rule(
        NEW_IN_NORWAY,
        "registration",
        (
            *("d-nummer", "fødselsnummer", "innflytting til norge", "flytting til norge"),
            *("d number", "national identity number", "move to norway"),
            "registered in the national population register",
        ),
        senders=(SKATTEETATEN,),
    ),
    Rule(
        NEW_IN_NORWAY,
        "introduction_programme",
        (
            *("introduksjonsprogram", "integreringsplan", "norskopplæring", "norskprøve"),
            *("introduction programme", "integration plan", "norwegian test"),
        ),
    ),
    Rule(
        NEW_IN_NORWAY,
        "driving_licence",
        (
            *("innbytte av utenlandsk førerkort", "innbyte av utanlandsk førarkort"),
            "exchange of your foreign driving licence",
        ),
        senders=(VEGVESENET,),
    ),
    Rule(
        VOLUNTARY,
        "registers",
        (
            *("frivillig", "forening", "foreining", "idrettslag", "voluntary", "non-profit"),
            "association",
        ),
        senders=(BRREG,),
    ),
    Rule(
        VOLUNTARY,
        "grants",
        (
            *("tilskudd til frivillig", "tilskot til frivillig", "frivillighetsmidler"),
            *("frivilligmidlar", "momskompensasjon", "grasrotandel"),
            *("grant to voluntary", "grants to voluntary", "vat compensation"),
        ),
    ),
    Rule(
        DEATH,
        "estate",
        (
            *("skifte", "dødsbo", "arving", "testament", "uskifte", "nærmeste pårørende"),
            *("næraste pårørande", "probate", "inheritance", "deceased"),
        ),
        senders=(DOMSTOLENE,),
    ),
    Rule(
        DEATH,
        "death",
        ("dødsfall", "dødsattest", "dødsbo", "death certificate", "estate of the deceased"),
    ),
    Rule(
        DEATH,
        "funeral",
        ("gravferd", "gravplass", "gravlegging", "bårebidrag", "funeral", "burial"),
    ),
    Rule(
        DEATH,
        "survivors",
        (
            *("etterlatt", "attlaten", "omstillingsstønad", "barnepensjon"),
            *("gjenlevende", "attlevande", "pensjonen er stanset", "pensjonen er stansa"),
            *("survivor", "adjustment allowance"),
        ),
        senders=(NAV, SPK),
    ),
    Rule(
        DEATH,
        "property",
        ("hjemmelserklæring", "heimelserklæring", "uskifte"),
        senders=(KARTVERKET,),
    ),
)

RULES_VERSION = 1
"""To be raised with any change of RULES: letters that came before are then held against them."""


@dataclass(frozen=True, slots=True)
class Match:
    """Why a letter is proposed for an event."""

    event: str
    code: str
    safe: bool
    """Sender and public title alone give it away: it tells nothing at any level of session."""


def matches(letter: Letter) -> list[Match]:
    """Return for which events the letter is proposed: once for each, by the first of its rules.

    A rule that needs no more than sender and public title is named before others.
    """
    org_number, shown = letter.sender.org_number, letter.public_title
    found: dict[str, Match] = {}
    for each in _for_sender(org_number):
        if each.holds(org_number, letter.kind, letter.title):
            safe = not each.rule.kinds and each.holds(org_number, letter.kind, shown)
            before = found.get(each.rule.event)
            if before is None or (safe and not before.safe):
                found[each.rule.event] = Match(each.rule.event, each.rule.code, safe)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class _Compiled:
    rule: Rule
    pattern: re.Pattern[str] | None = field(init=False)

    def __post_init__(self) -> None:
        words = "|".join(map(re.escape, self.rule.words))
        pattern = re.compile(rf"\b(?:{words})") if words else None
        object.__setattr__(self, "pattern", pattern)

    def holds(self, org_number: str, kind: str, title: str) -> bool:
        """Say whether the rule holds for a letter of which this is known."""
        rule = self.rule
        if rule.senders and org_number not in rule.senders:
            return False
        if rule.kinds and kind not in rule.kinds:
            return False
        return self.pattern is None or self.pattern.search(title.casefold()) is not None


_COMPILED = tuple(map(_Compiled, RULES))
_OF_ANYBODY = tuple(each for each in _COMPILED if not each.rule.senders)
_OF_SENDER = {
    org_number: tuple(
        each for each in _COMPILED if not each.rule.senders or org_number in each.rule.senders
    )
    for rule in RULES
    for org_number in rule.senders
}


def _for_sender(org_number: str) -> Iterator[_Compiled]:
    return iter(_OF_SENDER.get(org_number, _OF_ANYBODY))
