from django.conf import settings
from django.db import migrations, models


def too_late(apps, schema_editor):
    """Of what became uncertain before this nobody is told: a receipt is due the day after."""
    apps.get_model("notifications", "Notification").objects.filter(state="uncertain").update(
        is_told=True
    )


class Migration(migrations.Migration):

    dependencies = [
        ('letters', '0021_by_message'),
        ('notifications', '0005_outbox_citizen'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='notification',
            name='notification_failed',
        ),
        migrations.RunPython(too_late, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(condition=models.Q(('is_told', False), ('state__in', ['failed', 'uncertain'])), fields=['failed_at'], name='notification_failed'),
        ),
    ]
