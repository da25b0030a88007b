"""Rules of a connector: that it can be used, and that fetching loses and repeats nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from connectors import discovery, simulation
from connectors.conformance.bench import Bench, Tried, ids, letters_in, served, unreadable_in
from connectors.conformance.outcome import LeftOut, Rule, must
from connectors.contract import (
    ConnectorError,
    Gone,
    Misconfigured,
    NotPermitted,
    RateLimited,
    Temporary,
)
from connectors.simulation import Simulator

MANY = 120
"""Letters: more than a page of any connector of ours."""
AGAIN_MAX = 10
"""Letters that may come once more, where a source's clock calls for some overlap."""

RULES: list[Rule[Tried]] = []
"""In the order in which they are tried."""


def rule(code: str, title: str, advice: str) -> Callable[[Callable[[Bench], None]], None]:
    """Add a rule that is tried at a bench of its own."""

    def add(check: Callable[[Bench], None]) -> None:
        def at_bench(tried: Tried) -> None:
            with tried.bench() as bench:
                check(bench)

        RULES.append(Rule(code, title, advice, at_bench))

    return add


def _can_be_used(tried: Tried) -> None:
    found = discovery.judge(tried.name, tried.connector_class)
    must(not tried.off_reason and not found.off_reason, tried.off_reason or found.off_reason)


def _has_simulator(tried: Tried) -> None:
    must(tried.simulator is not None, "there is no module `simulator` beside the connector")
    must(hasattr(tried.simulator, "make"), "its module `simulator` has no `make`")
    with tried.bench() as bench:
        must(isinstance(bench.simulator, Simulator), "`make` returns another thing")


RULES += [
    Rule(
        "C-01",
        "It is a connector of this version of the contract",
        "Derive the class `Connector` from connectors.contract.Connector, give it a label, leave "
        "`contract` as it is inherited, and see that the module can be imported.",
        _can_be_used,
    ),
    Rule(
        "C-02",
        "It can be tried: it has a simulator",
        "Put a module simulator.py beside connector.py with make(state_dir, keys_dir), which "
        "returns a connectors.simulation.Simulator; connectors/example has the shortest one.",
        _has_simulator,
    ),
]


@rule(
    "C-03",
    "A missing setting is named",
    "List the settings that it cannot do without in `required_settings`, and call "
    "super().__init__(settings) first.",
)
def missing_setting(bench: Bench) -> None:
    """Without each required setting the connector cannot be made, and says which it was."""
    required = bench.connector_class.required_settings
    must(required, "`required_settings` is empty: it would be made without an address")
    for name in required:
        try:
            bench.connector_class(bench.settings() | {name: ""})
        except Misconfigured as error:
            must(name in str(error), f"the error does not name the setting {name!r}")
        else:
            must(False, f"it is made without the setting {name!r}")


@rule(
    "C-04",
    "What is configured rightly passes its own check",
    "`check` raises only where the source cannot be used as configured.",
)
def check_passes(bench: Bench) -> None:
    """`check` raises nothing."""
    bench.connector().check()


@rule(
    "C-05",
    "An empty mailbox yields no letter",
    "Yield nothing, or batches without letters that carry a cursor.",
)
def empty_mailbox(bench: Bench) -> None:
    """Nothing was sent, so nothing comes."""
    found = bench.fetch()
    must(not letters_in(found) and not unreadable_in(found), "something came that nobody sent")


@rule(
    "C-06",
    "Every letter comes exactly once, over as many pages as it takes",
    "Follow the source's paging to its end; give each letter the same `external_id` each time, "
    "and no two letters the same.",
)
def every_letter_once(bench: Bench) -> None:
    """All that were sent come, none twice, none unreadable."""
    sent = bench.send(range(MANY))
    found = bench.fetch()
    broken = unreadable_in(found)
    must(not broken, f"{len(broken)} of {MANY} were not read: {broken[0].reason if broken else ''}")
    came = ids(found)
    must(len(came) == len(set(came)), f"{len(came) - len(set(came))} of {MANY} came twice")
    missing = len(set(sent) - set(came))
    must(not missing, f"{missing} of {MANY} did not come")
    must(sorted(sent) == came, "letters came under another name than the source's own")


