"""The public bodies that write to the made-up persons.

They are real, with their own organisation numbers, since a citizen knows her senders by name;
what they write here is invented. Only the general practitioners' number is made up: their
practices are private, and no real one is to be named here.
"""

from __future__ import annotations

from connectors.world.model import Agency

AGENCIES: tuple[Agency, ...] = (
    Agency("nav", "NAV", "889640782", ("Postboks 354", "8601 Mo i Rana"), "nav.no"),
    Agency(
        "skatteetaten",
        "Skatteetaten",
        "974761076",
        ("Postboks 9200 Grønland", "0134 Oslo"),
        "skatteetaten.no",
    ),
    Agency(
        "digdir",
        "Digitaliseringsdirektoratet",
        "991825827",
        ("Postboks 1382 Vika", "0114 Oslo"),
        "digdir.no",
    ),
    Agency(
        "oslo",
        "Oslo kommune",
        "958935420",
        ("Rådhuset", "0037 Oslo"),
        "oslo.kommune.no",
    ),
    Agency(
        "bergen",
        "Bergen kommune",
        "964338531",
        ("Postboks 7700", "5020 Bergen"),
        "bergen.kommune.no",
    ),
    Agency(
        "trondheim",
        "Trondheim kommune",
        "942110464",
        ("Postboks 2300 Torgarden", "7004 Trondheim"),
        "trondheim.kommune.no",
    ),
    Agency(
        "stavanger",
        "Stavanger kommune",
        "964965226",
        ("Postboks 8001", "4068 Stavanger"),
        "stavanger.kommune.no",
    ),
    Agency(
        "tromso",
        "Tromsø kommune",
        "940101808",
        ("Postboks 6900 Langnes", "9299 Tromsø"),
        "tromso.kommune.no",
    ),
    Agency(
        "lanekassen",
        "Statens lånekasse for utdanning",
        "960885406",
        ("Postboks 191 Økern", "0510 Oslo"),
        "lanekassen.no",
    ),
    Agency(
        "vegvesenet",
        "Statens vegvesen",
        "971032081",
        ("Postboks 1010 Nordre Ål", "2605 Lillehammer"),
        "vegvesen.no",
    ),
    Agency(
        "helse-sor-ost",
        "Helse Sør-Øst RHF",
        "991324968",
        ("Postboks 404", "2303 Hamar"),
        "helse-sorost.no",
    ),
    Agency(
        "helse-vest",
        "Helse Vest RHF",
        "983658725",
        ("Postboks 303 Forus", "4066 Stavanger"),
        "helse-vest.no",
    ),
    Agency(
        "helse-nord",
        "Helse Nord RHF",
        "883658752",
        ("Postboks 1445", "8038 Bodø"),
        "helse-nord.no",
    ),
    Agency(
        "helfo",
        "Helfo",
        "986965610",
        ("Postboks 2415", "3104 Tønsberg"),
        "helfo.no",
    ),
    Agency(
        "helsenorge",
        "Helsenorge",
        "994598759",
        ("Postboks 6123", "7435 Trondheim"),
        "helsenorge.no",
    ),
    Agency(
        "pasientpost",
        "Fastlegen",
        "314422007",
        ("Postboks 999", "0105 Oslo"),
        "pasientpost.example",
    ),
    Agency(
        "udi",
        "Utlendingsdirektoratet",
        "974760746",
        ("Postboks 2098 Vika", "0125 Oslo"),
        "udi.no",
    ),
    Agency(
        "politiet",
        "Politiet",
        "915429785",
        ("Postboks 2090 Vika", "0125 Oslo"),
        "politiet.no",
    ),
    Agency(
        "brreg",
        "Brønnøysundregistrene",
        "974760673",
        ("Postboks 900", "8910 Brønnøysund"),
        "brreg.no",
    ),
    Agency(
        "husbanken",
        "Husbanken",
        "942114184",
        ("Postboks 1404", "8002 Bodø"),
        "husbanken.no",
    ),
    Agency(
        "spk",
        "Statens pensjonskasse",
        "982583462",
        ("Postboks 5364 Majorstuen", "0304 Oslo"),
        "spk.no",
    ),
    Agency(
        "kartverket",
        "Kartverket",
        "971040238",
        ("Postboks 600 Sentrum", "3507 Hønefoss"),
        "kartverket.no",
    ),
    Agency(
        "domstolene",
        "Domstoladministrasjonen",
        "984195796",
        ("Postboks 5678 Torgarden", "7485 Trondheim"),
        "domstol.no",
    ),
    Agency(
        "uio",
        "Universitetet i Oslo",
        "971035854",
        ("Postboks 1072 Blindern", "0316 Oslo"),
        "uio.no",
    ),
    Agency(
        "imdi",
        "Integrerings- og mangfoldsdirektoratet",
        "987879696",
        ("Postboks 8059 Dep", "0031 Oslo"),
        "imdi.no",
    ),
    Agency(
        "valgdirektoratet",
        "Valgdirektoratet",
        "916132727",
        ("Postboks 1994", "3103 Tønsberg"),
        "valg.no",
    ),
    Agency(
        "sametinget",
        "Sámediggi / Sametinget",
        "974760347",
        ("Ávjovárgeaidnu 50", "9730 Kárášjohka"),
        "sametinget.no",
    ),
)

_BY_SLUG = {agency.slug: agency for agency in AGENCIES}


def agency(slug: str) -> Agency:
    """Return the agency of that slug. Raises KeyError."""
    return _BY_SLUG[slug]
