from django.conf import settings
from django.db import migrations, models


def reminders(apps, schema_editor):
    """Every reminder was one after a week."""
    apps.get_model("notifications", "Notification").objects.filter(kind="reminder").update(day=7)


def only_ours(apps, schema_editor):
    """What senders have ordered beyond our own has no room in the older form."""
    notices = apps.get_model("notifications", "Notification").objects
    notices.filter(channel="sms").delete()
    notices.filter(kind="reminder").exclude(day=7).delete()


class Migration(migrations.Migration):

    dependencies = [
        ('letters', '0021_by_message'),
        ('notifications', '0006_uncertain_is_told'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='notification',
            name='channel',
            field=models.CharField(choices=[('email', 'Email'), ('sms', 'Sms')], default='email', max_length=16),
        ),
        migrations.AddField(
            model_name='notification',
            name='day',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.RunPython(reminders, migrations.RunPython.noop),
        migrations.RemoveConstraint(
            model_name='notification',
            name='notification_unique',
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=models.UniqueConstraint(fields=('citizen', 'letter_id', 'kind', 'channel', 'day'), name='notification_unique'),
        ),
        # Last, so that on the way back it comes before the narrower constraint.
        migrations.RunPython(migrations.RunPython.noop, only_ours),
    ]
