"""What is fetched on opening is one delivery's, not the letter's."""

import django.db.models.deletion
from django.db import migrations, models

import inbox.citizens.owned


def name_deliveries(apps, schema_editor):
    """Let each retrieval name the latest delivery of its letter by the letter's source."""
    Retrieval = apps.get_model("sync", "Retrieval")
    Letter = apps.get_model("letters", "Letter")
    Delivery = apps.get_model("letters", "Delivery")
    for retrieval in Retrieval.objects.all().iterator():
        own = {"citizen_id": retrieval.citizen_id}
        letter = Letter.objects.filter(**own, id=retrieval.letter_id).first()
        deliveries = Delivery.objects.filter(**own, letter_id=retrieval.letter_id)
        delivery = letter and deliveries.filter(source=letter.source).order_by("-fetched_at").first()
        row = Retrieval.objects.filter(**own, id=retrieval.id)
        if delivery:
            row.update(delivery_id=delivery.id)
        else:
            row.delete()


class Migration(migrations.Migration):
    dependencies = [
        ("letters", "0005_same_letter"),
        ("sync", "0001_initial"),
    ]

    operations = [
        migrations.AddField("retrieval", "delivery_id", models.UUIDField(null=True)),
        migrations.RunPython(name_deliveries, migrations.RunPython.noop),
        migrations.AlterField("retrieval", "delivery_id", models.UUIDField()),
        # It has no column of its own, and SQLite's schema editor cannot take it away again.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField(
                    "retrieval",
                    "delivery",
                    inbox.citizens.owned.OwnedForeignKey(
                        "letters.delivery",
                        from_fields=("citizen_id", "delivery_id"),
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="retrievals",
                        to_fields=("citizen_id", "id"),
                    ),
                ),
            ]
        ),
        migrations.RemoveConstraint("retrieval", "retrieval_one_waiting"),
        migrations.AddConstraint(
            "retrieval",
            models.UniqueConstraint(
                fields=["citizen", "delivery_id"],
                name="retrieval_one_waiting",
                condition=models.Q(("state", "waiting")),
            ),
        ),
    ]
