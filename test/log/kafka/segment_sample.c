/* Writes a partition's segments into a folder, for Kafka's own dump tool to read.
 *   segment_sample FOLDER    makes FOLDER/topics/<id>-0/ *.log, *.index, *.timeindex */
#include <stdio.h>

#include "log/batches.h"

int main(int argument_count, char **arguments)
{
    struct disk disk;
    if (argument_count != 2 || disk_open_system(&disk, arguments[1]) != 0) {
        fprintf(stderr, "usage: segment_sample FOLDER\n");
        return 2;
    }
    struct log_partition_id id = {.topic_id = {1, 2, 3}};
    struct log_partition_settings settings = {.segment_bytes = 300000,
                                              .segment_ms = 1000000,
                                              .index_interval_bytes = 4096,
                                              .producer_count_max = 10};
    struct log_partition *p;
    struct random r;
    random_init(&r, 42);
    if (log_partition_create(&disk, &id, &settings, 0, &p) != 0)
        return 1;
    int64_t offset = 0;
    for (unsigned i = 0; i < 2000; i++) {
        struct batch_plan plan = {.base_offset = offset,
                                  .record_count = (int32_t)random_below(&r, 9) + 1,
                                  .leader_epoch = (int32_t)(i / 300),
                                  .base_timestamp = 1700000000000 + (int64_t)i * 50 +
                                                    (int64_t)random_below(&r, 400),
                                  .timestamp_step = (int64_t)random_below(&r, 7) - 2,
                                  .value_size = random_below(&r, 200),
                                  .wall_ms = (int64_t)i * 100};
        append_planned(p, &plan);
        offset += plan.record_count;
        if (random_chance(&r, 0.01))
            flush_now(p);
    }
    flush_now(p);
    log_partition_destroy(p);
    disk_close_system(&disk);
    printf("%lld records\n", (long long)offset);
    return 0;
}
