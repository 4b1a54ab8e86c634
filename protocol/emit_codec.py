"""A .c file per API: init, array, decode and encode of its messages."""
import re

from emit_header import element_structs
from schema_reader import BUILT_IN

FIXED = {"bool": 1, "int8": 1, "int16": 2, "int32": 4, "int64": 8, "uuid": 16}


def has(versions, version):
    return versions[0] <= version <= versions[1]


def condition(versions, within):
    """A C expression that holds for `versions`, or None when that is all of `within`."""
    low, high = versions
    parts = []
    if low > within[0]:
        parts.append(f"version >= {low}")
    if high < within[1]:
        parts.append(f"version <= {high}")
    return " && ".join(parts) or None


def nullable_expression(field):
    if not field.nullable:
        return "false"
    return condition(field.nullable, field.versions) or "true"


def wire_bytes_min(field, version, flexible):
    """The fewest bytes that a field takes."""
    if field.tag is not None or not has(field.versions, version):
        return 0
    if field.is_array or field.type in ("bytes", "records", "slices"):
        return 1 if version >= flexible else 4
    if field.type == "string":
        return 1 if version >= flexible else 2
    if field.struct:
        return struct_bytes_min(field.struct, version, flexible)
    return FIXED[field.type]


def struct_bytes_min(struct, version, flexible):
    tags = 1 if version >= flexible else 0
    return tags + sum(wire_bytes_min(f, version, flexible) for f in struct.fields)


def element_bytes_min(field, version, flexible):
    if field.struct:
        return struct_bytes_min(field.struct, version, flexible)
    if field.type == "string":
        return 1 if version >= flexible else 2
    return FIXED[field.type]


def by_version(field, api):
    """A C expression for the fewest bytes of an element, by version."""
    low, high = field.versions
    sizes = [(v, element_bytes_min(field, v, api.flexible)) for v in range(low, high + 1)]
    text = str(sizes[0][1])
    for (_, before), (version, size) in zip(sizes, sizes[1:]):
        if size != before:
            text = f"version >= {version} ? {size} : {text}"
    return text


# ---- init and array ---------------------------------------------------------------------------

def default_value(field):
    """The C default of a field, or None where all zero is right."""
    if field.is_array or field.default is None:
        return None
    if field.default == "null":
        return "KAFKA_STRING_NULL" if field.type == "string" else None
    return "INT32_MIN" if field.default == "-2147483648" else field.default


def init_function(struct):
    name = struct.name
    defaults = [f".{f.name} = {default_value(f)}" for f in struct.fields if default_value(f)]
    inits = "".join(f"    {f.struct.name}_init(&m->{f.name});\n"
                    for f in struct.fields if f.struct and not f.is_array)
    value = ", ".join(defaults) or "0"
    return (f"void {name}_init(struct {name} *m)\n{{\n"
            f"    *m = (struct {name}){{{value}}};\n{inits}}}\n\n")


def array_function(struct):
    name = struct.name
    return (f"struct {name} *\n{name}_array(struct kafka_arena *arena, int32_t count)\n{{\n"
            f"    struct {name} *array = kafka_arena_array(arena, (size_t)count, sizeof *array);\n"
            f"    for (int32_t i = 0; i < count && array != NULL; i++)\n"
            f"        {name}_init(&array[i]);\n"
            f"    return array;\n}}\n\n")


def element_assertion(struct, api):
    """Memory never exceeds KAFKA_ARENA_FACTOR times the bytes on the wire."""
    low, high = struct.versions
    fewest = min(struct_bytes_min(struct, v, api.flexible) for v in range(low, high + 1))
    return (f"_Static_assert(sizeof(struct {struct.name}) <= KAFKA_ARENA_FACTOR * {fewest},\n"
            f'               "raise KAFKA_ARENA_FACTOR");\n\n')


# ---- decode -----------------------------------------------------------------------------------

