/* The table as data: what the parser, the checks and the printer walk along. */
#include "setting.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/event.h"

#define OFFSET_HEADING(field) 0
#define OFFSET_NUMBER(field)  offsetof(struct conf_settings, field)
#define OFFSET_FLAG(field)    offsetof(struct conf_settings, field)
#define OFFSET_CHOICE(field)  offsetof(struct conf_settings, field)
#define OFFSET_NAME(field)    offsetof(struct conf_settings, field)
#define OFFSET_PATH(field)    offsetof(struct conf_settings, field)
#define OFFSET_ADDRESS(field) offsetof(struct conf_settings, field)
#define OFFSET_NODES(field)   offsetof(struct conf_settings, field)

const struct setting conf_table[CONF_ID_COUNT] = {
#define ROW(kind_, field_, name_, unit_, initial_, least_, most_, meaning_)                        \
    {.kind = KIND_##kind_,                                                                         \
     .name = (name_),                                                                              \
     .unit = (unit_),                                                                              \
     .initial = (initial_),                                                                        \
     .least = (least_),                                                                            \
     .most = (most_),                                                                              \
     .meaning = (meaning_),                                                                        \
     .offset = OFFSET_##kind_(field_)},
    CONF_TABLE(ROW)
#undef ROW
};

_Static_assert(EVENT_DEBUG == 0 && EVENT_INFO == 1 && EVENT_WARN == 2 && EVENT_ERROR == 3,
               "the choices of event_level stand in the order of enum event_level");

const struct setting *setting_find(const char *name)
{
    for (size_t i = 0; i < CONF_ID_COUNT; i++)
        if (conf_table[i].kind != KIND_HEADING && strcmp(conf_table[i].name, name) == 0)
            return &conf_table[i];
    return NULL;
}

void conf_init(struct conf_settings *settings)
{
    memset(settings, 0, sizeof *settings);
    for (size_t i = 0; i < CONF_ID_COUNT; i++) {
        const struct setting *s = &conf_table[i];
        if (s->kind == KIND_HEADING || s->initial == NULL || s->initial[0] == '\0')
            continue;
        int err = value_read(s, s->initial, setting_field(settings, s), NULL);
        assert(err == 0); /* a default in the table breaks its own range */
        (void)err;
    }
}
