from django.db import migrations


def mark_all_stale(apps, schema_editor):
    """Let the sweep write every row anew: compounds are taken apart at more words than before."""
    apps.get_model("letters", "LetterSearch").objects.update(stale=True)


class Migration(migrations.Migration):
    dependencies = [("letters", "0017_access_by_case")]

    operations = [migrations.RunPython(mark_all_stale, migrations.RunPython.noop)]