def read_one(field, place, reader):
    if field.struct:
        return f"decode_{field.struct.name}({reader}, version, {place});\n"
    kind = "bytes" if field.type == "records" else field.type
    if kind in ("string", "bytes", "slices"):
        null = "false" if field.is_array else nullable_expression(field)
        return f"{place} = kafka_read_{kind}({reader}, {null});\n"
    return f"{place} = kafka_read_{kind}({reader});\n"


def read_field(field, api, reader):
    if not field.is_array:
        place = f"&m->{field.name}" if field.struct else f"m->{field.name}"
        return [read_one(field, place, reader)]
    element = f"&m->{field.name}[i]" if field.struct else f"m->{field.name}[i]"
    count = f"m->{field.name}_count"
    return [f"{count} = kafka_read_count({reader}, {nullable_expression(field)},\n",
            f"    {by_version(field, api)});\n",
            f"m->{field.name} = kafka_read_array({reader}, {count}, "
            f"sizeof *m->{field.name});\n",
            f"for (int32_t i = 0; i < {count} && {reader}->err == 0; i++)\n",
            "    " + read_one(field, element, reader)]


def indent(lines, depth):
    return "".join("    " * depth + line for line in lines)


def guarded(lines, guard, depth=1):
    if not guard:
        return indent(lines, depth)
    return indent([f"if ({guard}) {{\n"], depth) + indent(lines, depth + 1) + indent(["}\n"], depth)


def decode_tags(struct, api):
    tagged = [f for f in struct.fields if f.tag is not None]
    if not tagged:
        return "    kafka_skip_tags(r);\n"
    out = ["    uint32_t tag_count = kafka_read_tag_count(r);\n",
           "    int64_t previous_tag = -1;\n",
           "    struct kafka_reader field;\n",
           "    for (uint32_t t = 0; t < tag_count && r->err == 0; t++) {\n",
           "        uint32_t tag = kafka_read_tag(r, &previous_tag, &field);\n"]
    for f in tagged:
        guard = " && ".join(filter(None, [f"tag == {f.tag}", condition(f.versions, api.versions)]))
        body = read_field(f, api, "(&field)") + ["kafka_read_tag_end(r, &field);\n"]
        out.append(guarded(body, guard, 2))
    return "".join(out) + "    }\n"


def with_version(head, body):
    """A body that does not look at the version says so."""
    unused = "" if re.search(r"\bversion\b", body) else "    (void)version;\n"
    return head + "{\n" + unused + body + "}\n\n"


def decode_function(struct, api):
    head = (f"static void decode_{struct.name}(struct kafka_reader *r, int16_t version,\n"
            f"    struct {struct.name} *m)\n")
    body = f"    {struct.name}_init(m);\n"
    for f in struct.fields:
        if f.tag is None:
            body += guarded(read_field(f, api, "r"), condition(f.versions, struct.versions))
    return with_version(head, body + decode_tags(struct, api))


# ---- encode -----------------------------------------------------------------------------------

def write_one(field, value):
    if field.struct:
        return f"encode_{field.struct.name}(w, version, &{value});\n"
    kind = "bytes" if field.type == "records" else field.type
    if kind in ("string", "bytes", "slices"):
        null = "false" if field.is_array else nullable_expression(field)
        return f"kafka_write_{kind}(w, {value}, {null});\n"
    return f"kafka_write_{kind}(w, {value});\n"


def write_field(field):
    if not field.is_array:
        return [write_one(field, f"m->{field.name}")]
    return [f"kafka_write_count(w, m->{field.name}_count, {nullable_expression(field)});\n",
            f"for (int32_t i = 0; i < m->{field.name}_count && w->err == 0; i++)\n",
            "    " + write_one(field, f"m->{field.name}[i]")]


