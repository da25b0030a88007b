"""Words as search compares them: one analysis for letters and for queries, on every database.

A word is folded (case, accents, æøå and their spellings without a Norwegian keyboard), brought
from Nynorsk to Bokmål where the two differ, stemmed, and a compound is taken apart at the words
that letters from public bodies are made of. All of it is lossy on purpose: what matters is that
a query and a letter lose the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

TOKEN_LENGTH_MAX = 40
"""Characters of a word that count."""
WORD = re.compile(r"[^\W_]+")
BROKEN_LINE = re.compile(r"(?<=[^\W\d_])[-\u00ad]\n(?=[^\W\d_])")
DIGIT_GROUPS = re.compile(r"(?<![\d.,])\d{1,3}(?:[ .\u00a0\u202f]\d{3})+(?![\d]|[.,]\d)")
MONTHS = (
    "januar|februar|mars|april|mai|juni|juli|august|september|oktober|november|desember"
    "|january|february|march|april|may|june|july|august|september|october|november|december"
).split("|")
DATE = re.compile(
    r"(?<!\d)(?P<day>\d{1,2})\.? ?(?P<month>" + "|".join(MONTHS) + r")(?: (?P<year>\d{4}))?\b"
    r"|(?<![\d.])(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4}|\d{2})?(?!\d)"
    r"|(?<![\d-])(?P<iy>\d{4})-(?P<im>\d{2})-(?P<id>\d{2})(?!\d)",
    re.IGNORECASE,
)

FOLDS = str.maketrans({"æ": "ae", "ø": "o", "å": "a", "đ": "d", "ŋ": "n", "ŧ": "t", "ß": "ss"})
SPELLINGS = (("aa", "a"), ("oe", "o"))

SAME = {
    # Words without a stem in common with their equals: folded, as they stand.
    "ikkje": "ikke",
    "kva": "hva",
    "korleis": "hvordan",
    "kven": "hvem",
    "kor": "hvor",
    "eg": "jeg",
    "me": "vi",
    "dykk": "dere",
    "dokker": "dere",
    "noko": "noe",
    "nokon": "noen",
    "berre": "bare",
    "mykje": "mye",
    "meir": "mer",
    "saman": "sammen",
    "heile": "hele",
    "bocker": "bok",
    "boker": "bok",
    "bokene": "bok",
    "fedre": "far",
    "modre": "mor",
    "brodre": "bror",
    "dotre": "datter",
    "barna": "barn",
    "born": "barn",
    "borna": "barn",
    "borneskule": "barneskole",
    "penga": "penger",
    "veke": "uke",
    "veker": "uke",
    "vekene": "uke",
    "veka": "uke",
    "uker": "uke",
    "ukene": "uke",
    "lona": "lonn",
    "kr": "krone",
    "nok": "krone",
}
MORPHEMES = (
    # Nynorsk (and older forms) to Bokmål, inside words: folded; the longer ones first.
    ("sakshandsam", "saksbehandl"),
    ("handsam", "behandl"),
    ("rettleiing", "veiledning"),
    ("rettleii", "veiled"),
    ("utrekning", "beregning"),
    ("einingspris", "enhetspris"),
    ("hushald", "hushold"),
    ("oppgjer", "oppgjor"),
    ("sjukepeng", "sykepeng"),
    ("sjukmeld", "sykmeld"),
    ("sykemeld", "sykmeld"),
    ("sjukehus", "sykehus"),
    ("sjuk", "syk"),
    ("bustonad", "bostotte"),
    ("bustott", "bostott"),
    ("bustad", "bolig"),
    ("arbeidsloyse", "arbeidsledighet"),
    ("arbeidslaus", "arbeidsledig"),
    ("stonad", "stotte"),
    ("pengar", "penger"),
    ("pengane", "pengene"),
    ("skular", "skoler"),
    ("skulen", "skolen"),
    ("skule", "skole"),
    ("studiar", "studier"),
    ("husleige", "husleie"),
    ("leigj", "lei"),
    ("leige", "leie"),
    ("eigedom", "eiendom"),
    ("eigar", "eier"),
    ("eigendel", "egenandel"),
    ("eigendelar", "egenandeler"),
    ("eigenandel", "egenandel"),
    ("koyretoy", "kjoretoy"),
    ("koyre", "kjore"),
    ("forarkort", "forerkort"),
    ("loyve", "tillatelse"),
    ("teneste", "tjeneste"),
    ("tenester", "tjenester"),
    ("tryggleik", "sikkerhet"),
    ("trygghet", "sikkerhet"),
    ("tilskot", "tilskudd"),
    ("forskot", "forskudd"),
    ("tilbod", "tilbud"),
    ("undersoking", "undersokelse"),
    ("avgjersle", "avgjorelse"),
    ("avgjerd", "avgjorelse"),
    ("oppseiing", "oppsigelse"),
    ("stadfest", "bekreft"),
    ("rekning", "regning"),
    ("arbeidsgjevar", "arbeidsgiver"),
    ("innbyggjar", "innbygger"),
    ("byggj", "bygg"),
    ("leggj", "legg"),
    ("brukar", "bruker"),
    ("hoyrsle", "horsel"),
    ("hoyrsel", "horsel"),
    ("auge", "oye"),
    ("skoyte", "skjote"),
    ("kyrkje", "kirke"),
    ("kjelde", "kilde"),
    ("verje", "verge"),
    ("fylgje", "folge"),
    ("royst", "stemme"),
    ("vegvesen", "veivesen"),
    ("kjoken", "kjokken"),
    ("merksemd", "oppmerksomhet"),
    ("tilsett", "ansatt"),
    ("straum", "strom"),
    ("einsleg", "enslig"),
    ("vaksne", "voksne"),
    ("vaksen", "voksen"),
    ("framand", "fremmed"),
    ("heim", "hjem"),
    ("auke", "oke"),
    ("auka", "okt"),
    ("mottek", "mottatt"),
    ("motteke", "mottatt"),
    ("sokjar", "soker"),
    ("sokj", "sok"),
    ("vedtek", "vedta"),
    ("lekjar", "lege"),
    ("laekjar", "lege"),
    ("foretok", "foretak"),
    ("verksemd", "virksomhet"),
    ("samanheng", "sammenheng"),
    ("opplysing", "opplysning"),
    ("utgreiing", "utredning"),
    ("mogleg", "mulig"),
    ("ansvarleg", "ansvarlig"),
    ("manadleg", "manedlig"),
    ("manad", "maned"),
    ("arleg", "arlig"),
    ("offentleg", "offentlig"),
)
PARTS = frozenset(
    """
    adopsjon adresse aksje alarm alder anbud andel anlegg ansettelse ansvar apotek arbeid
    arbeids arkiv arv arve arving atferd attest avdeling avgift avgifts avlop avlosning avslag
    avtale bank barn barne barnehage barnetrygd beboer befaring begravelse behandling
    bekreftelse belop beregning beskjed besok betaling betalings bevilling bevis bibliotek
    bidrag bil billett bo bolig borger bostotte brann branntilsyn brev bruk bruker budsjett
    bydel bygge byggesak bygning byrett dag dagpenge dagpenger dagsats dato dekning del deltaker
    departement diagnose direktorat dod dods dokument dokumentasjon domstol drosje egenandel
    egenmelding eiendom eiendoms eier ektefelle ekteskap elev endring endringsmelding energi
    enkeltvedtak erklaering erstatning etat etterbetaling fakta faktura familie feie feier
    feiing fengsel ferie firma flytting fodsel fodsels folke foreldre foreldrepenge
    foreldrepenger forening forer forerkor forerkort foretak foretaksregister forfall forhand
    formue forsikring forskudd forsorgelse forsorger forvaltning fosterhjem fradrag frakt
    frikort frist fritak fritid fullmakt funksjon fylke fylkes gang garanti garasje gave gebyr
    gjeld gjenlevende grav gravferd gravid gravplass grense grunn grunnbok grunnlag grunnskole
    gyldighet handel helg helse helsestasjon helsetjeneste hjelp hjelpe hjelpemiddel hjem hjerte
    horing horsel hund husholdning husleie husstand hytte identitet idrett idrettslag import
    informasjon inkasso innkalling innkreving innsyn innsyns inntekt inntekts inntektskrav
    innvilgelse institusjon introduksjon jakt jobb jord journal kart kasse kjaeledyr kjop
    kjoretoy kjoring klage klasse klima kommunal kommune kommunestyre kompetanse konkurs kontant
    konto kontor kontrakt kontroll konvolutt kort kostnad krav kropp kultur kunde kurs
    kvalifisering kvittering kvote laeremiddel laerer laering lan landbruk lane lanekasse leder
    lege legeerklaering legevakt leie leilighet leverandor lisens lonn lonns luft lunge
    manedskort mangel medisin medlem melding merke midler miljo mobil mote mottak mottaker
    museum mva myndighet nabo naering naerings natur navn nemnd nett nettside nummer nyre
    offentlig omrade omsorg operasjon oppfolging oppfolgings oppgave oppgjor opphold oppholds
    opplaering opplysning oppsigelse ordning overforing overgang overskudd oye pakke papir
    parkering partner pasient pass passord penger pensjon pensjons periode person plan plass
    pleie pleiepenge pleiepenger pleier politi post postkasse praksis pris produksjon program
    prosjekt prove purring rad rapport rate refusjon regel register registrering regning
    regnskap reise rekneskap renovasjon rente renter reparasjon resept reservasjon ressurs rest
    rett rettighet rontgen rute rygg sak saks saksbehandling salg samboer samfunn samling
    samtale samtykke sats satser seksjon selskap selvangivelse semester senter sertifikat
    signering sikkerhet siktelse skade skatt skatte skattekort skatteoppgjor skifte skilt skjema
    skjonn skjote skole skoleplass skorstein skulder skyld slektning slipp smitte sok soknad
    soksmal sone spesialist sport sprak start stasjon stat statsborgerskap status stemme
    stiftelse stipend stotte strom student studie studielan studiestotte studium styre svar syk
    sykdom syke sykehus sykepenge sykepenger sykepleier sykmelding tabell tak tannbehandling
    tannlege telefon termin tid tilbakebetaling tilbud tilbyder tillatelse tillegg tilskudd
    tilsyn tilsyns tiltak time tinglysing tjeneste tjenestepensjon tolk tomt trafikk transport
    trekk trygd trygde turnus tvist uke ulykke undersokelse undervisning ung ungdom utbetaling
    utdanning utgift utland utleie utlending utlysning utredning utsatt utsettelse utskrift
    test norsk
    utstyr vaksinasjon vaksine vakt valg valgkort vann varsel vedlegg vedtak veg vei velferd
    verdi verge verksted vern virksomhet visum vitne vogn voksen vurdering yrke ytelse
    """.split()
)
"""Words that compounds in letters from public bodies are made of: folded, as Bokmål writes them."""
PART_MIN = 3
CUT_MIN = 2
HEAD_MIN = 4
"""A part at a compound's end is searched for alone from this length: "bo" and "lån" say little."""

