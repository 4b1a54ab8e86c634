/* What moved a group's offsets, for whoever asks why a group is where it is.
 *
 * Part of the applied state, so every replica tells the same story, and it survives what the
 * members and the coordinator did not. It outlives its group, too: that a group was deleted is the
 * first thing to know of one that began anew.
 *
 * Nothing here may grow with the number of commits. Acts of one client on one partition are one
 * line as long as they go forward and nobody else comes between; so are its refusals. A line that
 * went back, came from a tool's reset, or deleted, stands alone. Each class has its own bounds, by
 * group and by table, and the oldest line goes first; FORGET entries end what is too old. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/err.h"
#include "consumer/table_parts.h"
#include "state/byte_list.h"

/* A fixed number, not sizeof: what goes first is part of the state, the same in every build. */
#define LINE_OVERHEAD_BYTES 400

/* ---- lines ---- */

static bool is_forward(const struct history_line *act)
{
    return act->kind == HISTORY_COMMIT ||
           (act->kind == HISTORY_OUTSIDE && act->new_offset >= act->old_offset);
}

static bool is_refused(const struct history_line *act)
{
    return act->kind == HISTORY_KEPT || act->kind == HISTORY_DENIED;
}

static enum line_class class_of(const struct history_line *act)
{
    return is_forward(act) ? LINE_PLAIN : LINE_MARKED;
}

static struct kafka_string cut(struct kafka_string text)
{
    if (text.size > CONSUMER_HISTORY_TEXT_MAX)
        text.size = CONSUMER_HISTORY_TEXT_MAX;
    return text;
}

static char *keep(char *at, struct kafka_string *text)
{
    if (text->size > 0)
        memcpy(at, text->data, (size_t)text->size);
    text->data = at;
    return at + text->size;
}

static size_t text_bytes(const struct history_line *act)
{
    return (size_t)act->member_id.size + (size_t)act->client_id.size +
           (size_t)act->client_host.size + (size_t)act->topic.size;
}

static struct table_line *create_line(const struct history_line *act)
{
    struct table_line *line = calloc(1, sizeof *line + text_bytes(act));
    if (line == NULL)
        return NULL;
    line->shown = *act;
    line->of_class = class_of(act);
    char *at = keep(line->texts, &line->shown.member_id);
    at = keep(at, &line->shown.client_id);
    at = keep(at, &line->shown.client_host);
    keep(at, &line->shown.topic);
    return line;
}

static void end_line(struct table_line *line)
{
    if (line->offset != NULL)
        line->offset->lines[line->of_class] = NULL;
    line->offset = NULL;
}

void table_history_end(struct table_offset *o)
{
    for (unsigned i = 0; i < LINE_CLASS_COUNT; i++)
        if (o->lines[i] != NULL)
            end_line(o->lines[i]);
}

static void remove_line(struct consumer_table *t, struct table_line *line)
{
    struct table_history *h = line->history;
    struct table_lines *of_group = &h->lines[line->of_class], *of_table = &t->lines[line->of_class];
    end_line(line);
    DL_DELETE2(of_group->first, line, older, newer);
    DL_DELETE2(of_table->first, line, table_older, table_newer);
    of_group->count--;
    of_table->count--;
    of_table->bytes -= line->bytes;
    free(line);
    if (h->lines[LINE_PLAIN].count > 0 || h->lines[LINE_MARKED].count > 0)
        return;
    assert(t->histories != NULL); /* h is one of them */
    HASH_DEL(t->histories, h);
    free(h);
}

void table_history_clear(struct consumer_table *t)
{
    for (unsigned i = 0; i < LINE_CLASS_COUNT; i++)
        while (t->lines[i].first != NULL)
            remove_line(t, t->lines[i].first);
}

void table_history_forget(struct consumer_table *t, int64_t before_ms)
{
    struct table_line *line, *next;
    for (unsigned i = 0; i < LINE_CLASS_COUNT; i++)
        DL_FOREACH_SAFE2(t->lines[i].first, line, next, table_newer)
    if (line->shown.last_at_ms < before_ms)
        remove_line(t, line);
}

/* ---- groups ---- */

static struct table_history *find_history(const struct consumer_table *t, struct kafka_string id)
{
    struct table_history *h = NULL;
    if (id.size >= 0)
        HASH_FIND(hh, t->histories, id.data, (unsigned)id.size, h);
    return h;
}

static struct table_history *find_or_add(struct consumer_table *t, struct kafka_string id)
{
    struct table_history *h = find_history(t, id);
    if (h != NULL)
        return h;
    h = calloc(1, sizeof *h + (size_t)id.size);
    if (h == NULL)
        return NULL;
    if (id.size > 0)
        memcpy(h->id, id.data, (size_t)id.size);
    h->id_size = id.size;
    HASH_ADD_KEYPTR(hh, t->histories, h->id, (unsigned)id.size, h);
    return h;
}