def differs_from_default(field, place="m->"):
    """A C expression: a tagged field is written only when this holds."""
    value = place + field.name
    if field.is_array:
        return f"{value}_count > 0"
    if field.struct:
        return " || ".join(differs_from_default(f, value + ".") for f in field.struct.fields)
    if field.type == "string":
        return f"{value}.size >= 0" if field.default == "null" else f"{value}.size != 0"
    if field.type in FIXED and field.type != "uuid":
        return f"{value} != {default_value(field) or 0}"
    raise NotImplementedError(f"{field.name}: a tagged {field.type}")


def tag_function(struct, field):
    head = (f"static void encode_{struct.name}_{field.name}(struct kafka_writer *w,\n"
            f"    int16_t version, const struct {struct.name} *m)\n")
    return with_version(head, indent(write_field(field), 1))


def encode_tags(struct, api):
    tagged = sorted((f for f in struct.fields if f.tag is not None), key=lambda f: f.tag)
    if not tagged:
        return "    if (w->is_flexible)\n        kafka_write_uvarint(w, 0);\n"
    out = ["    if (!w->is_flexible)\n        return;\n", "    struct kafka_writer counting;\n"]
    for f in tagged:
        guard = condition(f.versions, api.versions)
        test = differs_from_default(f)
        test = f"{guard} && ({test})" if guard else test
        out.append(f"    bool has_{f.name} = {test};\n")
    total = " + ".join(f"(uint32_t)has_{f.name}" for f in tagged)
    out.append(f"    kafka_write_uvarint(w, {total});\n")
    for f in tagged:
        function = f"encode_{struct.name}_{f.name}"
        out.append(f"    if (has_{f.name}) {{\n"
                   f"        counting = kafka_writer_counting(w);\n"
                   f"        {function}(&counting, version, m);\n"
                   f"        kafka_write_tag(w, {f.tag}, counting.size_bytes);\n"
                   f"        {function}(w, version, m);\n    }}\n")
    return "".join(out)


def encode_function(struct, api):
    out = "".join(tag_function(struct, f) for f in struct.fields if f.tag is not None)
    head = (f"static void encode_{struct.name}(struct kafka_writer *w, int16_t version,\n"
            f"    const struct {struct.name} *m)\n")
    body = ""
    for f in struct.fields:
        if f.tag is None:
            body += guarded(write_field(f), condition(f.versions, struct.versions))
    if not body and not any(f.tag is not None for f in struct.fields):
        body = "    (void)m;\n"
    return out + with_version(head, body + encode_tags(struct, api))


# ---- a message --------------------------------------------------------------------------------

def message_functions(message, api):
    name = message.name
    flexible = "KAFKA_NEVER_FLEXIBLE" if api.flexible > api.versions[1] else api.flexible
    limits = f"{api.versions[0]}, {api.versions[1]}, {flexible}"
    return (f"int {name}_decode(struct kafka_reader *r, int16_t version,\n"
            f"    struct kafka_arena *arena, struct {name} *m)\n{{\n"
            f"    int err = kafka_reader_begin(r, arena, version, {limits});\n"
            f"    if (err != 0)\n        return err;\n"
            f"    decode_{name}(r, version, m);\n"
            f"    return r->err;\n}}\n\n"
            f"int {name}_encode(struct kafka_writer *w, int16_t version,\n"
            f"    const struct {name} *m)\n{{\n"
            f"    int err = kafka_writer_begin(w, version, {limits});\n"
            f"    if (err != 0)\n        return err;\n"
            f"    encode_{name}(w, version, m);\n"
            f"    return w->err;\n}}\n\n")


def source(api):
    out = ['#include "protocol/messages.h"\n\n']
    for message in api.messages:
        elements = element_structs(message)
        for struct in message.structs:
            assert all(f.struct or f.type in BUILT_IN for f in struct.fields)
            out.append(init_function(struct))
            if struct.name in elements:
                out.append(element_assertion(struct, api))
                out.append(array_function(struct))
            out.append(decode_function(struct, api))
            out.append(encode_function(struct, api))
        out.append(message_functions(message, api))
    return "".join(out)
