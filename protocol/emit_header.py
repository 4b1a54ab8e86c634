"""messages.h: the structs of all messages, and the prototypes of what is done with them."""

C_TYPES = {"bool": "bool", "int8": "int8_t", "int16": "int16_t", "int32": "int32_t",
           "int64": "int64_t", "string": "struct kafka_string", "bytes": "struct bytes",
           "records": "struct bytes", "slices": "struct kafka_slices",
           "uuid": "struct kafka_uuid"}


def c_type(field):
    return C_TYPES.get(field.type) or f"struct {field.struct.name}"


def show_range(versions, within):
    low, high = versions
    if high == within[1]:
        return f"{low}+"
    return str(low) if low == high else f"{low}-{high}"


def field_note(field, struct, api):
    """Versions where they are not all of the struct's, nullability and the schema's own words."""
    notes = []
    if field.versions != struct.versions:
        notes.append(f"version {show_range(field.versions, api.versions)}")
    if field.nullable:
        some = "" if field.nullable == field.versions else (
            f" in {show_range(field.nullable, api.versions)}")
        notes.append(f"may be null{some}")
    if field.default not in (None, "null"):
        notes.append(f"by default {field.default}")
    if field.comment:
        notes.append(field.comment)
    return f" /* {'; '.join(notes)} */" if notes else ""


def struct_declaration(struct, api):
    out = [f"struct {struct.name} {{\n"]
    for field in struct.fields:
        note = field_note(field, struct, api)
        if field.is_array:
            out.append(f"    {c_type(field)} *{field.name};{note}\n")
            null = " /* -1: null */" if field.nullable else ""
            out.append(f"    int32_t {field.name}_count;{null}\n")
        else:
            out.append(f"    {c_type(field)} {field.name};{note}\n")
    out.append("};\n")
    return "".join(out)


def struct_prototypes(struct, is_element):
    name = struct.name
    out = f"\nvoid {name}_init(struct {name} *m);\n"
    if is_element:
        out += (f"struct {name} *\n{name}_array(struct kafka_arena *arena, int32_t count);\n")
    return out


def message_prototypes(message):
    name = message.name
    return (f"int {name}_decode(struct kafka_reader *r, int16_t version,\n"
            f"    struct kafka_arena *arena, struct {name} *m);\n"
            f"int {name}_encode(struct kafka_writer *w, int16_t version,\n"
            f"    const struct {name} *m);\n")


def element_structs(message):
    return {f.struct.name for s in message.structs for f in s.fields if f.struct and f.is_array}


ABOUT = """/* Kafka's messages as structs.
 *
 * For each struct: `_init` sets the defaults that Kafka gives (a field that a version lacks keeps
 * its default when decoded). Begin every message that you build with it, and its arrays with
 * `_array`: `count` initialised elements in the arena, NULL beyond its limit.
 *
 * For each message: `_decode` reads one to the last byte of the reader. Returns 0, ERR_VERSION,
 * ERR_MALFORMED, ERR_TOO_LARGE (the arena's limit) or UV_ENOMEM. Strings, bytes and records are
 * borrowed from the bytes read, arrays from the arena; after an error the message's contents
 * mean nothing. `_encode` writes one; fields that the version lacks are left out. Returns 0,
 * ERR_VERSION or the writer's error (kafka_writer_finish). Tagged fields that are not in the
 * schema are passed over when read; those at their default are not written. */
"""


def header(apis):
    out = [ABOUT, "#ifndef PROTOCOL_MESSAGES_H\n#define PROTOCOL_MESSAGES_H\n\n",
           '#include "protocol/codec.h"\n']
    for api in apis:
        out.append(f"\n/* ---- {api.about}\n * Versions {api.versions[0]} to {api.versions[1]}. */\n")
        for message in api.messages:
            elements = element_structs(message)
            for struct in message.structs:
                out.append("\n" + struct_declaration(struct, api))
                out.append(struct_prototypes(struct, struct.name in elements))
            out.append(message_prototypes(message))
    out.append("\n#endif\n")
    return "".join(out)