STOPWORDS = frozenset(
    """
    a all alle and at av bare ble bli blir da de deg dei deira dem den denne der dere deres det
    dette di din dine ditt du dykkar eg ei ein eit eller en er et etter for fra fram fikk far
    fa ha hadde han har hei her hos hun hva hvem hvis hvor hvordan i ikke ikkje in inn is it jeg
    jo kan kom kommer korleis kva kven ma me med meg mellom men mi min mine mitt my nar no noe noen
    of og ogsa om on opp or oss over pa sa se seg selv sin sine skal ska slik som sum svart that
    the til to under ut var vaere ved vi vil ville vart vare you your
    about are be can do does have how my new this was we what when where which who will with
    """.split()
)
"""Words that a query says without meaning them; letters are indexed with them all the same."""

ENGLISH = {
    "tax": "skatt",
    "passport": "pass",
    "housing": "bolig",
    "rent": "husleie",
    "kindergarten": "barnehage",
    "school": "skole",
    "doctor": "lege",
    "appointment": "time",
    "decision": "vedtak",
    "application": "soknad",
    "residence": "opphold",
    "permit": "tillatelse",
    "deadline": "frist",
    "complaint": "klage",
    "appeal": "klage",
    "pension": "pensjon",
    "invoice": "faktura",
    "bill": "faktura",
    "loan": "lan",
    "benefit": "stotte",
    "unemployment": "dagpenger",
    "sickness": "sykepenger",
    "child": "barn",
    "licence": "forerkort",
    "license": "forerkort",
    "job": "arbeid",
    "work": "arbeid",
    "police": "politi",
    "election": "valg",
    "inheritance": "arv",
    "card": "kort",
    "deduction": "trekk",
    "grant": "stipend",
    "fee": "avgift",
    "refund": "tilbakebetaling",
    "notice": "varsel",
    "receipt": "kvittering",
    "contract": "kontrakt",
    "test": "prove",
    "meeting": "mote",
    "address": "adresse",
    "income": "inntekt",
    "salary": "lonn",
    "employer": "arbeidsgiver",
    "family": "familie",
    "birth": "fodsel",
    "death": "dodsfall",
    "hospital": "sykehus",
    "driving": "kjore",
    "car": "bil",
    "vehicle": "kjoretoy",
    "citizenship": "statsborgerskap",
    "debt": "gjeld",
    "interest": "rente",
    "payment": "betaling",
    "exam": "eksamen",
    "student": "student",
    "study": "studie",
    "university": "universitet",
    "course": "kurs",
    "language": "sprak",
    "norwegian": "norsk",
    "letter": "brev",
    "reply": "svar",
    "reminder": "purring",
    "document": "dokument",
    "certificate": "attest",
    "agreement": "avtale",
    "health": "helse",
    "medicine": "medisin",
    "dentist": "tannlege",
    "surgery": "operasjon",
    "examination": "undersokelse",
    "parent": "foreldre",
    "pregnancy": "gravid",
    "marriage": "ekteskap",
    "funeral": "gravferd",
    "estate": "dodsbo",
    "apartment": "leilighet",
    "house": "bolig",
    "property": "eiendom",
    "owner": "eier",
    "neighbour": "nabo",
    "water": "vann",
    "parking": "parkering",
    "registration": "registrering",
    "inspection": "kontroll",
    "tenancy": "leie",
    "electricity": "strom",
    "municipality": "kommune",
    "company": "foretak",
    "association": "forening",
    "vat": "mva",
    "grave": "grav",
    "visit": "besok",
    "help": "hjelp",
    "money": "penger",
    "amount": "belop",
    "account": "konto",
    "month": "maned",
    "year": "ar",
}
"""What somebody new in Norway may call it; a query's word is searched for as both, either way:
some of her letters are in English."""

