/* What the files share that go over what an ended application keeps. Private to them. */
#ifndef CLIENT_KEPT_H
#define CLIENT_KEPT_H

#include "conf/client_conf.h"
#include "retry_log.h"
#include "trilog/trilog.h"

struct kept_walk {
    trilog_kept_cb cb;
    void *data;
    int err; /* a disk's, of which the walk goes on */
};

/* Shows one, whose content is a record's. What is to become of it? TRILOG_KEEP where it can't be
 * read. */
enum trilog_kept_fate kept_show(struct kept_walk *walk, struct trilog_kept_record *kept,
                                struct bytes content);

/* The same of a failure log's entry, with what becomes of it. */
void kept_settle(struct kept_walk *walk, struct retry_log *log, struct trilog_kept_record *kept,
                 const struct retry_entry *entry, struct bytes content);

/* kept_consumed.c: all logs of consumers in the settings' failure_directory, by name. 0 or an error
 * of trilog_kept_records(). */
int kept_walk_consumed(struct kept_walk *walk, const struct client_settings *settings, char *why);

#endif
