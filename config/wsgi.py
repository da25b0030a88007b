"""The WSGI entry point (granian, or any other server)."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from connectors import discovery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
# Whose ping or page is the first to need a connector does not wait for all of them to be imported.
discovery.find()
