"""Samlepost as an installed app: what browsers are told, and what a device keeps."""

from __future__ import annotations

import re

import pytest
from django.contrib.staticfiles import finders

from tests.make import log_in, make_citizen, make_letter

pytestmark = pytest.mark.django_db


def test_the_manifest_names_icons_that_there_are(client):
    answer = client.get("/manifest.webmanifest")
    assert answer["Content-Type"] == "application/manifest+json"
    manifest = answer.json()
    assert (manifest["start_url"], manifest["scope"]) == ("/", "/")
    assert {icon["sizes"] for icon in manifest["icons"]} == {"192x192", "512x512"}
    assert {icon["purpose"] for icon in manifest["icons"]} == {"any", "maskable"}
    for icon in manifest["icons"]:
        name = re.sub(r"^/static/|\.[0-9a-f]{12}(?=\.png$)", "", icon["src"])
        assert finders.find(name)


def test_every_page_leads_to_the_manifest(client):
    assert (
        '<link rel="manifest" href="/manifest.webmanifest">'
        in client.get("/help/").content.decode()
    )


def test_the_worker_keeps_static_files_and_the_offline_page_alone(client):
    answer = client.get("/service-worker.js")
    assert answer["Content-Type"].startswith("text/javascript")
    assert "no-cache" in answer["Cache-Control"]
    script = answer.content.decode()
    kept = re.findall(r'"(/[^"]*)"', script)
    assert "/offline/" in kept
    assert all(each.startswith("/static/") for each in kept if each != "/offline/")


def test_the_offline_page_is_the_same_whoever_asks_and_in_whatever_language(client):
    stranger = client.get("/offline/").content
    kari = make_citizen("Kari Nordmann")
    make_letter(kari)
    log_in(client, kari)
    client.cookies["django_language"] = "en"
    client.cookies["color_scheme"] = "dark"
    hers = client.get("/offline/")
    assert hers.content == stranger
    assert "Set-Cookie" not in str(hers.headers)
    text = stranger.decode()
    assert "Du er uten nett" in text
    assert 'lang="en"' in text


def test_workers_and_manifests_of_others_are_refused(client):
    policy = client.get("/help/")["Content-Security-Policy"]
    assert "worker-src 'self'" in policy
    assert "manifest-src 'self'" in policy
