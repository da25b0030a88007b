from django.db import migrations


def mark_all_stale(apps, schema_editor):
    """Let the sweep write every row anew: its number says the day of its letter."""
    apps.get_model("letters", "LetterSearch").objects.update(stale=True)


class Migration(migrations.Migration):
    dependencies = [("letters", "0018_search_words_anew")]

    operations = [migrations.RunPython(mark_all_stale, migrations.RunPython.noop)]
