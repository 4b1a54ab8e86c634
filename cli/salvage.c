/* trilog salvage: what a forced recovery has lost, and nodes that came back still have.
 *
 * A node does some seconds' work for each call and says where to go on, so this here asks until it
 * is done. One node after the other: both may have the same records, and each adds only what the
 * salvage topics have not. What ends it in the middle ends nothing else: call it again. */
#include <string.h>
#include <time.h>

#include "command.h"
#include "progress.h"
#include "table.h"

#define PAUSE_MS       300  /* when the node waits for something */
#define CALL_MS_MIN    1000 /* a call brings 32 MiB at most: so many a second, for producers' sake */
#define WAIT_S_DEFAULT 1800
#define WAIT_S_MAX     (7 * 24 * 3600)

struct salvage {
    struct session *s;
    const char *recovery; /* NULL: the only one */
    json_t *tails;        /* of all nodes, owned */
    json_t *notes;        /* likewise */
    int64_t records, left_out, epoch;
    int64_t end_at_ms;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sleep_ms(int64_t ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    if (ms > 0)
        nanosleep(&pause, NULL);
}

static void show_progress(const struct salvage *v, const json_t *answer)
{
    if (v->s->is_terminal)
        fprintf(v->s->err, "\r\033[Kpartition %lld of %lld, %lld records",
                (long long)field_number(answer, "next"),
                (long long)field_number(answer, "partitions"), (long long)v->records);
}

static void take(struct salvage *v, const json_t *answer)
{
    const char *note = field_text(answer, "note");
    v->records += field_number(answer, "records");
    v->left_out += field_number(answer, "left_out");
    v->epoch = field_number(answer, "epoch");
    json_array_extend(v->tails, json_object_get(answer, "tails"));
    if (note[0] != '\0' && field_flag(answer, "is_done"))
        json_array_append_new(v->notes, json_string(note));
    show_progress(v, answer);
}

static json_t *body_of(const struct salvage *v, int64_t next)
{
    json_t *body = json_pack("{s:I}", "next", (json_int_t)next);
    if (v->recovery != NULL && !session_put_text(v->s, body, "recovery_id", v->recovery)) {
        json_decref(body);
        return NULL;
    }
    return body;
}

static void tell_late(const struct salvage *v, const char *waiting)
{
    fprintf(v->s->err, "trilog: it is not done: %s\n",
            waiting[0] != '\0' ? waiting : "there is more; call it again");
}

static int ask_node(struct salvage *v, unsigned target)
{
    int64_t next = 0;
    for (;;) {
        int status = EXIT_DONE;
        int64_t begun_at_ms = now_ms();
        json_t *body = body_of(v, next);
        if (body == NULL)
            return EXIT_USAGE;
        json_t *answer = session_post_of(v->s, target, "/v1/recover/salvage", body, &status);
        if (answer == NULL)
            return status;
        const char *waiting = field_text(answer, "waiting");
        bool is_done = field_flag(answer, "is_done");
        bool is_late = !is_done && now_ms() >= v->end_at_ms;
        take(v, answer);
        next = field_number(answer, "next");
        if (is_late)
            tell_late(v, waiting);
        else if (!is_done)
            sleep_ms(waiting[0] != '\0' ? PAUSE_MS : CALL_MS_MIN - (now_ms() - begun_at_ms));
        json_decref(answer);
        if (is_done || is_late)
            return is_done ? EXIT_DONE : EXIT_PARTLY;
    }
}

static void print_tails(const struct salvage *v)
{
    struct table t;
    size_t i;
    json_t *row;
    table_init(&t, "TOPIC|>PARTITION|>LOST FROM|>UNTIL|SALVAGE TOPIC|TROUBLE");
    json_array_foreach(v->tails, i, row)
    {
        table_text(&t, field_text(row, "topic"));
        table_number(&t, field_number(row, "partition"));
        table_number(&t, field_number(row, "lost_from"));
        table_number(&t, field_number(row, "lost_until"));
        table_text(&t, field_text(row, "salvage_topic"));
        table_text(&t, field_text(row, "trouble"));
    }
    table_print(&t, v->s->out);
    table_close(&t);
    fprintf(v->s->out, "\n%lld records added\n", (long long)v->records);
}

/* Something could not be brought over: the operator is to look. */
static bool has_trouble(const struct salvage *v)
{
    size_t i;
    json_t *row;
    bool is_any = json_array_size(v->notes) > 0 || v->left_out > 0;
    if (v->left_out > 0)
        fprintf(v->s->err,
                "trilog: %lld records were left out: too large, or not to be taken apart\n",
                (long long)v->left_out);
    json_array_foreach(v->notes, i, row) fprintf(v->s->err, "trilog: %s\n", json_string_value(row));
    json_array_foreach(v->tails, i, row) is_any |= field_text(row, "trouble")[0] != '\0';
    return is_any;
}

static int run(struct salvage *v)
{
    int status = EXIT_DONE;
    for (unsigned i = 0; i < v->s->targets.count && status == EXIT_DONE; i++)
        status = ask_node(v, i);
    if (v->s->is_terminal)
        fputc('\n', v->s->err);
    if (status != EXIT_DONE && status != EXIT_PARTLY && json_array_size(v->tails) == 0)
        return status; /* what one node had is told also when the next one has failed */
    json_t *all = json_pack("{s:I, s:I, s:I, s:O}", "epoch", (json_int_t)v->epoch, "records",
                            (json_int_t)v->records, "left_out", (json_int_t)v->left_out, "tails",
                            v->tails);
    if (v->s->is_json)
        session_print_json(v->s, all);
    else
        print_tails(v);
    json_decref(all);
    return has_trouble(v) && status == EXIT_DONE ? EXIT_PARTLY : status;
}

int salvage_run(struct session *s)
{
    const char *wait = s->arguments.values[OPTION_WAIT];
    int64_t wait_s = WAIT_S_DEFAULT;
    if (!progress_can_wait(s) || (wait != NULL && !arguments_number(wait, 0, WAIT_S_MAX, &wait_s)))
        return EXIT_USAGE;
    struct salvage v = {.s = s,
                        .recovery = s->arguments.operand_count > 0 ? s->arguments.operands[0]
                                                                   : NULL,
                        .tails = json_array(),
                        .notes = json_array(),
                        .end_at_ms = now_ms() + wait_s * 1000};
    int status = run(&v);
    json_decref(v.tails);
    json_decref(v.notes);
    return status;
}
