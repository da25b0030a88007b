"""Every page of Samlepost, on one page."""

from __future__ import annotations

from django.conf import settings
from django.urls import path

from inbox.web.views import (
    about,
    access_log,
    account,
    acting,
    deadlines,
    demo,
    documents,
    export,
    filing,
    hooks,
    inbox,
    language,
    letters,
    login,
    operator,
    papers,
    sharing,
    texts,
    welcome,
)
from inbox.web.views import sources as source_pages

urlpatterns = [
    path("", inbox.page, name="inbox"),
    path("archive/", inbox.archive, name="archive"),
    path("bin/", inbox.thrown_away, name="bin"),
    path("deadlines/", deadlines.page, name="deadlines"),
    path("changes/", inbox.changes, name="changes"),
    path("letters/<uuid:letter_id>/", letters.page, name="letter"),
    path("letters/<uuid:letter_id>/open/", letters.agree, name="letter_agree"),
    path("letters/<uuid:letter_id>/fetch/", letters.fetch, name="letter_fetch"),
    path("letters/<uuid:letter_id>/unread/", letters.unread, name="letter_unread"),
    path("letters/<uuid:letter_id>/move/", filing.move, name="letter_move"),
    path("letters/<uuid:letter_id>/delete/", filing.delete, name="letter_delete"),
    path("letters/<uuid:letter_id>/split/", letters.split, name="letter_split"),
    path("letters/<uuid:letter_id>/unsplit/", letters.unsplit, name="letter_unsplit"),
    path("letters/<uuid:letter_id>/content/", letters.content, name="letter_content"),
    path("letters/<uuid:letter_id>/documents/<uuid:document_id>/", documents.show, name="document"),
    path(
        "letters/<uuid:letter_id>/documents/<uuid:document_id>/download/",
        documents.download,
        name="document_download",
    ),
    path(
        "letters/<uuid:letter_id>/documents/<uuid:document_id>/text/",
        texts.page,
        name="document_text",
    ),
    path("letters/<uuid:letter_id>/print/", texts.printed, name="letter_print"),
    path(
        "letters/<uuid:letter_id>/documents.zip", documents.download_all, name="documents_download"
    ),
    path("bulk/", filing.bulk, name="bulk"),
    path("undo/<uuid:filing_id>/", filing.undo, name="undo"),
    path("papers/", papers.page, name="papers"),
    path("sources/", source_pages.page, name="sources"),
    path("sources/<slug:source>/connect/", source_pages.connect, name="source_connect"),
    path("sources/<slug:source>/disconnect/", source_pages.disconnect, name="source_disconnect"),
    path("sharing/", sharing.page, name="sharing"),
    path("sharing/give/", sharing.give, name="sharing_give"),
    path("sharing/<uuid:representation_id>/withdraw/", sharing.withdraw, name="sharing_withdraw"),
    path("acting/", acting.page, name="acting"),
    path("acting/start/", acting.start, name="acting_start"),
    path("acting/stop/", acting.stop, name="acting_stop"),
    path("acting/accept/", acting.accept, name="acting_accept"),
    path("acting/decline/", acting.decline, name="acting_decline"),
    path("acting/code/", acting.code, name="acting_code"),
    path("acting/done/", access_log.done, name="acting_done"),
    path("access-log/", access_log.page, name="access_log"),
    path("welcome/", welcome.page, name="welcome"),
    path("welcome/done/", welcome.done, name="welcome_done"),
    path("account/", account.page, name="account"),
    path("account/close/", account.close, name="account_close"),
    path("account/keep/", account.keep, name="account_keep"),
    path("export/", export.page, name="export"),
    path("export/download/", export.download, name="export_download"),
    path("help/", about.help_page, name="help"),
    path("accessibility/", about.accessibility, name="accessibility"),
    path("privacy/", about.privacy, name="privacy"),
    path("language/", language.choose, name="language"),
    path("login/", login.choose, name="login"),
    path("login/start/", login.authenticate, name="login_start"),
    path("login/callback/", login.callback, name="login_callback"),
    path("login/step-up/", login.step_up, name="step_up"),
    path("logout/", login.logout, name="logout"),
    path("logged-out/", login.logged_out, name="logged_out"),
    path("logout/frontchannel/", login.frontchannel_logout, name="logout_frontchannel"),
    path("hooks/<slug:source>/", hooks.ping, name="hook"),
    path("operator/quarantine/", operator.quarantine, name="quarantine"),
    path("operator/quarantine/<uuid:item_id>/replay/", operator.replay, name="quarantine_replay"),
    path(
        "operator/quarantine/<uuid:item_id>/file/<int:number>/",
        operator.file,
        name="quarantine_file",
    ),
]

if settings.DEMO:
    urlpatterns += [
        path("demo/", demo.welcome, name="demo"),
        path("demo/outbox/", demo.outbox, name="outbox"),
        path("demo/forget/", demo.forget, name="demo_forget"),
        path("demo/fetch/", demo.fetch, name="demo_fetch"),
    ]
