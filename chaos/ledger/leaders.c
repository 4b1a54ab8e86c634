/* One small map under one lock: observers write it, probes read it. */
#include "leaders.h"

#include <stdlib.h>

struct leader {
    int32_t node, epoch; /* -1: none, not known */
};

int leaders_init(struct leaders *l, int32_t partition_count)
{
    l->partitions = calloc((size_t)partition_count, sizeof *l->partitions);
    l->count = partition_count;
    if (l->partitions == NULL)
        return -1;
    for (int32_t i = 0; i < partition_count; i++)
        l->partitions[i] = (struct leader){-1, -1};
    pthread_mutex_init(&l->lock, NULL);
    return 0;
}

void leaders_close(struct leaders *l)
{
    pthread_mutex_destroy(&l->lock);
    free(l->partitions);
    l->partitions = NULL;
}

void leaders_hear(struct leaders *l, int32_t partition, int32_t node, int32_t epoch)
{
    if (partition < 0 || partition >= l->count || node < 0)
        return;
    pthread_mutex_lock(&l->lock);
    struct leader *known = &l->partitions[partition];
    if (epoch > known->epoch)
        *known = (struct leader){node, epoch};
    pthread_mutex_unlock(&l->lock);
}

int32_t leaders_of(struct leaders *l, int32_t node, int32_t stride, int32_t *partitions,
                   int32_t count_max)
{
    int32_t count = 0;
    pthread_mutex_lock(&l->lock);
    for (int32_t i = 0; i < l->count && count < count_max; i += stride)
        if (l->partitions[i].node == node)
            partitions[count++] = i;
    pthread_mutex_unlock(&l->lock);
    return count;
}
