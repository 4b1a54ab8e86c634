/* Names that a request says more than once. */
#ifndef CLUSTER_REQUEST_REPEATS_H
#define CLUSTER_REQUEST_REPEATS_H

#include "request.h"

enum repeat {
    REPEAT_NONE,  /* said once */
    REPEAT_FIRST, /* for the first time of several */
    REPEAT_AGAIN
};

/* An enum repeat of each key, in the request's arena; NULL at its limit. */
uint8_t *repeats_find(struct request *r, const struct kafka_string *keys, size_t count);

#endif
