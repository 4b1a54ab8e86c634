/* The consumer groups of one partition. */
#include "cluster/consumer_table.h"

#include <stdlib.h>

#include "base/err.h"

struct consumer_table {
    int unused;
};

int consumer_table_create(struct consumer_table **table)
{
    *table = calloc(1, sizeof **table);
    return *table == NULL ? UV_ENOMEM : 0;
}

void consumer_table_destroy(struct consumer_table *t)
{
    free(t);
}

int consumer_table_apply(struct consumer_table *t, struct bytes body, int64_t wall_ms, int *error,
                         uint8_t **batch, size_t *batch_size, uint8_t **detail,
                         size_t *detail_size)
{
    (void)t;
    (void)body;
    (void)wall_ms;
    *batch = *detail = NULL;
    *batch_size = *detail_size = 0;
    *error = ERR_VERSION;
    return 0;
}

int consumer_table_encode(const struct consumer_table *t, uint8_t **bytes, size_t *size)
{
    (void)t;
    *bytes = calloc(1, 1);
    *size = 0;
    return *bytes == NULL ? UV_ENOMEM : 0;
}

int consumer_table_decode(struct consumer_table *t, struct bytes from)
{
    (void)t;
    return from.size == 0 ? 0 : ERR_MALFORMED;
}
