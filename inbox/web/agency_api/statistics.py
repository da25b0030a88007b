"""The agency's figures, as the portal shows them."""

from __future__ import annotations

from typing import Any

from ninja import Field, Router, Schema

from connectors import clock
from inbox.agencies import figures
from inbox.web.agency_api.by_key import KeyRequest
from inbox.web.agency_api.described import says

router = Router(tags=["Statistics"])

HIDDEN = f"null where fewer than {figures.FEWEST} were opened, or not opened"


class Figures(Schema):
    """Letters, and how many of them were opened."""

    letters: int = Field(ge=0, description="All letters")
    counted: int = Field(
        ge=0, description="The letters that the opening rate is about: those that are not hidden"
    )
    opened: int | None = Field(description=f"How many of these were opened; {HIDDEN}")
    opening_rate: float | None = Field(description="`opened` of `counted`, 0 to 1")
    median_seconds: int | None = Field(
        description="The median time until the opening, to within a tenth"
    )


class OfSource(Figures):
    """Of one channel."""

    source: str


class OfMonth(Figures):
    """Of one month."""

    month: str = Field(pattern="^[0-9]{4}-[0-9]{2}$")


class OfPiece(OfMonth):
    """Of one channel in one month."""

    source: str


class Statistics(Schema):
    """The last twelve months that can be counted."""

    total: Figures
    by_source: list[OfSource]
    by_month: list[OfMonth]
    by_month_and_source: list[OfPiece]


@router.get(
    "/statistics",
    response=Statistics,
    operation_id="readStatistics",
    summary="How many letters are opened, and how soon",
    openapi_extra=says(),
)
def statistics(request: KeyRequest) -> Statistics:
    """Openings count for 28 days; a month comes when that has passed for all of its letters.

    What could tell of single persons is hidden, in each channel's month, and counts in no sum.
    """
    found = figures.published(request.auth.agency, clock.now())
    return Statistics(
        total=Figures(**_figures(found.total)),
        by_source=[OfSource(source=name, **_figures(piece)) for name, piece in found.by_source],
        by_month=[
            OfMonth(month=f"{day:%Y-%m}", **_figures(piece)) for day, piece in found.by_month
        ],
        by_month_and_source=[
            OfPiece(month=f"{day:%Y-%m}", source=name, **_figures(piece))
            for day, name, piece in found.pieces
        ],
    )


def _figures(piece: figures.Piece) -> dict[str, Any]:
    median = round(piece.median.total_seconds()) if piece.median else None
    return {
        "letters": piece.letters,
        "counted": piece.of,
        "opened": piece.opened if piece.of else None,
        "opening_rate": piece.share,
        "median_seconds": median,
    }
