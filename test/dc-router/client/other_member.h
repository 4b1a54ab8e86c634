/* A plain librdkafka consumer of the group that a scene's consumer is of. */
#ifndef TEST_CLIENT_OTHER_MEMBER_H
#define TEST_CLIENT_OTHER_MEMBER_H

#include "consumer_scene.h"

/* Another member of the group, or one that only asks and commits (`is_member`). */
rd_kafka_t *other_open(struct scene *s, bool is_member);
void other_close(rd_kafka_t *other);
/* Until it has one of the two partitions: which? */
int32_t other_take_over(rd_kafka_t *other);

#endif