static bool is_over(const struct table_lines *of_group, const struct table_lines *of_table)
{
    return of_group->count > CONSUMER_HISTORY_LINES_MAX ||
           of_table->bytes > CONSUMER_HISTORY_BYTES_MAX;
}

/* The newest one stays: it is far smaller than what a table may have. */
static void make_room(struct consumer_table *t, const struct table_line *newest)
{
    struct table_lines *of_group = &newest->history->lines[newest->of_class];
    struct table_lines *of_table = &t->lines[newest->of_class];
    while (is_over(of_group, of_table)) {
        struct table_line *oldest = of_group->count > CONSUMER_HISTORY_LINES_MAX ? of_group->first
                                                                                 : of_table->first;
        assert(oldest != NULL && oldest != newest);
        remove_line(t, oldest);
    }
}

/* NULL without memory. */
static struct table_line *append(struct consumer_table *t, struct kafka_string group_id,
                                 const struct history_line *act)
{
    struct table_history *h = find_or_add(t, group_id);
    struct table_line *line = h == NULL ? NULL : create_line(act);
    if (line == NULL)
        return NULL; /* ends the process */
    struct table_lines *of_table = &t->lines[line->of_class];
    line->history = h;
    line->number = t->next_number++;
    line->bytes = LINE_OVERHEAD_BYTES + (size_t)group_id.size + text_bytes(act);
    DL_APPEND2(h->lines[line->of_class].first, line, older, newer);
    DL_APPEND2(of_table->first, line, table_older, table_newer);
    h->lines[line->of_class].count++;
    of_table->count++;
    of_table->bytes += line->bytes;
    return line;
}

/* ---- acts ---- */

static bool is_of_same_client(const struct history_line *a, const struct history_line *b)
{
    return a->generation == b->generation && kafka_string_is_equal(a->member_id, b->member_id) &&
           kafka_string_is_equal(a->client_id, b->client_id) &&
           kafka_string_is_equal(a->client_host, b->client_host);
}

static bool go_on(struct table_line *line, const struct history_line *act)
{
    if (line == NULL || line->shown.kind != act->kind || !is_of_same_client(&line->shown, act))
        return false;
    line->shown.last_at_ms = act->last_at_ms;
    line->shown.new_offset = act->new_offset;
    if (is_refused(act))
        line->shown.old_offset = act->old_offset;
    if (line->shown.count < UINT32_MAX)
        line->shown.count++;
    return true;
}

/* Which of the offset's lines the next act may be added to. */
static void open_line(struct table_line *line, struct table_offset *o)
{
    if (o == NULL)
        return;
    if (!is_refused(&line->shown) && o->lines[LINE_PLAIN] != NULL)
        end_line(o->lines[LINE_PLAIN]); /* the offset was moved by something else */
    if (!is_forward(&line->shown) && !is_refused(&line->shown))
        return;
    if (o->lines[line->of_class] != NULL)
        end_line(o->lines[line->of_class]);
    o->lines[line->of_class] = line;
    line->offset = o;
}

int table_history_add(struct consumer_table *t, struct kafka_string group_id,
                      const struct history_line *act, struct table_offset *offset)
{
    struct history_line shown = *act;
    shown.member_id = cut(act->member_id);
    shown.client_id = cut(act->client_id);
    shown.client_host = cut(act->client_host);
    bool may_go_on = offset != NULL && (is_forward(act) || is_refused(act));
    if (may_go_on && go_on(offset->lines[class_of(act)], &shown))
        return 0;
    struct table_line *line = append(t, group_id, &shown);
    if (line == NULL)
        return UV_ENOMEM;
    open_line(line, offset);
    make_room(t, line);
    return 1;
}

/* ---- questions ---- */

static const struct table_line *older_of(const struct table_line *a, const struct table_line *b)
{
    return b == NULL || (a != NULL && a->number < b->number) ? a : b;
}

void consumer_table_each_history(const struct consumer_table *t, struct kafka_string group_id,
                                 consumer_history_cb cb, void *data)
{
    const struct table_history *h = find_history(t, group_id);
    const struct table_line *next[LINE_CLASS_COUNT] = {0}, *line;
    for (unsigned i = 0; h != NULL && i < LINE_CLASS_COUNT; i++)
        next[i] = h->lines[i].first;
    while ((line = older_of(next[LINE_PLAIN], next[LINE_MARKED])) != NULL) {
        next[line->of_class] = line->newer;
        cb(data, &line->shown);
    }
}

