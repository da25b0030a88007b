"""On PostgreSQL a leaf's row is not changed or deleted by mistake."""

from django.db import migrations

PROTECT = """
CREATE FUNCTION archive_logentry_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a leaf of the archive''s log is not deleted';
    END IF;
    IF (NEW.id, NEW.object_id, NEW.version, NEW.event, NEW.leaf, NEW.leaf_hash)
        IS DISTINCT FROM
        (OLD.id, OLD.object_id, OLD.version, OLD.event, OLD.leaf, OLD.leaf_hash)
        OR (OLD."index" IS NOT NULL AND NEW."index" IS DISTINCT FROM OLD."index")
    THEN
        RAISE EXCEPTION 'a leaf of the archive''s log is not changed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER archive_logentry_kept BEFORE UPDATE OR DELETE ON archive_logentry
    FOR EACH ROW EXECUTE FUNCTION archive_logentry_kept();
"""
RELEASE = """
DROP TRIGGER archive_logentry_kept ON archive_logentry;
DROP FUNCTION archive_logentry_kept();
"""


def protect(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(PROTECT)


def release(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(RELEASE)


class Migration(migrations.Migration):

    dependencies = [
        ('archive', '0004_holdings'),
    ]

    operations = [
        migrations.RunPython(protect, release),
    ]