SYNONYMS = tuple(
    tuple(line.split())
    for line in """
    gravferd begravelse bisettelse
    dodsbo dodsfall avdod skifte
    gjenlevende etterlatt
    arving arv
    arbeidsledig arbeidslos dagpenger permittert
    jobb arbeid stilling
    lonn inntekt
    arbeidsgiver bedrift
    test prove undersokelse
    faktura regning
    forfall betalingsfrist
    gebyr avgift
    lan gjeld
    innvilget bevilget godkjent
    vedtak avgjorelse
    klage anke
    sprak norsk
    sykehus poliklinikk
    operasjon inngrep
    legitimasjon id
    barnevogn vogn
    soppel renovasjon avfall
    garasje carport
    bosted adresse
    ektefelle samboer partner
    uforetrygd uforepensjon
    hjemmesykepleie hjemmetjeneste
    """.strip().splitlines()
)
"""Other words for the same in letters from public bodies, folded: chosen by what they mean."""

NOUN_ENDINGS = ("ning", "ing", "else", "els", "sjon", "er")
"""What makes nouns of verbs, and one noun of another: "feiing" and "feieren" are of "fei"."""
ROOT_MIN = 3

VOWELS = set("aeiouy")
STEP_1 = sorted(
    "a e ede ande ende ane ene hetene en heten ar er heter as es edes endes enes hetenes ens "
    "hetens ers ets et het ast erte ert s".split(),
    key=len,
    reverse=True,
)
STEP_3 = sorted("leg eleg ig eig lig elig els lov elov slov hetslov".split(), key=len, reverse=True)
S_ENDINGS = set("bcdfghjlmnoprtvyz")


