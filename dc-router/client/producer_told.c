/* What an application is told, once each, and never while the lock is held. */
#include "producer_parts.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void producer_link(struct send_list *list, struct send *send)
{
    send->previous = list->last;
    send->next = NULL;
    *(list->last != NULL ? &list->last->next : &list->first) = send;
    list->last = send;
}

void producer_unlink(struct send_list *list, struct send *send)
{
    *(send->previous != NULL ? &send->previous->next : &list->first) = send->next;
    *(send->next != NULL ? &send->next->previous : &list->last) = send->previous;
}

/* Who waits is told at once; a callback gets a note of its own, for the send may live on. */
void producer_tell(struct trilog_producer *p, struct send *send, int result, const char *text)
{
    assert(!send->is_told);
    struct trilog_delivery *d = &send->delivery;
    d->result = result;
    d->text = text != NULL ? text : trilog_error_text(result);
    d->opaque = send->opaque;
    if (result != TRILOG_OK)
        d->partition = -1, d->offset = -1;
    send->is_told = true;
    if (send->waiter != NULL) {
        send->waiter->delivery = *d;
        send->waiter->is_told = true;
        send->waiter = NULL;
        p->untold_count--;
    } else {
        struct note *note = send->note;
        send->note = NULL;
        note->delivery = *d;
        note->next = NULL;
        *(p->told_last != NULL ? &p->told_last->next : &p->told_first) = note;
        p->told_last = note;
    }
    pthread_cond_broadcast(&p->changed);
}

void producer_forget(struct trilog_producer *p, struct send *send)
{
    producer_unlink(&p->sends, send);
    p->send_count--;
    pthread_cond_broadcast(&p->changed);
    free(send->content);
    free(send->note);
    free(send);
}

void producer_run_callbacks(struct trilog_producer *p)
{
    pthread_mutex_lock(&p->lock);
    struct note *note;
    while ((note = p->told_first) != NULL) {
        p->told_first = note->next;
        if (note->next == NULL)
            p->told_last = NULL;
        pthread_mutex_unlock(&p->lock);
        if (p->options.on_delivery != NULL)
            p->options.on_delivery(p->options.data, &note->delivery);
        free(note);
        pthread_mutex_lock(&p->lock);
        p->untold_count--;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
}

void producer_event(struct trilog_producer *p, enum trilog_event_kind kind, const char *format, ...)
{
    char text[TRILOG_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    pthread_mutex_unlock(&p->lock);
    if (p->options.on_event != NULL)
        p->options.on_event(p->options.data, kind, text);
    else
        fprintf(stderr, "libtrilog: %s\n", text);
    pthread_mutex_lock(&p->lock);
}
