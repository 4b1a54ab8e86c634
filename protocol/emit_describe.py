"""describe.h and describe.c: every field with its place in the struct, for tests."""
from emit_header import c_type
from schema_reader import BUILT_IN

KINDS = sorted(BUILT_IN) + ["struct"]


def header():
    kinds = ", ".join(f"KAFKA_KIND_{k.upper()}" for k in KINDS)
    return f"""#ifndef PROTOCOL_DESCRIBE_H
#define PROTOCOL_DESCRIBE_H

#include "protocol/codec.h"

enum kafka_kind {{ {kinds} }};

struct kafka_struct_description;

struct kafka_field_description {{
    const char *name;
    enum kafka_kind kind;       /* of the field, or of an array's elements */
    bool is_array;
    bool is_tagged;
    size_t offset;              /* in the struct */
    size_t count_offset;        /* of an array's count */
    size_t size;                /* of the value, or of an array's element */
    int16_t version_min, version_max;
    int16_t null_min, null_max; /* 0 and -1 where null is never allowed */
    const struct kafka_struct_description *type; /* of a struct */
}};

struct kafka_struct_description {{
    const char *name;
    size_t size;
    void (*init)(void *m);
    const struct kafka_field_description *fields;
    size_t field_count;
}};

/* The description of a message by the name of its struct, or NULL. */
const struct kafka_struct_description *kafka_describe(const char *name);

#endif
"""


def field_row(struct, field):
    kind = "STRUCT" if field.struct else field.type.upper()
    owner = f"struct {struct.name}"
    count = f"offsetof({owner}, {field.name}_count)" if field.is_array else "0"
    null = field.nullable or (0, -1)
    flag = {True: "true", False: "false"}
    described = f"&describe_{field.struct.name}" if field.struct else "NULL"
    return (f'    {{"{field.name}", KAFKA_KIND_{kind}, {flag[field.is_array]}, '
            f"{flag[field.tag is not None]}, offsetof({owner}, {field.name}), {count}, "
            f"sizeof({c_type(field)}), {field.versions[0]}, {field.versions[1]}, "
            f"{null[0]}, {null[1]}, {described}}},\n")


def struct_rows(struct):
    name = struct.name
    rows = "".join(field_row(struct, f) for f in struct.fields)
    return (f"static void init_{name}(void *m)\n{{\n    {name}_init(m);\n}}\n"
            f"static const struct kafka_field_description fields_{name}[] = {{\n{rows}}};\n"
            f"static const struct kafka_struct_description describe_{name} = {{\n"
            f'    "{name}", sizeof(struct {name}), init_{name}, fields_{name}, '
            f"{len(struct.fields)}}};\n\n")


def source(apis):
    out = ['#include "protocol/describe.h"\n\n#include <string.h>\n\n'
           '#include "protocol/messages.h"\n\n']
    messages = [m for a in apis for m in a.messages]
    for message in messages:
        out += [struct_rows(s) for s in message.structs]
    names = "".join(f"    &describe_{m.name},\n" for m in messages)
    out.append("const struct kafka_struct_description *kafka_describe(const char *name)\n{\n"
               f"    static const struct kafka_struct_description *const all[] = {{\n{names}    }};\n"
               "    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)\n"
               "        if (strcmp(all[i]->name, name) == 0)\n            return all[i];\n"
               "    return NULL;\n}\n")
    return "".join(out)
