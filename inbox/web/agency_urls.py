"""Every page of the agency portal. Each names its agency, so that none is taken for another's."""

from __future__ import annotations

from django.urls import path, register_converter

from inbox.web.views.agency import documentation, home, keys, send, sent


class OrgNumber:
    """An organisation number: nine digits."""

    regex = "[0-9]{9}"

    def to_python(self, value: str) -> str:
        """Return it as it stands."""
        return value

    def to_url(self, value: str) -> str:
        """Return it as it stands."""
        return value


register_converter(OrgNumber, "org")

urlpatterns = [
    path("", home.choose, name="agencies"),
    path("<org:org_number>/", home.page, name="agency_home"),
    path("<org:org_number>/nokler/", keys.page, name="agency_keys"),
    path("<org:org_number>/nokler/ny/", keys.create, name="agency_keys_create"),
    path("<org:org_number>/nokler/<uuid:key_id>/bytt/", keys.rotate, name="agency_keys_rotate"),
    path("<org:org_number>/nokler/<uuid:key_id>/trekk/", keys.revoke, name="agency_keys_revoke"),
    path("<org:org_number>/dokumentasjon/", documentation.page, name="agency_documentation"),
    path(
        "<org:org_number>/dokumentasjon/<slug:name>/",
        documentation.guide,
        name="agency_documentation_guide",
    ),
    path("<org:org_number>/send/", send.one, name="agency_send"),
    path("<org:org_number>/send/flere/", send.many, name="agency_send_many"),
    path("<org:org_number>/send/<uuid:dispatch_id>/", send.dispatch, name="agency_send_dispatch"),
    path("<org:org_number>/sendt/", sent.page, name="agency_sent"),
    path("<org:org_number>/sendt/<uuid:outgoing_id>/", sent.letter, name="agency_sent_letter"),
    path(
        "<org:org_number>/sendt/<uuid:outgoing_id>/svar/<uuid:answer_id>/<int:number>/",
        sent.file,
        name="agency_sent_file",
    ),
]
