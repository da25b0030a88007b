from __future__ import annotations

import pytest

from config.celery import BEAT, ROUTES, app


@pytest.fixture(scope="module")
def registered() -> set[str]:
    app.loader.import_default_modules()
    return set(app.tasks)


@pytest.mark.parametrize("name", BEAT)
def test_every_periodic_job_is_a_task_that_workers_know(name, registered):
    assert BEAT[name][0] in registered


def test_only_tasks_that_workers_know_have_a_queue_of_their_own(registered):
    assert set(ROUTES) <= registered
