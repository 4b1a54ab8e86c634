/* Small texts for answers, in the request's arena. */
#ifndef CLUSTER_REQUEST_TEXT_H
#define CLUSTER_REQUEST_TEXT_H

#include "request.h"

/* A copy that lives as long as the request; null when the arena is at its limit. */
struct kafka_string text_copy(struct request *r, const char *text);

/* A terminated copy of a request's string; NULL when it is null, has a zero byte, or the arena is
 * at its limit. */
char *text_terminated(struct request *r, struct kafka_string string);

/* A client's text for an event: cut to fit, '?' for what would break the line or its fields. */
#define TEXT_EVENT_SIZE 128
const char *text_for_event(char into[TEXT_EVENT_SIZE], struct kafka_string text);
/* The same for words that will stand between quotes: spaces stay. */
const char *text_for_quotes(char into[TEXT_EVENT_SIZE], struct kafka_string text);

/* The cluster's id as Kafka shows ids: 22 characters of base64url. */
struct kafka_string text_cluster_id(struct request *r);

/* Kafka's rule for topic names: 1 to 249 of [a-zA-Z0-9._-], not "." or "..". */
bool text_is_topic_name(struct kafka_string name);

#endif