@dataclass(frozen=True, slots=True)
class Found:
    """A word of a text, where it stands, and what it is compared by."""

    start: int
    end: int
    stems: tuple[str, ...]
    """Its stem first, then the parts of the compound."""


def stems(text: str) -> list[str]:
    """Return the distinct stems of a text, dates and amounts included, in order."""
    found: dict[str, None] = {}
    for each in words(text):
        found.update(dict.fromkeys(each.stems))
    return list(found)


def words(text: str) -> Iterator[Found]:
    """Yield what a text is searched by: its words, and dates and amounts as one."""
    for match in DATE.finditer(text):
        keys = _date_keys(match)
        if keys:
            yield Found(match.start(), match.end(), keys)
    for match in DIGIT_GROUPS.finditer(text):
        yield Found(match.start(), match.end(), (re.sub(r"\D", "", match.group()),))
    for match in WORD.finditer(_joined(text)):
        keys = keys_of(match.group())
        if keys:
            yield Found(match.start(), match.end(), keys)


def _joined(text: str) -> str:
    """Close words that a line's end has broken, without moving anything behind them."""
    return BROKEN_LINE.sub("\u02b0\u02b0", text) if "-\n" in text else text


@lru_cache(maxsize=50_000)
def keys_of(word: str) -> tuple[str, ...]:
    """Return the stem of one word, then those of the parts of a compound."""
    folded = normal(word)
    if not folded:
        return ()
    if not folded.isalpha():
        return (folded[:TOKEN_LENGTH_MAX],)
    stem_ = stem(folded)
    heads = [stem(head) for head in _heads(folded)]
    return tuple(dict.fromkeys((stem_, *heads)))


