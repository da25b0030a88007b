"""Every page of the agency portal. Each names its agency, so that none is taken for another's."""

from __future__ import annotations

from django.urls import path, register_converter

from inbox.web.views.agency import (
    conformance,
    connections,
    documentation,
    figures,
    home,
    keys,
    log,
    quarantine,
    sandbox,
    send,
    sent,
    webhooks,
)


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
    path("<org:org_number>/koblinger/", connections.page, name="agency_connections"),
    path(
        "<org:org_number>/koblinger/egen/",
        connections.write_down,
        name="agency_connections_feed",
    ),
    path(
        "<org:org_number>/koblinger/egen/bruk/",
        connections.take_into_use,
        name="agency_connections_use",
    ),
    path(
        "<org:org_number>/koblinger/egen/stans/",
        connections.stop,
        name="agency_connections_stop",
    ),
    path("<org:org_number>/feil/", quarantine.page, name="agency_quarantine"),
    path(
        "<org:org_number>/feil/<uuid:item_id>/igjen/",
        quarantine.replay,
        name="agency_quarantine_replay",
    ),
    path("<org:org_number>/prove/", sandbox.page, name="agency_sandbox"),
    path("<org:org_number>/prove/lag/", sandbox.make, name="agency_sandbox_make"),
    path(
        "<org:org_number>/prove/<uuid:person_id>/send/",
        sandbox.send,
        name="agency_sandbox_send",
    ),
    path(
        "<org:org_number>/prove/<uuid:person_id>/se/",
        sandbox.look,
        name="agency_sandbox_look",
    ),
    path("<org:org_number>/test/", conformance.page, name="agency_conformance"),
    path("<org:org_number>/test/start/", conformance.start, name="agency_conformance_start"),
    path("<org:org_number>/test/<uuid:run_id>/", conformance.one, name="agency_conformance_run"),
    path(
        "<org:org_number>/test/<uuid:run_id>/fil.<slug:form>",
        conformance.file,
        name="agency_conformance_file",
    ),
    path("<org:org_number>/logg/", log.page, name="agency_log"),
    path("<org:org_number>/logg/<uuid:record_id>/", log.line, name="agency_log_line"),
    path("<org:org_number>/tall/", figures.page, name="agency_figures"),
    path("<org:org_number>/tall/csv/", figures.download, name="agency_figures_download"),
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
    path(
        "<org:org_number>/send/<uuid:dispatch_id>/ikke-levert.csv",
        send.undelivered,
        name="agency_send_undelivered",
    ),
    path("<org:org_number>/sendt/", sent.page, name="agency_sent"),
    path("<org:org_number>/sendt/<uuid:outgoing_id>/", sent.letter, name="agency_sent_letter"),
    path(
        "<org:org_number>/sendt/<uuid:outgoing_id>/svar/<uuid:answer_id>/<int:number>/",
        sent.file,
        name="agency_sent_file",
    ),
    path("<org:org_number>/webhooks/", webhooks.page, name="agency_webhooks"),
    path("<org:org_number>/webhooks/ny/", webhooks.create, name="agency_webhooks_create"),
    path("<org:org_number>/webhooks/<uuid:webhook_id>/", webhooks.one, name="agency_webhooks_one"),
    path(
        "<org:org_number>/webhooks/<uuid:webhook_id>/endre/",
        webhooks.change,
        name="agency_webhooks_change",
    ),
    path(
        "<org:org_number>/webhooks/<uuid:webhook_id>/bytt/",
        webhooks.rotate,
        name="agency_webhooks_rotate",
    ),
    path(
        "<org:org_number>/webhooks/<uuid:webhook_id>/prov/",
        webhooks.test,
        name="agency_webhooks_test",
    ),
    path(
        "<org:org_number>/webhooks/<uuid:webhook_id>/av/",
        webhooks.disable,
        name="agency_webhooks_disable",
    ),
    path(
        "<org:org_number>/webhooks/<uuid:webhook_id>/pa/",
        webhooks.enable,
        name="agency_webhooks_enable",
    ),
    path(
        "<org:org_number>/webhooks/<uuid:webhook_id>/fjern/",
        webhooks.remove,
        name="agency_webhooks_remove",
    ),
    path(
        "<org:org_number>/webhooks/<uuid:webhook_id>/igjen/",
        webhooks.resend_failed,
        name="agency_webhooks_resend_failed",
    ),
    path(
        "<org:org_number>/webhooks/meldinger/<uuid:message_id>/igjen/",
        webhooks.resend,
        name="agency_webhooks_resend",
    ),
]
