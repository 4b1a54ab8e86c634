/* Opening a node's disk. Each kind of damage is met once at most: what is opened again after it was
 * put out of the way is empty, and must be sound. */
#include "start/storage.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/event.h"

struct opening {
    const struct storage_options *options;
    struct identity *identity;
    struct storage_report *report;
    struct log_wal *wal;
    struct err_note *note;
};

static void note_damage(struct opening *o, enum storage_part part, uint32_t group_id)
{
    struct storage_report *r = o->report;
    if (r->damage_count++ >= STORAGE_DAMAGES_MAX)
        return;
    struct storage_damage *d = &r->damages[r->damage_count - 1];
    *d = (struct storage_damage){.part = part, .group_id = group_id};
    bytes_copy_text(d->text, sizeof d->text, o->note->text);
}

/* One for all that is found at this start: it has promised nothing yet. */
static int take_new_incarnation(struct opening *o, bool is_wal)
{
    if (o->report->lost_incarnation == 0) {
        o->report->lost_incarnation = o->identity->incarnation;
        identity_draw_incarnation(o->identity, o->options->random);
    }
    if (is_wal) {
        o->identity->has_wal = false;
        o->identity->set_aside_count++;
    }
    int err = identity_write(o->options->disk, o->identity);
    return err == 0 ? 0 : err_set(o->note, err, "new incarnation: %s", err_text(err));
}

/* ---- the WAL ---- */

static int try_wal(struct opening *o)
{
    struct log_wal_options options = o->options->wal;
    options.is_expected = o->identity->has_wal;
    return log_wal_open(o->options->wal_disk, &options, o->options->writer, o->options->readers,
                        &o->wal, o->note);
}

static int replace_wal(struct opening *o)
{
    const struct storage_options *options = o->options;
    note_damage(o, STORAGE_WAL, 0);
    int err = take_new_incarnation(o, true);
    if (err != 0)
        return err;
    unsigned number = o->identity->set_aside_count;
    event_error("wal_damaged",
                "reason=\"%s\" kept_as=%s.damaged-%u incarnation=%012llx was=%012llx "
                "next=\"its replicas are rebuilt: learner, then voter\"",
                o->note->text, options->wal.directory, number,
                (unsigned long long)o->identity->incarnation,
                (unsigned long long)o->report->lost_incarnation);
    err = log_wal_set_aside(options->wal_disk, options->wal.directory, number);
    return err == 0 ? try_wal(o) : err_set(o->note, err, "set the WAL aside: %s", err_text(err));
}

static int open_wal(struct opening *o)
{
    int err = try_wal(o);
    if (err == ERR_CORRUPT)
        err = replace_wal(o);
    if (err != 0 || o->identity->has_wal)
        return err == 0 ? 0 : err_prefix(o->note, err, "open WAL");
    o->identity->has_wal = true; /* from now on its absence is damage */
    err = identity_write(o->options->disk, o->identity);
    return err == 0 ? 0 : err_set(o->note, err, "identity: %s", err_text(err));
}

/* ---- stores ---- */

static int check_group(struct opening *o, uint32_t group_id, struct log_store *store)
{
    uint32_t first_later = o->options->first_later_group_id;
    bool is_founded = first_later == 0 || group_id < first_later;
    struct repl_group_options options = {.identity = {.group_id = group_id},
                                         .founders = o->options->founders,
                                         .founder_count = is_founded ? o->options->founder_count
                                                                     : 0,
                                         .wal = o->wal,
                                         .store = store};
    return repl_group_check(&options, o->note);
}

static int try_store(struct opening *o, uint32_t group_id, struct log_store **store)
{
    const struct storage_options *options = o->options;
    return log_store_open(options->disk, group_id, options->readers,
                          options->home(options->data, group_id), store, o->note);
}

/* The votes of the group went with the incarnation, so the WAL may forget all of it. */
static int begin_group_anew(struct opening *o, uint32_t group_id, const char *next)
{
    note_damage(o, STORAGE_GROUP, group_id);
    event_error("group_damaged", "group=%u file=groups/%u/manifest reason=\"%s\" next=\"%s\"",
                group_id, group_id, o->note->text, next);
    int err = take_new_incarnation(o, false);
    if (err == 0)
        err = log_wal_forget_group(o->wal, group_id);
    return err;
}

static int replace_store(struct opening *o, uint32_t group_id, struct log_store **store)
{
    int err = begin_group_anew(o, group_id, "the manifest is set aside, the group is fetched anew");
    if (err == 0)
        err = log_store_set_aside(o->options->disk, group_id);
    return err == 0 ? try_store(o, group_id, store) : err;
}

/* A checkpoint that is older than where the WAL begins is sound, and what it has need not be
 * fetched; one whose configuration is no configuration is not. */
static int mend_continuation(struct opening *o, uint32_t group_id, struct log_store **store)
{
    int err = begin_group_anew(o, group_id, "it goes on from its last sound checkpoint");
    if (err == 0)
        err = check_group(o, group_id, *store);
    if (err != ERR_CORRUPT)
        return err;
    log_store_close(*store);
    *store = NULL;
    return replace_store(o, group_id, store);
}

static int open_store(struct opening *o, uint32_t group_id, struct log_store **store)
{
    int err = try_store(o, group_id, store);
    if (err == ERR_CORRUPT)
        err = replace_store(o, group_id, store);
    if (err == 0)
        err = check_group(o, group_id, *store);
    if (err == ERR_CORRUPT && *store != NULL)
        err = mend_continuation(o, group_id, store);
    return err == 0 ? 0 : err_prefix(o->note, err, "open group %u", group_id);
}

int storage_open(const struct storage_options *options, struct identity *identity,
                 struct log_wal **wal, struct log_store **stores, struct storage_report *report,
                 struct err_note *note)
{
    struct opening o = {.options = options, .identity = identity, .report = report, .note = note};
    assert(identity->state == IDENTITY_FOUNDED && note != NULL);
    *report = (struct storage_report){0};
    memset(stores, 0, options->group_count * sizeof(struct log_store *));
    int err = open_wal(&o);
    for (unsigned i = 0; i < options->group_count && err == 0; i++)
        err = open_store(&o, options->first_group_id + i, &stores[i]);
    for (unsigned i = 0; i < options->group_count && err == 0 && options->folders != NULL; i++)
        err = log_store_set_folders(stores[i], options->folders);
    for (unsigned i = 0; i < options->group_count && err != 0; i++)
        log_store_close(stores[i]);
    if (err != 0) {
        log_wal_close(o.wal);
        return err;
    }
    *wal = o.wal;
    return 0;
}
