/* What is known to be lost follows from the last word of the leader; what may be lost beside, from
 * when that was. */
#include "membership/recovery_loss.h"

struct repl_heard recovery_heard(const struct recovery_view *view)
{
    return view->status->heard.leader_raft_id != 0 ? view->status->heard : view->kept;
}

static void count(const struct repl_group_status *status, const struct repl_heard *heard,
                  struct recover_loss *loss)
{
    bool is_other;
    loss->entries = repl_heard_lacking(status, heard, &is_other);
    if (loss->entries == 0)
        return;
    uint64_t records = status->totals.records + (is_other ? 0 : status->tail.records);
    uint64_t bytes = status->totals.bytes + (is_other ? 0 : status->tail.bytes);
    loss->records = heard->totals.records > records ? heard->totals.records - records : 0;
    loss->bytes = heard->totals.bytes > bytes ? heard->totals.bytes - bytes : 0;
    loss->is_at_most = is_other || !status->is_tail_counted;
}

struct recover_loss recovery_loss_of(const struct recovery_view *view)
{
    const struct repl_group_status *status = view->status;
    struct repl_heard heard = recovery_heard(view);
    struct recover_loss loss = {.known_until_ms = heard.level_wall_ms, .heard_ms = heard.wall_ms};
    /* Entries carry rising clocks: what is not here is younger than what is applied here. */
    if (loss.known_until_ms < view->applied_wall_ms)
        loss.known_until_ms = view->applied_wall_ms;
#ifdef TRILOG_BREAK_LOSS_SINCE_LAST_WORD
    loss.known_until_ms = heard.wall_ms; /* on purpose wrong, for the simulation to find */
#endif
    int64_t led_until_ms = view->wall_ms - (int64_t)(view->now_ms - status->led_until_ms);
    if (status->led_term > 0 && status->led_term >= heard.term) {
        loss.known_until_ms = loss.heard_ms =
            led_until_ms; /* nobody else gave its word until then */
        return loss;
    }
    count(status, &heard, &loss);
    return loss;
}

static void earliest(int64_t *of_all, int64_t wall_ms)
{
    if (wall_ms != 0 && (*of_all == 0 || wall_ms < *of_all))
        *of_all = wall_ms;
}

void recovery_loss_add(struct recover_loss *sum, const struct recover_loss *loss)
{
    sum->entries += loss->entries;
    sum->records += loss->records;
    sum->bytes += loss->bytes;
    sum->is_at_most |= loss->is_at_most;
    sum->unknown_count += loss->known_until_ms == 0;
    earliest(&sum->known_until_ms, loss->known_until_ms);
    earliest(&sum->heard_ms, loss->heard_ms);
}
