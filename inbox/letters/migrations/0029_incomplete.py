from django.db import migrations, models
from django.db.models import Exists, OuterRef


def find_incomplete(apps, _schema_editor):
    letter, document = (apps.get_model("letters", name) for name in ("Letter", "Document"))
    shown = document.objects.filter(
        citizen_id=OuterRef("citizen_id"), letter_id=OuterRef("id"), replaced_at=None
    )
    link_alone = ~Exists(shown) & models.Q(body="", content="kept") & ~models.Q(actions=[])
    lacking = Exists(shown.filter(blob_id=None))
    letter.objects.filter(lacking | link_alone).update(incomplete=True)


class Migration(migrations.Migration):

    dependencies = [
        ("letters", "0028_record_by_reference"),
    ]

    operations = [
        migrations.AddField(
            model_name="letter",
            name="incomplete",
            field=models.BooleanField(default=False),
        ),
        migrations.RunPython(find_incomplete, migrations.RunPython.noop),
    ]
