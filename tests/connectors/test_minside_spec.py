"""The specification of the feed: its page, its OpenAPI file and the code agree."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

import connectors.minside

FOLDER = Path(connectors.minside.__file__).parent
DESCRIPTION = json.loads((FOLDER / "openapi.json").read_text("utf-8"))
PAGE = (Path(__file__).parents[2] / "docs" / "minside-feed.md").read_text("utf-8")
EXAMPLES = re.findall(r"```json (\w+)\n(.*?)```", PAGE, re.DOTALL)
RULES = re.findall(r"\bF-\d\d\b", PAGE[PAGE.index("## The rules") :])


def test_the_openapi_file_is_one() -> None:
    validate(DESCRIPTION)


@pytest.mark.parametrize(("schema", "example"), EXAMPLES)
def test_every_example_of_the_page_is_as_the_openapi_file_says(schema: str, example: str) -> None:
    said = {"$ref": f"#/components/schemas/{schema}", "components": DESCRIPTION["components"]}
    Draft202012Validator(said).validate(json.loads(example))


def test_every_rule_that_code_names_is_in_the_pages_table() -> None:
    sources = [*FOLDER.glob("*.py"), FOLDER / "openapi.json"]
    named = {code for path in sources for code in re.findall(r"\bF-\d\d\b", path.read_text())}
    assert named <= set(RULES)
    assert len(RULES) == len(set(RULES))
