/* Events: key=value lines for the operator, in the code's own words, one per change of state,
 * never one per record. Any thread; a line is written with one write to stderr.
 *   error: an operator must act.  warn: may soon have to.  info: tells the story.  debug: ours.
 *
 *   event_info("segment_sealed", "topic=%s partition=%d", topic, partition);
 *   level=info site=b node=2 shard=3 event=segment_sealed topic=orders partition=4 */
#ifndef BASE_EVENT_H
#define BASE_EVENT_H

#include <stdbool.h>

enum event_level { EVENT_DEBUG, EVENT_INFO, EVENT_WARN, EVENT_ERROR };

/* Sets what every line starts with. Once, before threads start. Text is copied. */
void event_init(const char *site, int node_id, enum event_level level_min);
/* Any thread, any time. */
void event_set_level(enum event_level level_min);

/* The calling thread's shard number for its lines; -1 (the default) leaves it out. */
void event_set_shard(int shard);

/* For the simulation and tests: hands each line (without newline) to `sink` instead. */
typedef void (*event_sink)(void *data, enum event_level level, const char *line);
void event_set_sink(event_sink sink, void *data);

void event_write(enum event_level level, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define event_debug(...) event_write(EVENT_DEBUG, __VA_ARGS__)
#define event_info(...)  event_write(EVENT_INFO, __VA_ARGS__)
#define event_warn(...)  event_write(EVENT_WARN, __VA_ARGS__)
#define event_error(...) event_write(EVENT_ERROR, __VA_ARGS__)

#endif
