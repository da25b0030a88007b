from django.db import migrations


def by_case(apps, schema_editor):
    """Let access to one case name the case, not a sender and a reference."""
    Representation = apps.get_model("citizens", "Representation")
    Case = apps.get_model("letters", "Case")
    Sender = apps.get_model("letters", "Sender")
    for row in Representation.objects.filter(reach="case").iterator():
        said = row.limits.get("case")
        if not isinstance(said, list):
            continue
        sender = Sender.objects.get(id=said[0])
        case, _ = Case.objects.get_or_create(
            citizen_id=row.citizen_id,
            sender_key=sender.org_number or sender.name,
            reference=said[1],
            defaults={"sender_name": sender.name},
        )
        row.limits = row.limits | {"case": str(case.id)}
        row.save(update_fields=["limits"])


def by_reference(apps, schema_editor):
    """Name sender and reference again; what has no letter any more, and life events, go."""
    Representation = apps.get_model("citizens", "Representation")
    Letter = apps.get_model("letters", "Letter")
    # To the code of before, an unknown reach would be every letter.
    Representation.objects.filter(reach="life_event").delete()
    for row in Representation.objects.filter(reach="case").iterator():
        letters = Letter.objects.filter(citizen_id=row.citizen_id, case_id=row.limits["case"])
        letter = letters.order_by("-received_at").first()
        if letter is None:
            row.delete()
            continue
        row.limits = row.limits | {"case": [str(letter.sender_id), letter.case_reference]}
        row.save(update_fields=["limits"])


class Migration(migrations.Migration):
    dependencies = [("letters", "0016_saved_searches"), ("citizens", "0009_reach_of_life_events")]

    operations = [migrations.RunPython(by_case, by_reference)]