@rule(
    "C-07",
    "Letters come in several batches, not in one",
    "Yield a batch for each page: what has come is then safe when a later page fails.",
)
def several_batches(bench: Bench) -> None:
    """120 letters are more than one batch."""
    bench.send(range(MANY))
    must(len(bench.fetch()) > 1, f"{MANY} letters came in one batch")


@rule(
    "C-08",
    "A run goes on from any batch",
    "The cursor of a batch must stand after its letters: neither before them nor after the next.",
)
def goes_on(bench: Bench) -> None:
    """After a run that ended with any batch, the next one brings the rest and no more."""
    sent = set(bench.send(range(MANY)))
    whole = 2 if bench.shared else len(bench.fetch())
    for taken in range(1, whole):
        first = []
        running = bench.running()
        for batch in running:
            first.append(batch)
            if len(first) == taken:
                break
        had, rest = ids(first), ids(bench.fetch(first[-1].cursor))
        lost = sent - set(had) - set(rest)
        must(not lost, f"after {taken} batches {len(lost)} letters were never seen")
        again = len(had) + len(rest) - len(sent)
        must(again <= 0, f"after {taken} batches {again} letters came once more")
        if bench.shared:
            return


@rule(
    "C-09",
    "A letter that comes later is found",
    "Start where the cursor says, and let the last batch's cursor stand at the end of the list.",
)
def later_letter(bench: Bench) -> None:
    """One that is sent after a run comes with the next."""
    bench.send(range(3))
    cursor = bench.fetch()[-1].cursor
    [added] = bench.send([500])
    must(added in ids(bench.fetch(cursor)), "the letter that came later was not found")


@rule(
    "C-10",
    "Nothing new brings next to nothing",
    "Keep in the cursor how far you have come; a little that is read once more for safety's sake "
    "does no harm, the whole list each time does.",
)
def nothing_new(bench: Bench) -> None:
    """A run from the last cursor brings a few letters at most."""
    bench.send(range(MANY))
    again = len(ids(bench.fetch(bench.fetch()[-1].cursor)))
    must(again <= AGAIN_MAX, f"{again} of {MANY} came once more, though nothing is new")


@rule(
    "C-11",
    "Another person's letters stay with her",
    "Ask in the citizen's name (her number in the token or the body, never in the address), and "
    "keep nothing of one run for the next.",
)
def others_letters(bench: Bench) -> None:
    """Only the account's letters come."""
    if bench.shared:
        raise LeftOut("a shared queue holds everybody's letters")
    other = next(each for each in bench.persons() if each != bench.person)
    bench.simulator.send(bench.letter(1, person=other, key="another's"))
    [own] = bench.send([2])
    found = ids(bench.fetch())
    must(set(found) <= {own}, "another person's letter came")
    must(found == [own], "her own letter did not come")


def _fault(mode: str, *expected: type[ConnectorError]) -> Callable[[Bench], None]:
    """A rule's check: with this fault the fetch raises one of `expected`, and nothing is lost."""
    names = " or ".join(each.__name__ for each in expected)

    def check(bench: Bench) -> None:
        bench.send(range(3))
        bench.fail(mode)
        try:
            found = bench.fetch()
        except expected as error:
            must(bench.person.national_id not in str(error), "the error holds an identity number")
            if isinstance(error, RateLimited):
                must(error.retry_after == 7, "the source said 7 seconds; the error says otherwise")
        except ConnectorError as error:
            must(False, f"it raises {type(error).__name__}, not {names}")
        else:
            must(False, f"it ends as if all were well, with {len(ids(found))} letters")
        bench.fail("ok")
        must(len(ids(bench.fetch())) == 3, "the letters did not come when the source was back")

    return check


