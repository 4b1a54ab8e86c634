/* Who leads each partition, as the newest word of any node has it. */
#ifndef LEDGER_LEADERS_H
#define LEDGER_LEADERS_H

#include <pthread.h>
#include <stdint.h>

struct leader; /* private */

struct leaders {
    pthread_mutex_t lock;
    struct leader *partitions;
    int32_t count;
};

/* Returns -1 without memory. */
int leaders_init(struct leaders *leaders, int32_t partition_count);
void leaders_close(struct leaders *leaders);

/* What some node says; a higher epoch wins, and of one epoch whoever names a leader. Any thread. */
void leaders_hear(struct leaders *leaders, int32_t partition, int32_t leader, int32_t epoch);

/* Those of partitions 0, stride, 2 × stride … that the node leads, at most `count_max`. Returns how
 * many. Any thread. */
int32_t leaders_of(struct leaders *leaders, int32_t node, int32_t stride, int32_t *partitions,
                   int32_t count_max);

#endif
