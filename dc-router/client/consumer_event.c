/* What the consumer tells: kept in order until the library's thread can say it, without the lock.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "consumer_parts.h"

void consumer_event(struct trilog_consumer *c, enum trilog_consumer_event_kind kind,
                    const char *format, ...)
{
    struct consumer_note *note = c->note_count < CONSUMER_NOTES_MAX ? calloc(1, sizeof *note)
                                                                    : NULL;
    if (note == NULL)
        return; /* a callback that does not return has said enough */
    note->kind = kind;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(note->text, sizeof note->text, format, arguments);
    va_end(arguments);
    *(c->notes_last != NULL ? &c->notes_last->next : &c->notes_first) = note;
    c->notes_last = note;
    c->note_count++;
}

void consumer_run_events(struct trilog_consumer *c)
{
    pthread_mutex_lock(&c->lock);
    struct consumer_note *note;
    while ((note = c->notes_first) != NULL) {
        c->notes_first = note->next;
        if (note->next == NULL)
            c->notes_last = NULL;
        c->note_count--;
        pthread_mutex_unlock(&c->lock);
        if (c->options.on_event != NULL)
            c->options.on_event(c->options.data, note->kind, note->text);
        else
            fprintf(stderr, "libtrilog: %s\n", note->text);
        free(note);
        pthread_mutex_lock(&c->lock);
    }
    pthread_mutex_unlock(&c->lock);
}
