/* The file's contents are nobody's: that it is there is the word. */
#include "membership/returning.h"

#include "base/err.h"
#include "base/event.h"
#include "start/recovery.h"

int returning_look(struct broker *b, struct err_note *note)
{
    struct disk_file *file;
    int err = disk_open(&b->disk, RECOVERY_RETURNING_FILE, DISK_READ, &file);
    if (err == UV_ENOENT)
        return 0;
    if (err != 0)
        return err_set(note, err, "file \"%s\": %s", RECOVERY_RETURNING_FILE, err_text(err));
    disk_close(&b->disk, file);
    for (unsigned i = 0; i < b->group_count; i++)
        if (b->groups[i] != NULL)
            repl_group_sit_out(b->groups[i]->raft);
    b->is_returning = true;
    event_warn("returning",
               "next=\"it votes and serves in no group until it hears of a forced "
               "recovery; if there was none, remove the file \\\"%s\\\" and start it "
               "again\"",
               RECOVERY_RETURNING_FILE);
    return 0;
}
