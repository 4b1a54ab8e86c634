#!/usr/bin/env python3
"""Writes the C codec of Kafka's messages from protocol/schema/*.txt.

    generate.py OUTPUT_FOLDER SCHEMA...

In the output folder: api_keys.h (the enum), messages.h (structs and prototypes of all
messages), a .c file per API, and apis.c (the table behind api_key.h). For tests only:
describe.h and describe.c, which name every field with its place in the struct, so that code
can fill and compare any message.
"""
import os
import sys

import emit_codec
import emit_describe
import emit_header
from schema_reader import NEVER, SchemaError, read_api

BANNER = "/* Generated from protocol/schema/ by protocol/generate.py: edit those. */\n"


def write(path, text):
    """In one step: another build of the same tree may be reading it."""
    with open(f"{path}.{os.getpid()}", "w", encoding="ascii") as file:
        file.write(BANNER + text)
    os.replace(f"{path}.{os.getpid()}", path)


def api_keys(apis):
    keys = "".join(f"    KAFKA_API_{a.snake.upper()} = {a.key},\n" for a in apis)
    return ("#ifndef PROTOCOL_API_KEYS_H\n#define PROTOCOL_API_KEYS_H\n\nenum kafka_api_key {\n"
            f"{keys}}};\n\n#endif\n")


def message_type(message):
    name = message.name
    return (f'     {{"{name}", sizeof(struct {name}), {name}_decode_any, {name}_encode_any}}')


def any_functions(message):
    """The same functions with an untyped message, for the table."""
    name = message.name
    return (f"static int {name}_decode_any(struct kafka_reader *r, int16_t version,\n"
            f"    struct kafka_arena *arena, void *message)\n"
            f"{{\n    return {name}_decode(r, version, arena, message);\n}}\n"
            f"static int {name}_encode_any(struct kafka_writer *w, int16_t version,\n"
            f"    const void *message)\n"
            f"{{\n    return {name}_encode(w, version, message);\n}}\n")


def api_table(apis):
    out = ['#include "protocol/api_key.h"\n#include "protocol/messages.h"\n\n']
    out += [any_functions(m) for a in apis for m in a.messages]
    out.append("\nconst struct kafka_api kafka_apis[] = {\n")
    for a in apis:
        flexible = "KAFKA_NEVER_FLEXIBLE" if a.flexible == NEVER else a.flexible
        out.append(f"    {{{a.key}, {a.versions[0]}, {a.versions[1]}, {a.advertised[0]}, "
                   f'{flexible}, "{a.name}",\n')
        out.append(",\n".join(message_type(m) for m in a.messages) + "},\n")
    out.append(f"}};\nconst size_t kafka_api_count = {len(apis)};\n")
    return "".join(out)


def check(apis):
    keys = [a.key for a in apis]
    if len(set(keys)) != len(keys):
        raise SchemaError("two APIs have the same key")
    for a in apis:
        if a.advertised[1] != a.versions[1] or a.advertised[0] > a.versions[0]:
            raise SchemaError(f"{a.name}: what is advertised must reach down from the highest")


def main(arguments):
    if len(arguments) < 2:
        sys.exit(__doc__)
    folder = arguments[0]
    try:
        apis = sorted((read_api(path) for path in arguments[1:]), key=lambda a: a.key)
        check(apis)
    except SchemaError as error:
        sys.exit(f"generate: {error}")
    os.makedirs(folder, exist_ok=True)
    for api in apis:
        write(f"{folder}/{api.snake}.c", emit_codec.source(api))
    write(f"{folder}/api_keys.h", api_keys(apis))
    write(f"{folder}/apis.c", api_table(apis))
    write(f"{folder}/describe.h", emit_describe.header())
    write(f"{folder}/describe.c", emit_describe.source(apis))
    write(f"{folder}/messages.h", emit_header.header(apis))


if __name__ == "__main__":
    main(sys.argv[1:])
