/* Settings that are lists, as data. Private to conf/. */
#ifndef CONF_LIST_H
#define CONF_LIST_H

#include "setting.h"

/* How the entries of one kind look. The field is a struct of an unsigned count, then the entries.
 */
struct setting_list {
    const char *entry_name;     /* "node", for messages */
    const char *entries_name;   /* "nodes" */
    const char *shape;          /* "'id', 'site' and 'peer'"; NULL: an entry is a single value */
    const char *key_names;      /* "id, site, peer" */
    const struct setting *keys; /* of an entry; one for a single value */
    size_t key_count;
    size_t entry_size;
    size_t entries_offset;                   /* in the field */
    unsigned entries_max;                    /* room in the field */
    const char *(*check)(const void *entry); /* NULL, or what is wrong with it; may be NULL */
};

/* The list that settings of this kind are, or NULL. */
const struct setting_list *list_of(const struct setting *s);

static inline unsigned *list_count(void *field)
{
    return field; /* the first member of all of them */
}

/* The entry at an index below entries_max. */
void *list_entry(const struct setting_list *list, void *field, unsigned index);

static inline unsigned list_size(const void *field)
{
    return *(const unsigned *)field;
}

const void *list_value(const struct setting_list *list, const void *field, unsigned index);

#endif
