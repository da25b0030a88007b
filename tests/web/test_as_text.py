"""What the text of a document looks like to who reads it as text."""

from __future__ import annotations

from inbox.web.as_text import Block, blocks_of, pages_of

LETTER = """NAV
Postboks 354, 8601 Mo i Rana
Kari Nordmann
0671 Oslo
Dato: 23. november 2026
Vedtak om bostøtte
Du søkte om bostøtte 3. november 2026. For å behandle søknaden trenger vi lønnsslipp
for september og oktober.
Dette må du sende
Send oss dette innen fristen, slik at vi kan behandle søknaden din uten forsinkelser:
• lønnsslipp for september og for oktober, gjerne som en samlet fil med alle sidene
i den
• skattemelding
Vennlig hilsen
NAV"""


def test_lines_of_a_letter_become_an_address_headings_paragraphs_and_a_list():
    assert blocks_of(LETTER) == [
        Block(
            "paragraph",
            [
                "NAV",
                "Postboks 354, 8601 Mo i Rana",
                "Kari Nordmann",
                "0671 Oslo",
                "Dato: 23. november 2026",
            ],
        ),
        Block("heading", ["Vedtak om bostøtte"]),
        Block(
            "paragraph",
            [
                "Du søkte om bostøtte 3. november 2026. For å behandle søknaden trenger vi"
                " lønnsslipp for september og oktober."
            ],
        ),
        Block("heading", ["Dette må du sende"]),
        Block(
            "paragraph",
            [
                "Send oss dette innen fristen, slik at vi kan behandle søknaden din uten"
                " forsinkelser:"
            ],
        ),
        Block(
            "items",
            [
                "lønnsslipp for september og for oktober, gjerne som en samlet fil med alle"
                " sidene i den",
                "skattemelding",
            ],
        ),
        Block("paragraph", ["Vennlig hilsen", "NAV"]),
    ]


def test_no_word_is_lost_or_moved():
    for text in (LETTER, "", "x", "- \n-\n• a", "Kun en tittel", "\n\n a \n\n\n b", "ab " * 400):
        words = [word for word in text.split() if word not in ("•", "-")]
        kept = [word for block in blocks_of(text) for line in block.lines for word in line.split()]
        assert [word for word in kept if word != "-"] == words


def test_pages_stay_apart_and_an_empty_one_counts():
    assert pages_of("En side.\f\fTre.") == [
        [Block("paragraph", ["En side."])],
        [],
        [Block("paragraph", ["Tre."])],
    ]
