/* Small texts for answers, in the request's arena. */
#ifndef CLUSTER_REQUEST_TEXT_H
#define CLUSTER_REQUEST_TEXT_H

#include "request.h"

/* A copy that lives as long as the request; null when the arena is at its limit. */
struct kafka_string text_copy(struct request *r, const char *text);
struct kafka_string text_copy_of(struct request *r, const char *data, size_t size);

/* A terminated copy of a request's string; NULL when it is null, has a zero byte, or the arena is
 * at its limit. */
char *text_terminated(struct request *r, struct kafka_string string);

/* The cluster's id as Kafka shows ids: 22 characters of base64url. */
struct kafka_string text_cluster_id(struct request *r);

/* Kafka's rule for topic names: 1 to 249 of [a-zA-Z0-9._-], not "." or "..". */
bool text_is_topic_name(struct kafka_string name);

#endif