_NEVER_EMPTY = "Let the error pass, or raise {}; never end as if there were no letters. "

rule(
    "C-12",
    "A source that is down is a failure, and a passing one",
    _NEVER_EMPTY.format("Temporary"),
)(_fault("down", Temporary))
rule(
    "C-13",
    "An answer that breaks off is a failure",
    _NEVER_EMPTY.format("Temporary") + "Compare what came with Content-Length.",
)(_fault("truncated", Temporary))
rule(
    "C-14",
    "A web page where data was promised is a failure",
    _NEVER_EMPTY.format("Temporary") + "A log-in page with status 200 is a common one.",
)(_fault("html", Temporary))
rule(
    "C-15",
    "Bytes that mean nothing are a failure",
    _NEVER_EMPTY.format("Temporary"),
)(_fault("garbage", Temporary))
rule(
    "C-16",
    "Refused credentials stop the source and call for an operator",
    "Raise Misconfigured at 401: asking again will not help.",
)(_fault("unauthorized", Misconfigured))
rule(
    "C-17",
    "A source that asks to wait is left alone for so long",
    "Raise RateLimited with `retry_after` in seconds from the header Retry-After at 429.",
)(_fault("rate_limited", RateLimited))


@rule(
    "C-18",
    "A fault between pages loses nothing",
    "Raise at the page that fails; what was yielded before stays, and its cursor leads to the "
    "page that failed.",
)
def fault_between(bench: Bench) -> None:
    """Of each fault: what came before it and what comes after it are all letters."""
    sent = set(bench.send(range(MANY)))
    for mode in ("down", "truncated", "html", "garbage", "unauthorized", "rate_limited"):
        running = bench.running()
        first = next(running)
        if set(ids([first])) == sent:
            raise LeftOut("all letters come in one batch")
        bench.fail(mode)
        came, failed = ids([first]), False
        try:
            came += ids(list(running))
        except ConnectorError:
            failed = True
        bench.fail("ok")
        all_came = set(came) == sent
        must(failed or all_came, f"{mode} between two pages ends the run as if all were well")
        rest = bench.fetch(first.cursor)
        lost = sent - set(ids([first])) - set(ids(rest))
        must(not lost, f"{mode} between two pages loses {len(lost)} letters")
        if bench.shared:
            return


@rule(
    "C-19",
    "A source that does not answer is given up",
    "Give every request a time limit of half a minute at most; raise Temporary.",
)
def gives_up(bench: Bench) -> None:
    """A source that says nothing for two minutes is a failure before that."""
    connector = bench.connector()
    bench.send([1])
    list(bench.running(connector=connector))
    bench.fail("timeout")
    seconds = min(45.0, simulation.SLOW_SECONDS_MAX * 0.9)
    ended: list[str] = []

    def run() -> None:
        try:
            list(bench.running(connector=connector))
        except Temporary:
            ended.append("Temporary")
        except Exception as error:  # what else it is, is said
            ended.append(type(error).__name__)
        else:
            ended.append("nothing")

    bench.in_thread(run, seconds)
    must(ended, f"after {seconds:.0f} seconds it waits still")
    must(ended == ["Temporary"], f"it raises {ended[0] if ended else ''}, not Temporary")


@rule(
    "C-20",
    "Redirects are not followed to another host",
    "Follow no redirects (connectors.http does not): the citizen's token would go to a stranger.",
)
def no_redirects(bench: Bench) -> None:
    """A source that sends us elsewhere is a failure, and nobody is asked there."""
    bench.send([1])
    asked: list[str] = []

    def elsewhere(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        asked.append(environ["PATH_INFO"])
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b"[]"]

    with served(elsewhere) as address:
        bench.door.redirect_to = address
        failed = False
        with suppress(Misconfigured, NotPermitted, Gone, Temporary):
            bench.fetch()
            failed = True
        bench.door.redirect_to = ""
    must(not asked, "it asked the other host")
    must(not failed, "it ends as if all were well")
