/* Which records an append request is made of, and in which order.
 *
 * The writer goes through a request twice: to write its records, and, once they are durable, to
 * take the same records into the index. One list of them serves both, so they can't differ. */
#include "wal_private.h"

static struct wal_record record_of(const struct log_wal_append *req, enum wal_record_kind kind)
{
    return (struct wal_record){.kind = kind, .group = req->group};
}

static void visit_plain(const struct log_wal_append *req, enum wal_record_kind kind, uint64_t term,
                        uint64_t index, log_wal_record_visit visit, void *data)
{
    struct wal_record r = record_of(req, kind);
    r.term = term;
    r.index = index;
    visit(data, &r, (struct bytes){0}, (struct bytes){0});
}

static void visit_entries(const struct log_wal_append *req, log_wal_record_visit visit, void *data)
{
    struct wal_record r = record_of(req, WAL_ENTRY);
    for (unsigned i = 0; i < req->entry_count; i++) {
        const struct log_entry *e = &req->entries[i];
        r.type = e->type;
        r.term = e->term;
        r.index = e->index;
        r.head_size = (uint8_t)e->head.bytes.size;
        r.data_size = log_entry_size(e);
        r.data_crc = e->crc;
        visit(data, &r, e->head.bytes, e->body.bytes);
    }
}

void log_wal_visit_records(const struct log_wal_append *req, log_wal_record_visit visit, void *data)
{
    if (req->is_drop || req->forgets)
        visit_plain(req, WAL_DROPPED, 0, 0, visit, data);
    if (req->has_vote)
        visit_plain(req, WAL_VOTE, req->term, req->voted_for, visit, data);
    if (req->snapshot_index > 0)
        visit_plain(req, WAL_SNAPSHOT, req->snapshot_term, req->snapshot_index, visit, data);
    if (req->truncate_from > 0)
        visit_plain(req, WAL_TRUNCATE, 0, req->truncate_from, visit, data);
    visit_entries(req, visit, data);
    if (req->heard.size > 0) {
        struct wal_record r = record_of(req, WAL_HEARD);
        r.data_size = (uint32_t)req->heard.size;
        visit(data, &r, req->heard, (struct bytes){0});
    }
}
