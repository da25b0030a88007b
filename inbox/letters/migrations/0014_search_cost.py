from django.db import migrations

# To the planner two built-in functions cost nothing, so for a common word it computed every row's
# vector anew instead of reading the index. A function of our own says what it costs.
FUNCTION = """CREATE FUNCTION letters_search_vector(tokens text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT COST 100
AS 'BEGIN RETURN pg_catalog.array_to_tsvector(pg_catalog.string_to_array(tokens, '' '')); END'"""
INDEX = """CREATE INDEX letters_search_tokens ON letters_lettersearch
USING gin ({}) WITH (gin_pending_list_limit = 512)"""


def use_function(apps, schema_editor):
    run(
        schema_editor,
        FUNCTION,
        "DROP INDEX letters_search_tokens",
        INDEX.format("letters_search_vector(tokens)"),
    )


def use_built_in(apps, schema_editor):
    run(
        schema_editor,
        "DROP INDEX letters_search_tokens",
        "DROP FUNCTION letters_search_vector(text)",
        INDEX.format("array_to_tsvector(string_to_array(tokens, ' '))"),
    )


def run(schema_editor, *statements):
    if schema_editor.connection.vendor == "postgresql":
        for statement in statements:
            schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("letters", "0013_life_events")]

    operations = [migrations.RunPython(use_function, use_built_in)]
