from django.db import migrations


def mark_all_stale(apps, schema_editor):
    """Let the sweep write every row anew: letters' words are analysed otherwise than before."""
    apps.get_model("letters", "LetterSearch").objects.update(stale=True)


class Migration(migrations.Migration):
    dependencies = [("letters", "0010_acting")]

    operations = [migrations.RunPython(mark_all_stale, migrations.RunPython.noop)]