@lru_cache(maxsize=50_000)
def normal(word: str) -> str:
    """Return a word folded and in its Bokmål form: "Bustønaden" → "bostotten"."""
    folded = fold(word)[:TOKEN_LENGTH_MAX]
    if folded in SAME:
        return SAME[folded]
    for theirs, ours in MORPHEMES:
        if theirs in folded:
            folded = folded.replace(theirs, ours)
    return folded


def fold(word: str) -> str:
    """Return a word without case, accents or marks; æ, ø, å as people without those keys type."""
    plain = word.casefold().replace("\u02b0", "").translate(FOLDS)
    if not plain.isascii():
        parts = unicodedata.normalize("NFKD", plain)
        plain = "".join(c for c in parts if c.isalnum()).translate(FOLDS)
    for typed, meant in SPELLINGS:
        plain = plain.replace(typed, meant)
    return plain


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Return the stem of a folded word: Snowball's Norwegian stemmer on folded letters.

    https://snowballstem.org/algorithms/norwegian/stemmer.html. What it deletes in Bokmål
    (-ene, -ar, -ane, -leg) covers Nynorsk. Unlike there no word becomes shorter than three.
    """
    start = _region(word)
    for ending in STEP_1:
        if word.endswith(ending) and len(word) - len(ending) >= start:
            word = _without(word, ending)
            break
    if word.endswith(("dt", "vt")) and len(word) - 2 >= start:
        word = word[:-1]
    for ending in STEP_3:
        if word.endswith(ending) and len(word) - len(ending) >= start:
            return word[: -len(ending)]
    return word


def _without(word: str, ending: str) -> str:
    if ending in ("erte", "ert"):
        return word[: -len(ending)] + "er"
    if ending != "s":
        return word[: -len(ending)]
    before = word[-2:-1]
    valid = before in S_ENDINGS or (before == "k" and word[-3:-2] not in VOWELS)
    return word[:-1] if valid else word


def _region(word: str) -> int:
    """Return where R1 begins: after the first non-vowel that follows a vowel, but not before 3."""
    for index in range(1, len(word)):
        if word[index] not in VOWELS and word[index - 1] in VOWELS:
            return max(index + 1, 3)
    return len(word)


def _heads(word: str) -> Iterator[str]:
    """Yield the ends of a compound that are words by themselves, the longest first.

    "bostottevedtaket" → "vedtaket". What stands before must be long enough to be a word.
    """
    for cut in range(PART_MIN, len(word) - HEAD_MIN + 1):
        tail = word[cut:]
        if _is_part(tail):
            yield tail


def split(word: str) -> list[str]:
    """Return the known parts that a normal compound consists of wholly; itself when none do."""
    for cut in range(PART_MIN, len(word) - PART_MIN + 1):
        first, rest = word[:cut], word[cut:]
        if _is_first(first) and _is_part(rest):
            return [first, rest]
    return [word]


def root(word: str) -> str:
    """Return what a stem begins with when the ending that makes it a noun is taken off."""
    for ending in NOUN_ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= ROOT_MIN:
            return word[: -len(ending)]
    return word


def cuts(word: str) -> Iterator[tuple[str, str]]:
    """Yield the ways in which a normal word could be two, as stems, with a joining s or without.

    Which of them are words nobody here can tell: the letters can.
    """
    for cut in range(CUT_MIN, len(word) - PART_MIN + 1):
        first, rest = word[:cut], stem(word[cut:])
        yield stem(first), rest
        if first[-1] == "s" and cut > PART_MIN:
            yield stem(first[:-1]), rest


def alike(stem_: str) -> tuple[str, ...]:
    """Return the stems of other words for the same, those of the other language among them."""
    return _alike().get(stem_, ())


@lru_cache(maxsize=1)
def _alike() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    english = [(stem(fold(theirs)), stem(ours)) for theirs, ours in ENGLISH.items()]
    groups: list[Sequence[str]] = [*english]
    for line in SYNONYMS:
        same = [stem(word) for word in line]
        groups.append([*same, *(theirs for theirs, ours in english if ours in same)])
    for group in groups:
        for one in group:
            others = (other for other in group if other != one)
            found[one] = tuple(dict.fromkeys((*found.get(one, ()), *others)))
    return found


@lru_cache(maxsize=1)
def _part_stems() -> frozenset[str]:
    return frozenset(stem(part) for part in PARTS)


def _is_part(word: str) -> bool:
    return word in PARTS or (len(word) >= HEAD_MIN and stem(word) in _part_stems())


def _is_first(word: str) -> bool:
    """A first part may be followed by a joining s or e."""
    return word in PARTS or (word[-1] in "se" and word[:-1] in PARTS)


def _date_keys(match: re.Match[str]) -> tuple[str, ...]:
    """Return a date's keys: day and month, and the whole date where the year is told."""
    said = match.groupdict()
    month = MONTHS.index(said["month"].lower()) % 12 + 1 if said["month"] else 0
    month = month or int(said["m"] or said["im"])
    day = int(said["day"] or said["d"] or said["id"])
    year = said["year"] or said["y"] or said["iy"] or ""
    if not (1 <= day <= 31 and 1 <= month <= 12):
        return ()
    short = f"d{month:02}{day:02}"
    if not year:
        return (short,)
    return (f"d{int(year) + 2000 if len(year) == 2 else int(year)}{month:02}{day:02}", short)