int64_t consumer_table_history_oldest_ms(const struct consumer_table *t)
{
    const struct table_line *line;
    int64_t oldest_ms = INT64_MAX;
    for (unsigned i = 0; i < LINE_CLASS_COUNT; i++)
        DL_FOREACH2(t->lines[i].first, line, table_newer)
    if (line->shown.last_at_ms < oldest_ms)
        oldest_ms = line->shown.last_at_ms;
    return oldest_ms;
}

size_t consumer_table_history_bytes(const struct consumer_table *t)
{
    return t->lines[LINE_PLAIN].bytes + t->lines[LINE_MARKED].bytes;
}

/* ---- bytes ---- */

static void put_line(struct byte_list *list, const struct table_line *line)
{
    const struct history_line *shown = &line->shown;
    group_text_put(list, (struct kafka_string){line->history->id, line->history->id_size});
    byte_list_put_u8(list, (uint8_t)shown->kind);
    byte_list_put_u8(list, line->offset != NULL);
    byte_list_put_u64(list, (uint64_t)shown->first_at_ms);
    byte_list_put_u64(list, (uint64_t)shown->last_at_ms);
    byte_list_put_u32(list, shown->count);
    byte_list_put_u32(list, (uint32_t)shown->generation);
    group_text_put(list, shown->member_id);
    group_text_put(list, shown->client_id);
    group_text_put(list, shown->client_host);
    group_text_put(list, shown->topic);
    byte_list_put_u32(list, (uint32_t)shown->partition);
    byte_list_put_u64(list, (uint64_t)shown->old_offset);
    byte_list_put_u64(list, (uint64_t)shown->new_offset);
}

void table_history_put(struct byte_list *list, const struct consumer_table *t)
{
    const struct table_line *next[LINE_CLASS_COUNT] = {t->lines[LINE_PLAIN].first,
                                                       t->lines[LINE_MARKED].first},
                            *line;
    byte_list_put_u32(list, (uint32_t)(t->lines[LINE_PLAIN].count + t->lines[LINE_MARKED].count));
    while ((line = older_of(next[LINE_PLAIN], next[LINE_MARKED])) != NULL) {
        next[line->of_class] = line->table_newer;
        put_line(list, line);
    }
}

static void read_shown(struct bytes_reader *r, struct history_line *shown)
{
    shown->first_at_ms = (int64_t)bytes_read_le64(r);
    shown->last_at_ms = (int64_t)bytes_read_le64(r);
    shown->count = bytes_read_le32(r);
    shown->generation = (int32_t)bytes_read_le32(r);
    shown->member_id = group_text_read(r, false);
    shown->client_id = group_text_read(r, false);
    shown->client_host = group_text_read(r, false);
    shown->topic = group_text_read(r, false);
    shown->partition = (int32_t)bytes_read_le32(r);
    shown->old_offset = (int64_t)bytes_read_le64(r);
    shown->new_offset = (int64_t)bytes_read_le64(r);
    if (shown->kind < HISTORY_COMMIT || shown->kind >= HISTORY_KIND_COUNT || shown->count == 0 ||
        shown->generation < -1 || shown->partition < -1)
        r->is_bad = true;
}

/* A line that goes on is its offset's; a class has one at most. */
static int reopen(struct consumer_table *t, struct table_line *line, struct kafka_string group_id)
{
    struct table_group *g = table_group_find(t, group_id);
    struct table_offset *o = g == NULL
                                 ? NULL
                                 : table_offset_find(g, line->shown.topic, line->shown.partition);
    if (o == NULL || o->lines[line->of_class] != NULL ||
        (!is_forward(&line->shown) && !is_refused(&line->shown)))
        return ERR_MALFORMED;
    o->lines[line->of_class] = line;
    line->offset = o;
    return 0;
}

static int read_line(struct consumer_table *t, struct bytes_reader *r)
{
    struct history_line shown = {0};
    struct kafka_string group_id = group_text_read(r, false);
    shown.kind = bytes_read_u8(r);
    uint8_t is_open = bytes_read_u8(r);
    read_shown(r, &shown);
    if (r->is_bad || is_open > 1)
        return ERR_MALFORMED;
    struct table_line *line = append(t, group_id, &shown);
    if (line == NULL)
        return UV_ENOMEM;
    return is_open ? reopen(t, line, group_id) : 0;
}

int table_history_read(struct consumer_table *t, struct bytes_reader *r)
{
    uint32_t count = bytes_read_le32(r);
    int err = r->is_bad ? ERR_MALFORMED : 0;
    for (uint32_t i = 0; i < count && err == 0; i++)
        err = read_line(t, r);
    return err;
}
