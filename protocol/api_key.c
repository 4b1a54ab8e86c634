/* Finding a request by its key: the table is short and sorted. */
#include "protocol/api_key.h"

const struct kafka_api *kafka_api_find(int16_t key)
{
    size_t low = 0;
    size_t high = kafka_api_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (kafka_apis[middle].key == key)
            return &kafka_apis[middle];
        if (kafka_apis[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
