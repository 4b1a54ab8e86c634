/* What is said twice in one request can't be done twice, and which of the two was meant nobody
 * knows: Kafka refuses it, and answers it once. Sorted, for a request may name very many. */
#include "request/repeats.h"

#include <stdlib.h>
#include <string.h>

struct place {
    struct kafka_string key;
    size_t index;
};

static int by_key(const void *a, const void *b)
{
    const struct place *left = a, *right = b;
    int32_t shorter = left->key.size < right->key.size ? left->key.size : right->key.size;
    int order = shorter > 0 ? memcmp(left->key.data, right->key.data, (size_t)shorter) : 0;
    if (order == 0)
        order = (left->key.size > right->key.size) - (left->key.size < right->key.size);
    return order != 0 ? order : (left->index > right->index) - (left->index < right->index);
}

uint8_t *repeats_find(struct request *r, const struct kafka_string *keys, size_t count)
{
    struct place *places = request_array(r, count, sizeof *places);
    uint8_t *repeats = request_array(r, count, sizeof *repeats);
    if (places == NULL || repeats == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        places[i] = (struct place){.key = keys[i], .index = i};
    qsort(places, count, sizeof *places, by_key);
    for (size_t i = 1; i < count; i++) {
        uint8_t *before = &repeats[places[i - 1].index];
        if (!kafka_string_is_equal(places[i - 1].key, places[i].key))
            continue;
        repeats[places[i].index] = REPEAT_AGAIN;
        if (*before == REPEAT_NONE)
            *before = REPEAT_FIRST;
    }
    return repeats;
}
