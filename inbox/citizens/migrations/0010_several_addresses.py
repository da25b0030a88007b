import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Exists, OuterRef


def latest_is_current(apps, schema_editor):
    """Ids are UUIDv7: the greatest is the latest."""
    rows = apps.get_model("citizens", "Identifier").objects
    later = rows.filter(citizen=OuterRef("citizen"), kind=OuterRef("kind"), id__gt=OuterRef("id"))
    earlier = list(rows.filter(Exists(later)).values_list("id", flat=True))
    rows.filter(id__in=earlier).update(current=False)


class Migration(migrations.Migration):

    dependencies = [
        ('citizens', '0009_reach_of_life_events'),
    ]

    operations = [
        migrations.AddField(
            model_name='identifier',
            name='claimed_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='identifier',
            name='current',
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name='identifier',
            name='supplier',
            field=models.CharField(blank=True, max_length=255),
        ),
        migrations.RunPython(latest_is_current, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='identifier',
            constraint=models.UniqueConstraint(condition=models.Q(('current', True)), fields=('citizen', 'kind'), name='identifier_one_current'),
        ),
    ]
